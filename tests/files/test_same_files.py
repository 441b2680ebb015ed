"""Files that would be read and written, files that exist, and two runs at once."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from helpers.command import Etl, Result
from helpers.many_files import GOOD, NIGHTS, ended, ended_well, grow, xs, ys
from helpers.snapshots import snapshot


@pytest.mark.parametrize(
    ("arguments", "links"),
    [
        (("-i", "in", "-o", "in"), {}),
        (("-i", "in", "-o", "in/"), {}),
        (("-i", "in/*.json", "-o", "link/"), {"link": "in"}),
        (("-i", "link", "-o", "in/"), {"link": "in"}),
        (("-i", "in", "-o", "out/"), {"out/b.json": "../in/b.json"}),
        (("-i", "in", "-o", "out/"), {"out/b.json": "c.json"}),
        (("-i", "in", "-o", "out/", "--report", "in/b.json"), {}),
        (("-i", "in", "-o", "out.json", "--rejects", "./in/../in/c.json"), {}),
        (("-i", "in", "-o", "in/c.json"), {}),
        (("-i", "/{}/in", "-o", "in/"), {}),
        (("-i", "in", "-o", "/{}/in/"), {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "".join(value),
)
def test_no_file_is_read_and_written(
    three: Etl, score: Callable[..., Result], arguments: tuple[str, ...], links: dict[str, str]
) -> None:
    """Nor written twice, by whatever name or link: nothing is written at all."""
    (three.folder / "out").mkdir()
    for name, target in links.items():
        (three.folder / name).symlink_to(target)
    before = snapshot(three.folder)
    ended(score(*(argument.format(three.folder) for argument in arguments)), 2)
    assert snapshot(three.folder) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("-i", "*.json", "-o", "out.json"),
        ("-i", "*.json", "-o", "out.csv", "--report", "report.json"),
        ("-i", "*json", "-o", "out.csv"),
        ("-i", "**/*.json", "-o", "out/"),
        ("-i", ".", "-o", "new.json", "--report", "report.json"),
        ("-i", "*.*json", "-o", "out/"),
    ],
    ids=" ".join,
)
def test_what_an_earlier_run_wrote_is_no_input(
    etl: Etl, score: Callable[..., Result], arguments: tuple[str, ...]
) -> None:
    """A pattern that catches the last night's output, log or report is refused, and nothing is overwritten."""
    grow(etl, {"a.json": xs(1), "b.json": xs(2)})
    ended_well(score(*arguments))
    before = snapshot(etl.folder)
    ended(score(*arguments), 2, "same file")
    assert snapshot(etl.folder) == before


def test_two_inputs_for_one_output(etl: Etl, score: Callable[..., Result]) -> None:
    """Nothing is written, and the message names the output."""
    grow(etl, {"in/a.json": xs(1), "in/a.csv": b"x\n1\n"})
    before = snapshot(etl.folder)
    ended(score("-i", "in", "-o", "out/", "--output_format", "csv"), 2, "two inputs would both be written to out/a.csv")
    assert snapshot(etl.folder) == before


@pytest.mark.parametrize("existing", [(), ("b.json",), ("a.json", "b.json", "c.json")], ids=["none", "some", "all"])
@pytest.mark.parametrize("policy", ["replace", "fail", "skip"])
def test_outputs_that_exist(three: Etl, score: Callable[..., Result], policy: str, existing: tuple[str, ...]) -> None:
    """All are replaced, or none is touched; a night that was done in parts is not skipped over."""
    grow(three, {f"out/{name}": b"earlier\n" for name in existing})
    before = snapshot(three.folder)
    done = score("-i", "in", "-o", "out/", "--if_exists", policy, "-v")
    refused = (policy == "fail" and existing) or (policy == "skip" and len(existing) == 1)
    if refused:
        ended(done, 73, "out/[ab].json", "--if_exists replace")
    else:
        assert done.code == 0, done.err
    if refused or (policy == "skip" and existing):
        assert snapshot(three.folder) == before
        assert refused or "skipped" in done.err
    else:
        assert snapshot(three.folder / "out") == {"a.json": ys(1, 2), "b.json": ys(3), "c.json": ys(4, 5, 6)}


def test_new_outputs_have_the_usual_rights(three: Etl, score: Callable[..., Result]) -> None:
    """As the umask says for files and folders; an old one keeps its own."""
    grow(three, {"out/b.json": b"earlier\n"})
    (three.folder / "out/b.json").chmod(0o640)
    grow(three, {"in/sub/d.json": xs(7)})
    command = three.command("run", "-m", GOOD, "-i", "in/**", "-o", "out/")
    subprocess.run(command, cwd=three.folder, env=three.environment(), check=True, umask=0o027)
    modes = {n: oct(stat.S_IMODE((three.folder / "out" / n).stat().st_mode)) for n in snapshot(three.folder / "out")}
    assert modes == {"a.json": "0o640", "b.json": "0o640", "c.json": "0o640", "sub": "0o750", "sub/d.json": "0o640"}


@pytest.mark.parametrize("given", ["in", "in/c.json"], ids=["all", "one of them"])
def test_the_second_run_with_the_same_outputs_leaves(
    three: Etl, score: Callable[..., Result], hanging: Any, given: str
) -> None:
    """With 75, though it may have the lock of none but one; others in the same folder are free."""
    grow(three, {"in/b.json": xs(-1), "more/z.json": xs(9)})
    hanging("-i", "in", "-o", "out/")
    before = snapshot(three.folder)
    done = score("-i", given, "-o", "out/", "--prediction_log", "none", "--rejects", "r.json")
    ended(done, 75, "another run is writing out/[ac].json", "--lock_wait")
    assert snapshot(three.folder) == before
    done = score("-i", "more", "-o", "out/", "--prediction_log", "none", "--rejects", "r.json")
    ended_well(done)
    assert (three.folder / "out/z.json").read_bytes() == ys(9)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_in_the_middle(
    three: Etl, score: Callable[..., Result], hanging: Any, number: signal.Signals
) -> None:
    """Nothing is published; what kill -9 leaves, the next run takes over, all else leaves nothing."""
    grow(three, {"in/b.json": xs(-1)})
    before = snapshot(three.folder)
    run = hanging("-i", "in", "-o", "out/")
    run.send_signal(number)
    run.wait(timeout=20)
    visible = {
        n: c for n, c in snapshot(three.folder).items() if not os.path.basename(n).startswith(".") and n != "out"
    }
    assert visible == before
    if number != signal.SIGKILL:
        assert snapshot(three.folder) == before
    grow(three, {"in/b.json": xs(3)})
    ended_well(score("-i", "in", "-o", "out/"))
    assert snapshot(three.folder / "out") == {"a.json": ys(1, 2), "b.json": ys(3), "c.json": ys(4, 5, 6)}
    assert three.files() == {*NIGHTS, "out/a.json", "out/b.json", "out/c.json", "out.log.ldjson"}
