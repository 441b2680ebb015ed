"""What a run gets over, many files and parts, and the folder for temporary files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from case import EARLY, MODES_MATTER, PUBLISHED, REJECTS_FILE, Case, check, table
from helpers.proxy import Fault
from helpers.records import EARLIER_REJECTS, LARGE, THREE
from s3_place import (
    CUT,
    FAST,
    HASTE,
    LOGGED,
    OUT,
    REJECTS,
    STALL,
    Meanwhile,
    S3Place,
    answer,
    begin,
    complete,
    cut,
    cut_response,
    damage,
    fails,
    lose,
    part,
    succeeds,
)

DIGESTS = "needs digests of parts, which an imitation of S3 does not check"
MANY_CUTS = tuple(cut_response("GET in.json", 100_000, times=1) for _ in range(6))
SAME = Meanwhile("GET in.json", lambda bucket, _: bucket.put("in.json", LARGE), skip=1)
LOST = lose("DELETE out.rejects !uploadId", times=1)
REQUESTS = {
    "HEAD": "HEAD in.json",
    "GET": "GET in.json",
    "the beginning": begin(),
    "a part": part(),
    "the completion": complete(),
}
# The input's HEAD comes again after it was read.
COUNTS = {name: {match: 4 if name == "HEAD" else 3} for name, match in REQUESTS.items() if name != "GET"}

RECOVERIES = [
    succeeds("nothing happens", requests={"": 13}),
    succeeds("one cut in the middle of the input", CUT, input=LARGE, requests={"GET in.json": 2}),
    succeeds("many cuts, each after some progress", *MANY_CUTS, input=LARGE, requests={"GET in.json": 7}),
    succeeds("one stall in the middle of the input", STALL, input=LARGE, arguments=HASTE, seconds=7),
    succeeds("the input is replaced by itself after a cut", SAME, CUT, input=LARGE),
    *(
        succeeds(
            f"one answer to {name} is lost",
            lose(match, times=1),
            uploads=("out.json",) if name == "the beginning" else (),
        )
        for name, match in REQUESTS.items()
    ),
    *(
        succeeds(
            f"503 twice to {name}, then all is well",
            answer(match, times=2),
            arguments=("--retries", "2"),
            requests=COUNTS.get(name, {}),
        )
        for name, match in REQUESTS.items()
    ),
    succeeds("one part is cut", cut(part(), 5, times=1)),
    succeeds("one completion is cut", cut(complete(), 9, times=1)),
    *(
        succeeds(
            f"one part of {key} is damaged", damage(part(key), 5, times=1), requests={part(key): 2}, needs_minio=DIGESTS
        )
        for key in ("out.json", "out.log.ldjson")
    ),
    succeeds("each answer is slow, and in time", Fault("delay response", seconds=0.2), arguments=HASTE),
    succeeds("the first connection is reset", endpoint="resets once"),
    succeeds(
        "the end of the unused upload is refused", answer("DELETE out.rejects", 403), uploads=("out.rejects.ldjson",)
    ),
    succeeds("temporary rejects of an earlier run go", earlier=EARLIER_REJECTS, changed=PUBLISHED | REJECTS_FILE),
    succeeds(
        "one answer to removing earlier rejects is lost",
        LOST,
        earlier=EARLIER_REJECTS,
        changed=PUBLISHED | REJECTS_FILE,
    ),
]


@table(RECOVERIES, FAST)
def test_what_a_run_gets_over(case: Case, s3: S3Place) -> None:
    """A fault that passes leaves no trace: what is published is what an undisturbed run publishes."""
    check(case, s3)


FILES: dict[str, Any] = {
    "input_file": "s3://BUCKET/in/",
    "output_file": "s3://BUCKET/new/",
    "earlier": {"in/1.json": THREE, "in/2.json": THREE, "new/1.json": b"earlier\n"},
}
SECOND: dict[str, Any] = {"about": "s3://BUCKET/new/2.json", **FILES}
FIRST = {"new/1.json", "new.log.ldjson"}
LONG = b"".join(b'{"x":%d,"text":"%s"}\n' % (number, b"t" * 1_000_000) for number in range(20))
PARTS: dict[str, Any] = {"input": LONG, "arguments": ("--retries", "1", "--join", "--prediction_log", "none")}
"""Three parts."""
ONCE: dict[str, Any] = {**PARTS, "changed": {"out.json"}, "requests": {"PUT out.json": 4}}
PART_2 = "PUT out.json partNumber=2"

MANY = [
    fails(
        "the second of two inputs is cut each time",
        74,
        "cannot read",
        **{**FILES, "about": "s3://BUCKET/in/2.json"},
        faults=(cut_response("GET in/2.json", 5, times=1), cut_response("GET in/2.json")),
    ),
    fails(
        "503 to a part of the second of two outputs",
        75,
        "cannot write",
        faults=(answer("PUT new/2.json partNumber"),),
        **SECOND,
    ),
    fails(
        "503 to the completion of the second of two outputs",
        75,
        "cannot publish",
        "1 of 2|(was|were) published",
        changed=FIRST,
        faults=(answer("POST new/2.json uploadId"),),
        **SECOND,
    ),
    fails(
        "the second of three parts is cut each time",
        74,
        "cannot write",
        "run again",
        about=OUT,
        faults=(cut(PART_2, 5_000_000),),
        **PARTS,
    ),
    fails("503 to the second of three parts", 75, "cannot write", about=OUT, faults=(answer(PART_2),), **PARTS),
    succeeds("the second of three parts is cut once", cut(PART_2, 5_000_000, times=1), **ONCE),
    succeeds(
        "the second of three parts is damaged once", damage(PART_2, 5_000_000, times=1), needs_minio=DIGESTS, **ONCE
    ),
]


@table(MANY, FAST)
def test_many_files_and_parts(case: Case, s3: S3Place) -> None:
    """A failure at one of many files or parts names that file, and publishes no part of it."""
    check(case, s3)


TOO_LARGE = ("TMPDIR", "File too large", "ulimit -f")
LIMIT = 'unset COVERAGE_PROCESS_CONFIG; ulimit -f 8; "$@"'  # blocks of 1024 bytes; too few for measured coverage
MUCH: dict[str, Any] = {"input": LARGE[:110_000], "shell": LIMIT, "about": ""}
LOG_ONLY = ("--prediction_log", LOGGED, "--rejects", REJECTS, "--output_format", "ldjson")
NO_LOG = ("--prediction_log", "none")
LOCK = (r"cannot lock.*model_etl-\d+", "set TMPDIR|Check")
FOREIGN = ("belongs to this user", *LOCK)
OTHER: dict[str, Any] = {"about": "", **EARLY}


def locks(tmp: Path) -> Path:
    """Return the folder of locks."""
    return tmp / f"model_etl-{os.getuid()}"


def give_away(tmp: Path) -> None:
    """Make a folder of locks that belongs to another user."""
    locks(tmp).mkdir()
    if os.geteuid():
        pytest.skip("only root can give a folder away")
    os.chown(locks(tmp), 12345, 12345)


DISKS = [
    fails("no space for the temporary output", 74, OUT, *TOO_LARGE, arguments=NO_LOG, **MUCH),
    fails(
        "no space for the temporary log", 74, LOGGED, *TOO_LARGE, output_file="/dev/null", arguments=LOG_ONLY, **MUCH
    ),
    fails(
        "no space for the temporary rejects",
        74,
        REJECTS,
        *TOO_LARGE,
        about="",
        shell=LIMIT,
        input=b"x\n" * 500,
        arguments=(*NO_LOG, "--max_errors", "9999"),
    ),
    fails(
        "no space for any temporary file",
        74,
        "(?i)temporary|TMPDIR",
        shell='unset COVERAGE_PROCESS_CONFIG; ulimit -f 0; "$@"',
        **OTHER,
    ),
    fails("the locks are somebody else's", 77, *FOREIGN, set_up=give_away, **OTHER),
    fails("the locks are a link", 77, *FOREIGN, set_up=lambda tmp: locks(tmp).symlink_to(tmp.parent), **OTHER),
    fails("the locks are a file", 77, *FOREIGN, set_up=lambda tmp: locks(tmp).touch(), **OTHER),
    fails("the locks are read-only", 77, *LOCK, set_up=lambda tmp: locks(tmp).mkdir(0o500), **MODES_MATTER, **OTHER),
    # Elsewhere (Python would take /tmp) the locks would be others than those of the runs that have their TMPDIR.
    fails(
        "the folder is read-only",
        77,
        "(?i)TMPDIR|temporary|lock",
        about="",
        **MODES_MATTER,
        set_up=lambda tmp: (locks(tmp).mkdir(), tmp.chmod(0o500)),
    ),
    fails("the folder is not there", 73, "(?i)TMPDIR|temporary|lock", about="", set_up=lambda tmp: tmp.rmdir()),
]


@table(DISKS, FAST)
def test_the_folder_for_temporary_files(case: Case, s3: S3Place) -> None:
    """A folder for temporary files that is full, missing or another user's ends a run, and the message names TMPDIR."""
    check(case, s3)
