"""Local outputs that cannot be written, and full disks."""

from __future__ import annotations

from typing import Any

import pytest
from case import MODES_MATTER, PUBLISHED, Case, check, table
from helpers.records import LARGE, THREE
from local_place import LocalPlace, fails, succeeds

NO_FOLDER = ("its folder does not exist", "Make the folder")
SAME_INPUT = "input and output are the same file"
BROKEN_PIPE = ("cannot write to standard output: Broken pipe", "exited early")
FULL = ("No space left", "Free some disk space")
OPTIONS = {"log": "--prediction_log", "rejects": "--rejects", "report": "--report"}

OUTPUTS = [
    fails(
        "output folder missing",
        73,
        "cannot write no/out.json: its folder does not exist",
        "Make the folder",
        output_file="no/out.json",
    ),
    fails(
        "output below a file",
        73,
        "file/out.json: Not a directory",
        "Check the path",
        output_file="file/out.json",
        set_up=lambda d: (d / "file").touch(),
    ),
    fails(
        "output folder read-only",
        77,
        "cannot write locked/out.json: permission refused",
        "Check who",
        output_file="locked/out.json",
        set_up=lambda d: (d / "locked").chmod(0o500),
        **MODES_MATTER,
    ),
    *(
        fails(
            f"{role} folder missing",
            73,
            f"cannot write no/{role}.json: its folder does not exist",
            "Make the folder",
            arguments=(option, f"no/{role}.json"),
        )
        for role, option in OPTIONS.items()
    ),
    *(
        fails(
            f"{role} is the output",
            2,
            f"output and {role} are the same file",
            "name of its own",
            arguments=(option, "out.json"),
        )
        for role, option in OPTIONS.items()
    ),
    fails("input is the output", 2, SAME_INPUT, "own", output_file="./sub/../in.json"),
    fails(
        "input is the output by a link",
        2,
        SAME_INPUT,
        output_file="a.json",
        set_up=lambda d: (d / "a.json").symlink_to("in.json"),
    ),
    fails("unknown format", 2, "cannot derive the format of out", "--output_format", output_file="out"),
    fails("unknown input format", 2, "in.xls", "--input_format", input_file="in.xls"),
    fails("Parquet with gzip", 2, "out.parquet.gz", "their own compression", output_file="out.parquet.gz"),
    fails("output exists", 73, "out.json exists already", "--if_exists", arguments=("--if_exists", "fail")),
    succeeds("output exists, skipped", arguments=("--if_exists", "skip"), changed=()),
    fails(
        "stdout closed",
        74,
        "cannot write to standard output: standard output is closed",
        output_file="-",
        shell='"$@" >&-',
    ),
    fails("stdout's reader gone", 74, *BROKEN_PIPE, output_file="-", shell='set -o pipefail; "$@" | true'),
    fails("stdout full", 74, "cannot write to standard output", *FULL, output_file="-", shell='"$@" >/dev/full'),
    fails(
        "output is /dev/full", 74, "/dev/full", *FULL, output_file="/dev/full", arguments=("--output_format", "ldjson")
    ),
    fails("log is /dev/full", 74, "/dev/full", *FULL, arguments=("--prediction_log", "/dev/full")),
    fails(
        "report is /dev/full",
        74,
        "/dev/full",
        "the predictions were published",
        *FULL,
        changed=PUBLISHED,
        arguments=("--report", "/dev/full"),
    ),
]


@table(OUTPUTS)
def test_an_output_that_cannot_be_written(case: Case, local: LocalPlace) -> None:
    """A run one of whose outputs cannot be written leaves the earlier outputs as they were."""
    check(case, local)


TOO_LARGE = ("File too large", "ulimit -f")
LIMIT = 'unset COVERAGE_PROCESS_CONFIG; ulimit -f 2; "$@"'  # blocks of 1024 bytes; too few for measured coverage
BIG: dict[str, Any] = {"model": "failing_models:GoodBatch", "input": LARGE}
NO_LOG = ("--prediction_log", "none")
LONG_JOB = {"MODEL_ETL_JOB": "x" * 1024, "MODEL_ETL_PREDICTION_LOG": "none"}
TMPDIR = ("cannot write", "No space left", "temporary", "TMPDIR")

DISKS = [
    fails("disk full for output", 74, "out.json", *TOO_LARGE, arguments=NO_LOG, shell=LIMIT, **BIG),
    fails("disk full for log", 74, "out.log.ldjson", *TOO_LARGE, shell=LIMIT, input=THREE * 20),
    fails(
        "disk full for rejects",
        74,
        "out.rejects.ldjson",
        *TOO_LARGE,
        arguments=(*NO_LOG, "--max_errors", "99"),
        input=b"x\n" * 50,
        shell=LIMIT,
    ),
    fails(
        "disk full for report",
        74,
        "report.json",
        *TOO_LARGE,
        arguments=("--report", "report.json"),
        input=b'{"x":1}\n',
        shell='unset COVERAGE_PROCESS_CONFIG; ulimit -f 1; "$@"',
        env=LONG_JOB,
        changed={"out.json"},
    ),
    *(
        fails(
            f"disk full for {ending}",
            74,
            f"out.{ending}",
            *TOO_LARGE,
            arguments=NO_LOG,
            output_file=f"out.{ending}",
            shell='unset COVERAGE_PROCESS_CONFIG; ulimit -f 0; "$@"',
        )
        for ending in ("csv", "parquet", "json.gz", "json.zst")
    ),
]
SMALL_DISKS = [
    fails("TMPDIR full for stdout", 74, *TMPDIR, output_file="-", env={"TMPDIR": "small"}, **BIG),
    fails("small disk", 74, "small/out.json", *FULL, output_file="small/out.json", arguments=NO_LOG, **BIG),
    fails("small disk for log", 74, "small/log.json", *FULL, arguments=("--prediction_log", "small/log.json"), **BIG),
]


@table(DISKS)
def test_a_file_that_grows_too_large(case: Case, local: LocalPlace) -> None:
    """A run that may not write as much as it must publishes nothing, and names the file and the limit."""
    check(case, local)


@table(SMALL_DISKS)
@pytest.mark.usefixtures("small")
def test_a_disk_that_is_full(case: Case, local: LocalPlace) -> None:
    """A run whose disk is full publishes nothing, and names the file."""
    check(case, local)
