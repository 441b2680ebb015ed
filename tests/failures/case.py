"""A run and what must come of it, as one line of a table.

A table is a list of `fails(name, exit code, *messages, ...)` and `succeeds(name, ...)`. `check` runs a case through the
real command line and looks at the exit code, then at the files, then at the message. Where a case runs is a `Place`:
a folder (local_place.py) or a bucket behind a proxy (s3_place.py).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from helpers.command import run_command
from helpers.proxy import Fault
from helpers.records import EARLIER, THREE
from helpers.snapshots import changed
from helpers.waiting import slowdown

PUBLISHED = frozenset({"out.json", "out.log.ldjson"})
LOG = frozenset({"out.log.ldjson"})
REJECTS_FILE = frozenset({"out.rejects.ldjson"})
EARLY: dict[str, Any] = {"model": "failing_models:HangsInInit"}
"""The failure must come before the model is loaded."""
CHECK: dict[str, Any] = {"verb": "check", "stdout": None}
MODES_MATTER: dict[str, Any] = {"mode_matters": True}
"""Root must not pass over the modes of files."""


@dataclass(frozen=True)
class Case:
    """One way to fail, or to go on. In texts BUCKET stands for the bucket's name, CERTIFICATE for the proxy's.

    Attributes:
        name: of the case.
        code: the exit code.
        says: regular expressions that the message must match.
        changed: the files or objects that are new, different or gone afterwards.
        stdout: the bytes on standard output; None: any.
        verb, model, input_file, output_file, arguments: of the command.
        input: the input's content, on standard input if its name is "-"; None: there is no input.
        earlier: the files or objects of an earlier run.
        env: variables; in S3 an empty one is removed.
        set_up: prepares more, with the folder of the run (in S3: the folder for temporary files).
        shell: a script that starts the command, "$@": limits, closed streams, pipes.
        mode_matters: root must not pass over the modes of files.
        faults: what the proxy does to requests, each must strike; locally, what failing_storage raises.
        about: S3: the object that the message must name with its server; "": something else.
        endpoint: S3: a key of `ENDPOINTS` in s3_place.
        denied: S3: what the user may not do, as pairs of an action and a key (or "", for the bucket).
        uploads: S3: the keys of which an upload may be left, since the run could not end it.
        locks: S3: how many locks are left, each with a note for the next run about an upload.
        requests: S3: how many requests a match must have.
        needs_minio: S3: why an imitation of a server does not do; "": it does.
        warned: S3: a warning comes before the message.
        seconds: the run must take less, on a machine that has nothing else to do.
    """

    name: str
    code: int = 0
    says: tuple[str, ...] = ()
    changed: Collection[str] = ()
    stdout: bytes | None = b""
    verb: str = "run"
    model: str = ""
    input_file: str = ""
    output_file: str = ""
    arguments: tuple[str, ...] = ()
    input: bytes | None = THREE
    earlier: dict[str, bytes] = field(default_factory=lambda: EARLIER)
    env: dict[str, str] = field(default_factory=dict)
    set_up: Callable[[Path], object] | None = None
    shell: str = ""
    mode_matters: bool = False
    faults: tuple[Any, ...] = ()
    about: str = ""
    endpoint: str = "proxy"
    denied: tuple[tuple[str, str], ...] = ()
    uploads: tuple[str, ...] = ()
    locks: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    needs_minio: str = ""
    warned: bool = False
    seconds: float = 30


class Builder:
    """Makes the cases of one place, with its defaults for what a case does not name."""

    def __init__(self, **defaults: Any) -> None:
        self._defaults = defaults

    def fails(self, name: str, code: int, *says: str, **given: Any) -> Case:
        """Build a case that ends with an exit code and messages, and changes nothing if `changed` is not given."""
        return Case(name, code, says, **{**self._defaults, **given})

    def succeeds(self, name: str, *faults: Fault, **given: Any) -> Case:
        """Build a case that ends well, whatever strikes it, and publishes output and log if `changed` is not given."""
        return Case(name, faults=faults, **{**self._defaults, "changed": PUBLISHED, **given})


class Place(Protocol):
    """Where a case runs."""

    folder: Path

    def expand(self, text: str) -> str:
        """Return a text of a case with the names of this place in it."""

    def prepare(self, case: Case) -> None:
        """Make what is there before the run."""

    def command(self, case: Case) -> list[str]:
        """Return the command."""

    def environment(self, case: Case) -> dict[str, str]:
        """Return the command's environment."""

    def snapshot(self) -> dict[str, object]:
        """Return the files or objects that count."""

    def check_files(self, case: Case) -> None:
        """Check what else the run left."""

    def check_message(self, case: Case, err: str) -> None:
        """Check what standard error says beyond what every message does."""


def table(cases: Iterable[Case], fast: Collection[str] | None = None) -> pytest.MarkDecorator:
    """Return the decorator that runs a test with each case; all but the `fast` ones (None: all) are slow."""

    def marks(case: Case) -> tuple[pytest.MarkDecorator, ...]:
        return () if fast is None or case.name in fast else (pytest.mark.slow,)

    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=case.name.replace(" ", "_"), marks=marks(case)) for case in cases]
    )


def check(case: Case, place: Place) -> None:
    """Run a case; check the exit code, then the files, then the message."""
    place.prepare(case)
    command, env = place.command(case), place.environment(case)
    before = place.snapshot()
    start = time.monotonic()
    stdin = case.input if case.input_file == "-" and case.input else b""
    done = run_command(command, stdin, place.folder, env)
    took = time.monotonic() - start

    err = done.err
    assert done.code == case.code, err
    assert changed(before, place.snapshot()) == set(case.changed)
    assert case.stdout is None or done.out == case.stdout
    place.check_files(case)
    assert took < case.seconds * slowdown()
    _check_message(case, err, place)
    place.check_message(case, err)


def _check_message(case: Case, err: str, place: Place) -> None:
    """Check that a failure is told once, with a remedy, and a success not at all."""
    if not case.code:
        assert "error" not in err
        return
    silent = "2>" in case.shell
    assert err.count("model-etl: error: ") == (not silent), err
    assert ("Traceback" in err) == (case.code == 1)
    if silent:
        return
    _, _, told = err.partition("model-etl: error: ")
    message, _, remedy = told.rstrip("\n").rpartition("\n  ")
    assert message, f"there is no remedy: {err}"
    assert remedy
    for said in case.says:
        assert re.search(place.expand(said), err), f"{said!r} is not in: {err}"
