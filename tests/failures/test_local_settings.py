"""Settings that are refused, limits of rejects, empty inputs and closed streams."""

from __future__ import annotations

import gzip
from typing import Any

import zstandard
from case import PUBLISHED, REJECTS_FILE, Case, check, table
from helpers.records import BAD
from local_place import LocalPlace, fails, succeeds

COLLISION = ("record 1 of in.json and its prediction both have a field 'y'", "--keep")
TYPO = ("c.toml has a setting 'max_error'", "Did you mean 'max_errors'")
VARIABLE = ("the variable MODEL_ETL_MAX_ERRORS is 'many'", "rejects are tolerated")
CHOICE = ("MODEL_ETL_IF_EXISTS is 'maybe'", "replace, fail, skip")

SETTINGS = [
    fails("join collides", 78, *COLLISION, arguments=("--join",), input=b'{"x":1,"y":2}\n'),
    fails("keep collides", 78, "--keep y: the prediction also has a field", arguments=("--keep", "x,y")),
    fails("keep twice", 78, "--keep names 'x' twice", arguments=("--keep", "x,x")),
    fails("join and keep", 78, "exclude each other", arguments=("--join", "--keep", "x")),
    fails("no config file", 78, "no.toml", "--config", arguments=("--config", "no.toml")),
    fails("config is no TOML", 78, "in.json is not valid TOML", "toml.io", arguments=("--config", "in.json")),
    fails(
        "config has a typo",
        78,
        *TYPO,
        arguments=("--config", "c.toml"),
        set_up=lambda d: (d / "c.toml").write_text("max_error = 1\n"),
    ),
    fails("variable wrong", 78, *VARIABLE, env={"MODEL_ETL_MAX_ERRORS": "many"}),
    fails("choice wrong in a variable", 78, *CHOICE, env={"MODEL_ETL_IF_EXISTS": "maybe"}),
    succeeds("bonobo's variables", env={"DEBUG": "1", "LOGGING_LEVEL": "loud"}),
    fails(
        "rejects without a place", 2, "no default name", "--rejects", arguments=("--max_errors", "1"), output_file="-"
    ),
]


@table(SETTINGS)
def test_settings_that_make_no_sense(case: Case, local: LocalPlace) -> None:
    """A setting that makes no sense ends the run before it writes anything; its message names the setting."""
    check(case, local)


TWO_BAD = b'{"x":1}\n' * 98 + b"x\n" * 2
TOO_MANY = ("so the run was stopped", "0 are tolerated", r"and \d+ more", "--max_errors")

REJECTS = [
    *(
        succeeds(
            f"as many rejects as {limit}",
            arguments=("--max_errors", limit),
            input=TWO_BAD,
            changed=PUBLISHED | REJECTS_FILE,
        )
        for limit in ("2", "2%")
    ),
    *(
        fails(
            f"more rejects than {limit}",
            65,
            f"2 of 100 records were rejected, {limit} are tolerated",
            arguments=("--max_errors", limit),
            input=TWO_BAD,
            changed=REJECTS_FILE,
        )
        for limit in ("1", "1.99%")
    ),
    fails("far too many rejects", 65, *TOO_MANY, input=b'{"x":"wide"}\n' * 5000, changed=REJECTS_FILE),
]


@table(REJECTS)
def test_more_rejects_than_are_tolerated(case: Case, local: LocalPlace) -> None:
    """As many rejects as are tolerated are published beside the output; with one more there is no output."""
    check(case, local)


EMPTY = {
    "json": b"",
    "csv": b"",
    "tsv": b"",
    "parquet": b"",
    "json.gz": gzip.compress(b""),
    "json.zst": zstandard.ZstdCompressor().compress(b""),
}
MAY_BE = {"arguments": ("--on_empty", "ok")}
MUST_NOT_BE = {"arguments": ("--on_empty", "fail")}


def empty(ending: str) -> dict[str, Any]:
    """Name an empty input."""
    return {"input_file": f"in.{ending}", "input": EMPTY[ending]}


EMPTY_INPUTS = [
    *(succeeds(f"empty {ending} may be", **MAY_BE, **empty(ending)) for ending in EMPTY),
    *(
        fails(
            f"empty {ending} is an error",
            65,
            f"in.{ending} has no records",
            "--on_empty ok",
            **MUST_NOT_BE,
            **empty(ending),
        )
        for ending in EMPTY
    ),
    fails(
        "empty array is an error",
        65,
        "has no records",
        input=b"[]",
        arguments=("--on_empty", "fail", "--input_format", "json"),
    ),
    fails("empty stdin is an error", 65, "- has no records", **MUST_NOT_BE, input_file="-", input=b""),
]


@table(EMPTY_INPUTS)
def test_an_input_without_records(case: Case, local: LocalPlace) -> None:
    """An input without records is published as an output without records, unless it is to be an error."""
    check(case, local)


CLOSED = {"shell": '"$@" <&- >&- 2>&-'}

STREAMS = [
    fails("stderr full", 66, input=None, shell='"$@" 2>/dev/full'),
    succeeds("stderr full, all well", arguments=("--verbose",), shell='"$@" 2>/dev/full'),
    succeeds("all streams closed", model="failing_models:Prints", input=BAD["middle"], **CLOSED),
    fails("all streams closed, failure", 66, input=None, **CLOSED),
]


@table(STREAMS)
def test_streams_that_take_nothing(case: Case, local: LocalPlace) -> None:
    """Streams that are closed or full change neither the exit code nor what is published."""
    check(case, local)
