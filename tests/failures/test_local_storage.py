"""A storage that raises at any call of any file."""

from __future__ import annotations

from typing import Any

from case import Case, check, table
from helpers.records import LARGE
from local_place import LocalPlace, fails

IO = "Input/output error"
BIG: dict[str, Any] = {"model": "failing_models:GoodBatch", "input": LARGE}
WITH_REJECTS: dict[str, Any] = {**BIG, "input": b"x\n" + LARGE[:600_000] + b"\nx\n" + LARGE + b"\nx\n"}
INPUT, OUTPUT = {"input_file": "faulty://in.json"}, {"output_file": "faulty://out.json"}
NO_LOG = ("--prediction_log", "none")
READER = {
    "set-up": "open:1",
    "first read": "read:1",
    "middle read": "read:3",
    "last read": "read:5",
    "close": "close:1",
}
WRITER = {
    "lock": "lock:1",
    "set-up": "open:1",
    "first write": "write:1",
    "middle write": "write:2",
    "last write": "write:3",
    "close": "close:1",
    "settle": "settle:1",
    "publish": "publish:1",
}
ROLES: dict[str, tuple[str, dict[str, Any]]] = {
    "output": ("faulty://out.json", {**BIG, **OUTPUT, "arguments": (*NO_LOG, "--rejects", "r.json")}),
    "log": ("faulty://log.json", {**BIG, "arguments": ("--prediction_log", "faulty://log.json")}),
    "rejects": (
        "faulty://rejects.json",
        {**WITH_REJECTS, "arguments": ("--rejects", "faulty://rejects.json", "--max_errors", "9")},
    ),
}

ERRORS = [
    *(
        fails(f"reader: {when}", 74, "cannot read faulty://in.json", IO, faults=(f"{fault}:io",), **INPUT, **BIG)
        for when, fault in READER.items()
    ),
    *(
        fails(f"{role}: {when}", 74, f"cannot .*{name}", IO, faults=(f"{fault}:io",), **given)
        for role, (name, given) in ROLES.items()
        for when, fault in WRITER.items()
    ),
    fails(
        "the output cannot be settled, and its log is not published either",
        74,
        "faulty://out.json",
        IO,
        arguments=("--prediction_log", "out.log.ldjson"),
        faults=("settle:1:io",),
        **OUTPUT,
        **BIG,
    ),
    fails(
        "storage full",
        74,
        "faulty://out.json: No space",
        "Free some",
        faults=("write:1:full",),
        arguments=NO_LOG,
        **OUTPUT,
    ),
    fails("storage refuses", 77, "faulty://in.json: permission refused", faults=("open:1:denied",), **INPUT),
    fails(
        "storage is down", 74, "cannot read faulty://in.json: Connection timed out", faults=("read:1:remote",), **INPUT
    ),
]


@table(ERRORS)
def test_a_storage_that_fails(case: Case, local: LocalPlace) -> None:
    """Whichever call of a storage fails, nothing is published, and the message names the file."""
    check(case, local)


CALLS = {"reader": ("open:1", "read:2", "close:1"), "writer": ("open:1", "write:1", "close:1")}

BUGS = [
    *(
        fails(
            f"a bug in the {role}: {call}",
            1,
            "a bug in the storage",
            "report it",
            faults=(f"{call}:bug",),
            **(INPUT if role == "reader" else OUTPUT),
        )
        for role, calls in CALLS.items()
        for call in calls
    ),
    *(
        fails(
            f"an exit in the {role}: {call}",
            1,
            "SystemExit",
            faults=(f"{call}:exit",),
            **(INPUT if role == "reader" else OUTPUT),
        )
        for role, calls in CALLS.items()
        for call in calls
    ),
]


@table(BUGS)
def test_a_bug_in_a_storage(case: Case, local: LocalPlace) -> None:
    """An exception that a storage must not raise is a bug: exit code 1, a traceback, and nothing is published."""
    check(case, local)
