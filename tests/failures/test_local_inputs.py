"""Local inputs that are missing, unreadable or broken."""

from __future__ import annotations

import gzip

import zstandard
from case import MODES_MATTER, REJECTS_FILE, Case, check, table
from helpers.records import BAD, LARGE, THREE
from local_place import LocalPlace, fails

MISSING = ("cannot read in.json: there is no such file", "Check the path")
EMPTY_FOLDER = ("cannot read in.json: there are no files in that folder", "Check the path")
BELOW_FILE = ("file/in.json", "Not a directory", "Check the path")
LONG = "x" * 300 + ".json"
DENIED = ("permission refused", "Check who")

UNREADABLE = [
    fails("input missing", 66, *MISSING, input=None),
    fails("input's folder missing", 66, "no/in.json", "Check the path", input=None, input_file="no/in.json"),
    fails("input is a dangling link", 66, *MISSING, input=None, set_up=lambda d: (d / "in.json").symlink_to("gone")),
    fails(
        "input is a link to itself",
        66,
        "in.json",
        "symbolic links",
        input=None,
        set_up=lambda d: (d / "in.json").symlink_to("in.json"),
    ),
    fails("input is an empty folder", 66, *EMPTY_FOLDER, input=None, set_up=lambda d: (d / "in.json").mkdir()),
    fails(
        "input below a file",
        66,
        *BELOW_FILE,
        input=None,
        input_file="file/in.json",
        set_up=lambda d: (d / "file").touch(),
    ),
    fails("input's name too long", 66, "File name too long", "Check the path", input=None, input_file=LONG),
    fails(
        "input unreadable",
        77,
        "cannot read in.json: permission refused",
        "Check who",
        **MODES_MATTER,
        set_up=lambda d: (d / "in.json").chmod(0),
    ),
    fails(
        "input's folder unreadable",
        77,
        "locked/in.json: permission refused",
        "Check who",
        **MODES_MATTER,
        input_file="locked/in.json",
        set_up=lambda d: (d / "locked").chmod(0),
    ),
    fails(
        "a quote that never closes",
        65,
        "in.csv from line 3 on",
        "Correct that line",
        input=b'x\n1\n"2\n' + b"3\n" * 50,
        input_file="in.csv",
        arguments=("--max_errors", "100%"),
    ),
    fails("stdin closed", 74, "cannot read standard input: standard input is closed", input_file="-", shell='"$@" <&-'),
    fails(
        "unknown scheme",
        2,
        "ftp://",
        "unsupported scheme",
        "Use a local path",
        input=None,
        input_file="ftp://x/in.json",
    ),
    fails(
        "input changed while it is read",
        75,
        "in.json was changed while it was read",
        "Run again",
        model="failing_models:ChangesInput",
        input=BAD["middle"],
        changed={"in.json"},
    ),
]


@table(UNREADABLE)
def test_an_input_that_cannot_be_read(case: Case, local: LocalPlace) -> None:
    """A run whose input cannot be read publishes nothing and names the input."""
    check(case, local)


WHOLE = gzip.compress(LARGE)
DAMAGED = WHOLE[:60] + b"\0\0\0\0" + WHOLE[64:]
PACKED = zstandard.ZstdCompressor().compress(LARGE)
AGAIN = "written or copied again"
GZ, ZST, PARQUET = ({"input_file": f"in.{ending}"} for ending in ("json.gz", "json.zst", "parquet"))
AS_PARQUET = ("--input_format", "parquet")
INVALID = ("record 2 of in.json, parse: InvalidJSON", "1 of 3 records were rejected, 0 are tolerated", "--max_errors")
SCHEMA = "record 2 of in.json, input_schema: ValidationError: x: "
WIDE = b'{"x":1}\n{"x":"wide"}\n'

BROKEN = [
    fails("gzip cut off", 65, "in.json.gz", "ended before", AGAIN, input=WHOLE[:-9], **GZ),
    fails("gzip is no gzip", 65, "in.json.gz", "Not a gzipped file", AGAIN, **GZ),
    fails("gzip damaged", 65, "in.json.gz", AGAIN, input=DAMAGED, **GZ),
    fails("zstd cut off", 65, "in.json.zst", "cut off", AGAIN, input=PACKED[:-3], **ZST),
    fails("zstd is no zstd", 65, "in.json.zst", AGAIN, **ZST),
    fails("Parquet is none", 65, "in.parquet", "it is JSON Lines", **PARQUET),
    fails("Parquet cut off", 65, "in.parquet", "Parquet", input=b"PAR1" + b"\0" * 99, **PARQUET),
    fails(
        "Parquet from a pipe",
        2,
        "Parquet cannot be read from a pipe",
        "Give the name",
        arguments=AS_PARQUET,
        input_file="-",
        input=b"PAR1",
    ),
    fails("UTF-16", 65, "in.json as ldjson: it is in UTF-16", "iconv", input=THREE.decode().encode("utf-16")),
    fails("gzip without the ending", 65, "in.json", "compressed with gzip", ".gz", input=gzip.compress(THREE)),
    fails(
        "array cut off",
        65,
        "in.json",
        "cut off after record 1",
        "written again",
        input=b'[{"x":1},{"x":2}',
        arguments=("--input_format", "json"),
    ),
    fails("CSV names a column twice", 65, "in.csv", "'x' twice", input=b"x,x\n1,2\n", input_file="in.csv"),
    fails("a line is no JSON", 65, *INVALID, input=b'{"x":1}\n{"x":\n{"x":3}', changed=REJECTS_FILE),
    fails(
        "a line is no UTF-8",
        65,
        "record 2 of in.json, parse: InvalidUTF8",
        "byte 0xff",
        changed=REJECTS_FILE,
        input=b'{"x":1}\n{"x":2,"n":"\xff"}\n',
    ),
    fails("a record fits not", 65, SCHEMA, "out.rejects.ldjson", input=WIDE, changed=REJECTS_FILE),
    fails("dry run rejects too", 65, SCHEMA, input=WIDE, arguments=("--dry_run",)),
]


@table(BROKEN)
def test_an_input_that_is_broken(case: Case, local: LocalPlace) -> None:
    """A run whose input is broken publishes no output; what it says of a broken record is in the rejects."""
    check(case, local)
