"""Failures never hang and never pass as success: one table of them, driven through the real command line.

For each: the right exit code, one message that names the file, the position, the cause and the remedy, the earlier
output untouched, and no stray files.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from helpers.command import MODELS, Etl, minding_modes

THREE = b'{"x":1}\n{"x":2}\n{"x":3}\n'
BAD = {"first": b'{"x":-1}\n{"x":2}\n{"x":3}\n', "middle": b'{"x":1}\n{"x":-2}\n{"x":3}\n', "last": THREE + b'{"x":-4}'}
PLACE = {"first": 1, "middle": 2, "last": 4}
LARGE = b'{"x": 1.0}\n' * 110_000  # three batches: reads of 4 bytes, two blocks, a rest and nothing
EARLIER = b"earlier\n"
EARLIER_LOG = b"earlier log\n"

TRY_AGAIN = 75

"""Root without what lets it pass over file modes."""


@dataclass(frozen=True)
class Case:
    """One way to fail.

    Attributes:
        name: of the case.
        code: the exit code.
        says: regular expressions that the message must match.
        arguments: beside model, input and output.
        model: the model's class.
        input: the input's content, or None for none.
        input_file: the input's name.
        output_file: the output's name.
        set_up: what else to do first.
        shell: how the command is started, with "$@" for it: limits, closed streams, pipes.
        env: variables.
        stdin: bytes on standard input.
        rejects: whether a rejects file is published.
        published: whether it is no failure after all.
        mode_matters: whether root must not pass over file modes.
        fault: what fails in the service of `faulty://` (see failing_storage).
        out: what standard output must be.
    """

    name: str
    code: int
    says: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    model: str = "failing_models:Good"
    input: bytes | None = THREE
    input_file: str = "in.json"
    output_file: str = "out.json"
    set_up: Callable[[Path], object] | None = None
    shell: str = ""
    env: dict[str, str] = field(default_factory=dict)
    stdin: bytes = b""
    rejects: bool = False
    published: bool = False
    mode_matters: bool = False
    fault: str = ""
    out: bytes = b""


def _missing_and_unreadable() -> Iterator[Case]:
    missing = (r"cannot read in.json: there is no such file", "Check the path")
    yield Case("input missing", 66, missing, input=None)
    yield Case("input's folder missing", 66, ("no/in.json", "Check the path"), input=None, input_file="no/in.json")
    yield Case("input is a dangling link", 66, missing, input=None, set_up=lambda d: (d / "in.json").symlink_to("gone"))
    loop = ("in.json", "symbolic links")
    yield Case(
        "input is a link to itself", 66, loop, input=None, set_up=lambda d: (d / "in.json").symlink_to("in.json")
    )
    folder = ("cannot read in.json: there are no files in that folder", "Check the path")
    yield Case("input is an empty folder", 66, folder, input=None, set_up=lambda d: (d / "in.json").mkdir())
    below = ("file/in.json", "Not a directory", "Check the path")
    yield Case(
        "input below a file", 66, below, input=None, input_file="file/in.json", set_up=lambda d: (d / "file").touch()
    )
    long = "x" * 300 + ".json"
    yield Case("input's name too long", 66, ("File name too long", "Check the path"), input=None, input_file=long)
    denied = ("cannot read in.json: permission refused", "Check who")
    yield Case("input unreadable", 77, denied, mode_matters=True, set_up=lambda d: (d / "in.json").chmod(0))
    yield Case(
        "input's folder unreadable",
        77,
        ("locked/in.json: permission refused", "Check who"),
        input_file="locked/in.json",
        mode_matters=True,
        set_up=lambda d: (d / "locked").chmod(0),
    )
    yield Case("stdin closed", 74, ("cannot read -: standard input is closed",), input_file="-", shell='"$@" <&-')
    yield Case(
        "unknown scheme",
        2,
        ("ftp://", "unsupported scheme", "Use a local path"),
        input=None,
        input_file="ftp://x/in.json",
    )
    yield Case(
        "input changed while it is read",
        75,
        ("in.json was changed while it was read", "Run again"),
        model="failing_models:ChangesInput",
        input=BAD["middle"],
    )


def _broken_content() -> Iterator[Case]:
    whole = gzip.compress(LARGE)
    again = "written or copied again"
    yield Case("gzip cut off", 65, ("in.json.gz", "ended before", again), input=whole[:-9], input_file="in.json.gz")
    yield Case("gzip is no gzip", 65, ("in.json.gz", "Not a gzipped file", again), input_file="in.json.gz")
    damaged = whole[:60] + b"\0\0\0\0" + whole[64:]
    yield Case("gzip damaged", 65, ("in.json.gz", again), input=damaged, input_file="in.json.gz")
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.ZstdCompressor().compress(LARGE)
    yield Case("zstd cut off", 65, ("in.json.zst", "cut off", again), input=packed[:-3], input_file="in.json.zst")
    yield Case("zstd is no zstd", 65, ("in.json.zst", again), input_file="in.json.zst")
    yield Case("Parquet is none", 65, ("in.parquet", "Parquet"), input_file="in.parquet")
    yield Case("Parquet cut off", 65, ("in.parquet", "Parquet"), input=b"PAR1" + b"\0" * 99, input_file="in.parquet")
    yield Case("Parquet from a pipe", 2, ("Parquet cannot be read from a pipe", "Give the name"),
               ("--input_format", "parquet"), input_file="-", stdin=b"PAR1")  # fmt: skip
    yield Case("UTF-16", 65, ("in.json as ldjson: it is in UTF-16", "iconv"), input=THREE.decode().encode("utf-16"))
    yield Case("gzip without the ending", 65, ("in.json", "compressed with gzip", ".gz"), input=gzip.compress(THREE))
    yield Case(
        "array cut off", 65, ("in.json", "cut off after record 1", "written again"), ("--input_format", "json"),
        input=b'[{"x":1},{"x":2}',
    )  # fmt: skip
    yield Case("CSV names a column twice", 65, ("in.csv", "'x' twice"), input=b"x,x\n1,2\n", input_file="in.csv")
    bad = (r"record 2 of in.json, parse: InvalidJSON", "1 of 3 records were rejected, 0 are tolerated", "--max_errors")
    yield Case("a line is no JSON", 65, bad, input=b'{"x":1}\n{"x":\n{"x":3}', rejects=True)
    utf8 = ("record 2 of in.json, parse: InvalidUTF8", "byte 0xff")
    yield Case("a line is no UTF-8", 65, utf8, input=b'{"x":1}\n{"x":2,"n":"\xff"}\n', rejects=True)
    schema = ("record 2 of in.json, input_schema: ValidationError: x: ", "out.rejects.ldjson")
    yield Case("a record fits not", 65, schema, input=b'{"x":1}\n{"x":"wide"}\n', rejects=True)
    yield Case("dry run rejects too", 65, schema[:1], ("--dry_run",), input=b'{"x":1}\n{"x":"wide"}\n')


def _outputs() -> Iterator[Case]:
    gone = ("cannot write no/out.json: its folder does not exist", "Make the folder")
    yield Case("output folder missing", 73, gone, output_file="no/out.json")
    yield Case(
        "output below a file", 73, ("file/out.json: Not a directory", "Check the path"), output_file="file/out.json",
        set_up=lambda d: (d / "file").touch(),
    )  # fmt: skip
    denied = ("cannot write locked/out.json: permission refused", "Check who")
    yield Case(
        "output folder read-only", 77, denied, output_file="locked/out.json", mode_matters=True,
        set_up=lambda d: (d / "locked").chmod(0o500),
    )  # fmt: skip
    for role, option in (("log", "--prediction_log"), ("rejects", "--rejects"), ("report", "--report")):
        gone = (f"cannot write no/{role}.json: its folder does not exist", "Make the folder")
        yield Case(f"{role} folder missing", 73, gone, (option, f"no/{role}.json"))
        same = (f"output and {role} are the same file", "name of its own")
        yield Case(f"{role} is the output", 2, same, (option, "out.json"))
    yield Case("input is the output", 2, ("input and output are the same file", "own"), output_file="./sub/../in.json")
    linked = ("input and output are the same file",)
    yield Case("input is the output by a link", 2, linked, output_file="a.json",
               set_up=lambda d: (d / "a.json").symlink_to("in.json"))  # fmt: skip
    format_ = ("cannot derive the format of out", "--output_format")
    yield Case("unknown format", 2, format_, output_file="out")
    yield Case("unknown input format", 2, ("in.xls", "--input_format"), input_file="in.xls")
    yield Case("Parquet with gzip", 2, ("out.parquet.gz", "their own compression"), output_file="out.parquet.gz")
    yield Case("output exists", 73, ("out.json exists already", "--if_exists"), ("--if_exists", "fail"))
    yield Case("output exists, skipped", 0, (), ("--if_exists", "skip"))
    yield Case("stdout closed", 74, ("cannot write -: standard output is closed",), output_file="-", shell='"$@" >&-')
    broken = ("cannot write -: Broken pipe", "went away")
    yield Case("stdout's reader gone", 74, broken, output_file="-", shell='set -o pipefail; "$@" | true')
    full = ("No space left", "Free some disk space")
    yield Case("stdout full", 74, (r"cannot write -", *full), output_file="-", shell='"$@" >/dev/full')
    yield Case("output is /dev/full", 74, ("/dev/full", *full), ("--output_format", "ldjson"), output_file="/dev/full")
    yield Case("log is /dev/full", 74, ("/dev/full", *full), ("--prediction_log", "/dev/full"))
    yield Case(
        "report is /dev/full",
        74,
        ("/dev/full", "the predictions were published", *full),
        ("--report", "/dev/full"),
        published=True,
    )


def _full_disks() -> Iterator[Case]:
    limit = 'ulimit -f 2; "$@"'  # blocks of 1024 bytes
    efbig = ("File too large", "ulimit -f")
    large = {"model": "failing_models:GoodBatch", "input": LARGE}
    yield Case("disk full for output", 74, ("out.json", *efbig), ("--prediction_log", "none"), shell=limit, **large)
    small = {"input": THREE * 20}
    yield Case("disk full for log", 74, ("out.log.ldjson", *efbig), shell=limit, **small)
    yield Case(
        "disk full for rejects", 74, ("out.rejects.ldjson", *efbig), ("--prediction_log", "none", "--max_errors", "99"),
        input=b"x\n" * 50, shell=limit,
    )  # fmt: skip
    yield Case("disk full for report", 74, ("report.json", *efbig), ("--report", "report.json"),
               input=b'{"x":1}\n', shell='ulimit -f 1; "$@"', published=True,
               env={"MODEL_ETL_JOB": "x" * 1024, "MODEL_ETL_PREDICTION_LOG": "none"})  # fmt: skip
    for form in ("csv", "parquet", "json.gz", "json.zst"):
        yield Case(
            f"disk full for {form}", 74, (f"out.{form}", *efbig), ("--prediction_log", "none"),
            shell='ulimit -f 0; "$@"', output_file=f"out.{form}",
        )  # fmt: skip
    tmp = ("cannot write", "No space left", "temporary", "TMPDIR")
    yield Case("TMPDIR full for stdout", 74, tmp, output_file="-", env={"TMPDIR": "small"}, **large)
    full = ("small/out.json", "No space left", "Free some disk space")
    yield Case("small disk", 74, full, ("--prediction_log", "none"), output_file="small/out.json", **large)
    log = ("small/log.json", "No space left", "Free some disk space")
    yield Case("small disk for log", 74, log, ("--prediction_log", "small/log.json"), **large)


def _models() -> Iterator[Case]:
    no = "cannot load the model"
    describe = "model-etl describe"
    yield Case("no module", 69, (no, "No module named 'nowhere'", "Install the package"), model="nowhere:Model")
    yield Case("no class", 69, (no, "has no attribute 'Nobody'", "class name"), model="failing_models:Nobody")
    yield Case("no colon", 2, ("does not name a class", "package.module:ClassName"), model="failing_models.Good")
    yield Case("no MLModel", 69, ("is not an MLModel: it lacks qualified_name",), model="failing_models:NoModel")
    yield Case("import raises", 69, (no, "RuntimeError: no licence", describe), model="failing_in_import:Model")
    yield Case("init raises", 69, (no, "weights.bin", describe), model="failing_models:RaisesInInit")
    yield Case("init exits", 69, (no, "SystemExit", describe), model="failing_models:ExitsInInit")
    version = ("has version 1.0.0, but 2.0.0 is expected", "--expect_version")
    yield Case("another version", 69, version, ("--expect_version", "2.0.0"))
    raised = {
        "Raises": "predict: ValueError: x is out of range",
        "RaisesInBatch": "predict: ValueError: x is out of range",
        "RaisesOSError": r"predict: OSError: \[Errno 5\] Input/output error",
        "RaisesMemoryError": "predict: MemoryError",
        "Exits": "predict: SystemExit: 0",
        "ExitsInBatch": "predict: SystemExit: 0",
        "Recurses": "predict: RecursionError: maximum recursion",
        "ReturnsNone": "output_schema: ",
        "ReturnsNaN": "output_schema: ",
        "ReturnsInfinity": "output_schema: ",
        "ReturnsText": "output_schema: ",
        "ReturnsOther": "output_schema: ",
        "ReturnsObject": "output_schema: ",
        "ReturnsSet": "output_schema: ",
        "ReturnsSurrogate": "output_schema: ",
        "ReturnsItself": "output_schema: ",
        "RaisesInSchema": "input_schema: KeyError",
        "ExitsInSchema": "input_schema: SystemExit",
    }
    for name, said in raised.items():
        for place, number in PLACE.items():
            if place == "middle" or name in ("Raises", "RaisesInBatch", "Exits", "ReturnsNaN"):
                yield Case(
                    f"{name} at the {place} record", 65, (f"record {number} of in.json, {said}", "--max_errors"),
                    model=f"failing_models:{name}", input=BAD[place], rejects=True,
                )  # fmt: skip
    for name, said in {
        "BatchTooShort": "predict: ValueError: the model returned 0 outputs for 1 records",
        "BatchTooLong": "predict: ValueError: the model returned 2 outputs for 1 records",
        "BatchNone": "predict: TypeError: the model returned NoneType",
        "BatchDict": "predict: TypeError: the model returned dict",
    }.items():
        yield Case(name, 65, (f"record 1 of in.json, {said}", "3 of 3 records"), model=f"failing_models:{name}",
                   rejects=True)  # fmt: skip
    yield Case("KeyboardInterrupt in predict", 1, ("KeyboardInterrupt",), model="failing_models:Interrupts",
               input=BAD["middle"])  # fmt: skip
    yield Case("a generator of outputs", 0, model="failing_models:GoodGenerator", published=True)
    three = b'{"y":1.0}\n{"y":1.0}\n{"y":3.0}\n'
    for name in ("Prints", "PrintsInBatch"):
        yield Case(f"{name} beside data", 0, model=f"failing_models:{name}", input=BAD["middle"], output_file="-",
                   out=three)  # fmt: skip
    yield Case("leaves a thread", 0, model="failing_models:LeavesThread", published=True)


def _rules() -> Iterator[Case]:
    def rule(name: str) -> tuple[str, str]:
        return "--rules", f"failing_rules:{name}"

    no = "cannot load the rule failing_rules:"
    yield Case("no rule", 78, (no + "Nobody", "has no attribute", "--rules"), rule("Nobody"))
    yield Case("rule's init raises", 78, (no + "RaisesInInit: RuntimeError: no list",), rule("RaisesInInit"))
    yield Case("rule's init exits", 78, (no + "ExitsInInit: SystemExit",), rule("ExitsInInit"))
    yield Case("a class that is no rule", 78, ("NoRule is not a business rule", "decide"), rule("NoRule"))
    yield Case("a rule for no moment", 78, ("WrongWhen is not a business rule", "before_model"), rule("WrongWhen"))
    for name, said in {
        "Raises": "KeyError: failing_rules:Raises: 'province'",
        "RaisesBefore": "KeyError: failing_rules:RaisesBefore: 'province'",
        "Exits": "SystemExit: failing_rules:Exits: 0",
        "ReturnsNone": "InvalidDecision: .*returned NoneType",
        "ReturnsBool": "InvalidDecision: .*returned bool",
        "RubbishVerdict": "InvalidDecision: .*perhaps",
        "RubbishMessages": "InvalidDecision: .*must be strings",
        "ReplacesBefore": "InvalidDecision: .*no output to replace",
        "ReplacesBadly": "ValidationError",
        "ReplacesByNaN": "",
        "ReplacesByNothing": "",
    }.items():
        for place, number in PLACE.items():
            if place == "middle" or name == "Raises":
                yield Case(
                    f"rule {name} at the {place} record", 65, (f"record {number} of in.json, rule: {said}",),
                    rule(name), input=BAD[place], rejects=True,
                )  # fmt: skip


def _settings() -> Iterator[Case]:
    collision = ("record 1 of in.json and its prediction both have a field 'y'", "--keep")
    yield Case("join collides", 78, collision, ("--join",), input=b'{"x":1,"y":2}\n')
    yield Case("keep collides", 78, ("--keep y: the prediction has a field", "Leave it out"), ("--keep", "x,y"))
    yield Case("keep twice", 78, ("--keep names 'x' twice",), ("--keep", "x,x"))
    yield Case("join and keep", 78, ("exclude each other",), ("--join", "--keep", "x"))
    yield Case("no config file", 78, ("no.toml", "--config"), ("--config", "no.toml"))
    yield Case("config is no TOML", 78, ("in.json is not valid TOML", "toml.io"), ("--config", "in.json"))
    typo = ("c.toml has a setting 'max_error'", "Did you mean 'max_errors'")
    yield Case("config has a typo", 78, typo, ("--config", "c.toml"),
               set_up=lambda d: (d / "c.toml").write_text("max_error = 1\n"))  # fmt: skip
    variable = ("the variable MODEL_ETL_MAX_ERRORS is 'many'", "rejects are tolerated")
    yield Case("variable wrong", 78, variable, env={"MODEL_ETL_MAX_ERRORS": "many"})
    yield Case("choice wrong in a variable", 78, ("MODEL_ETL_IF_EXISTS is 'maybe'", "replace, fail, skip"),
               env={"MODEL_ETL_IF_EXISTS": "maybe"})  # fmt: skip
    yield Case("bonobo's variables", 0, published=True, env={"DEBUG": "1", "LOGGING_LEVEL": "loud"})
    bad = b'{"x":1}\n' * 98 + b"x\n" * 2
    for errors in ("2", "2%"):
        yield Case(
            f"as many rejects as {errors}", 0, (), ("--max_errors", errors), input=bad, rejects=True, published=True
        )
    for errors in ("1", "1.99%"):
        yield Case(f"more rejects than {errors}", 65, (f"2 of 100 records were rejected, {errors} are tolerated",),
                   ("--max_errors", errors), input=bad, rejects=True)  # fmt: skip
    many = (r"so the run was stopped", "0 are tolerated", r"and \d+ more", "--max_errors")
    yield Case("far too many rejects", 65, many, input=b'{"x":"wide"}\n' * 5000, rejects=True)
    yield Case("rejects without a place", 2, ("no place for them", "--rejects"), ("--max_errors", "1"), output_file="-")
    for form in ("json", "csv", "tsv", "parquet", "json.gz", "json.zst"):
        empty = b""
        if form.endswith("gz"):
            empty = gzip.compress(b"")
        elif form.endswith("zst"):
            empty = pytest.importorskip("zstandard").ZstdCompressor().compress(b"")
        given: dict[str, Any] = {"input": empty, "input_file": f"in.{form}"}
        yield Case(f"empty {form} may be", 0, (), ("--on_empty", "ok"), published=True, **given)
        yield Case(f"empty {form} is an error", 65, (f"in.{form} has no records", "--on_empty ok"),
                   ("--on_empty", "fail"), **given)  # fmt: skip
    yield Case("empty array is an error", 65, ("has no records",), ("--on_empty", "fail", "--input_format", "json"),
               input=b"[]")  # fmt: skip
    yield Case("empty stdin is an error", 65, ("- has no records",), ("--on_empty", "fail"), input_file="-")
    quiet = {"shell": '"$@" 2>/dev/full'}
    yield Case("stderr full", 66, input=None, **quiet)
    yield Case("stderr full, all well", 0, (), ("--verbose",), published=True, **quiet)
    closed = {"shell": '"$@" <&- >&- 2>&-'}
    yield Case("all streams closed", 0, model="failing_models:Prints", input=BAD["middle"], published=True, **closed)
    yield Case("all streams closed, failure", 66, input=None, **closed)


def _faults() -> Iterator[Case]:
    """What a storage raises, at each call of each file."""
    io = ("Input/output error",)
    large = {"model": "failing_models:GoodBatch", "input": LARGE}
    for when, fault in {
        "set-up": "open:1",
        "first read": "read:1",
        "middle read": "read:3",
        "last read": "read:5",
        "close": "close:1",
    }.items():
        yield Case(f"reader: {when}", 74, ("cannot read faulty://in.json", *io), input_file="faulty://in.json",
                   fault=f"{fault}:io", **large)  # fmt: skip
    plain = {
        "output": (("--prediction_log", "none", "--rejects", "r.json"), "faulty://out.json"),
        "log": (("--prediction_log", "faulty://log.json"), "out.json"),
        "rejects": (("--rejects", "faulty://rejects.json", "--max_errors", "9"), "out.json"),
    }
    for role, (arguments, output) in plain.items():
        bad = b"x\n" + LARGE[:600_000] + b"\nx\n" + LARGE + b"\nx\n"
        given = {**large, "input": bad} if role == "rejects" else large
        name = f"faulty://{'out' if role == 'output' else role}.json"
        for when, fault in {
            "lock": "lock:1",
            "set-up": "open:1",
            "first write": "write:1",
            "middle write": "write:2",
            "last write": "write:3",
            "close": "close:1",
            "settle": "settle:1",
            "publish": "publish:1",
        }.items():
            yield Case(f"{role}: {when}", 74, (f"cannot .*{name}", *io), arguments, output_file=output,
                       fault=f"{fault}:io", **given)  # fmt: skip
    yield Case("the output cannot be settled, and its log is not published either", 74, ("faulty://out.json", *io),
               ("--prediction_log", "out.log.ldjson"), output_file="faulty://out.json", fault="settle:1:io",
               **large)  # fmt: skip
    small: dict[str, Any] = {"input_file": "faulty://in.json"}
    yield Case("storage full", 74, ("faulty://out.json: No space", "Free some"), ("--prediction_log", "none"),
               output_file="faulty://out.json", fault="write:1:full")  # fmt: skip
    yield Case("storage refuses", 77, ("faulty://in.json: permission refused",), fault="open:1:denied", **small)
    yield Case(
        "storage is down", 74, ("cannot read faulty://in.json: Connection timed out",), fault="read:1:remote", **small
    )
    for role, more in (("reader", small), ("writer", {"output_file": "faulty://out.json"})):
        for when in ("open:1", "read:2" if role == "reader" else "write:1", "close:1"):
            yield Case(
                f"a bug in the {role}: {when}", 1, ("a bug in the storage", "report it"), fault=f"{when}:bug", **more
            )
            yield Case(f"an exit in the {role}: {when}", 1, ("SystemExit",), fault=f"{when}:exit", **more)


CASES = [
    case
    for group in (_missing_and_unreadable, _broken_content, _outputs, _full_disks, _models, _rules, _settings, _faults)
    for case in group()
]


@pytest.fixture
def small(etl: Etl) -> Iterator[Path]:
    """Give a disk of 64 KB, where that can be had."""
    folder = etl.folder / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _contents(folder: Path) -> dict[str, object]:
    """Give all that a folder holds: the bytes of files, the targets of links."""

    def content(path: Path) -> object:
        return os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else "folder"

    return {str(path.relative_to(folder)): content(path) for path in folder.rglob("*")}


def _prepare(case: Case, folder: Path) -> None:
    for name in ("locked", "sub"):
        (folder / name).mkdir()
    if case.input is not None and case.input_file != "-":
        (folder / case.input_file.removeprefix("faulty://")).write_bytes(case.input)
    if case.set_up:
        case.set_up(folder)
    (folder / "out.log.ldjson").write_bytes(EARLIER_LOG)
    output = folder / case.output_file.removeprefix("faulty://")
    if case.output_file != "-" and output.parent.is_dir() and not output.exists():
        with contextlib.suppress(PermissionError):
            output.write_bytes(EARLIER)


def _command(case: Case, etl: Etl) -> list[str]:
    arguments = ["--model", case.model, "--input_file", case.input_file, "--output_file", case.output_file]
    command = etl.command("run", *arguments, *case.arguments)
    if case.fault:
        command[1:3] = [str(MODELS / "failing_storage.py")]
    if case.shell:
        command = ["bash", "-c", case.shell, "bash", *command]
    if case.mode_matters:
        command = minding_modes(command)
    return command


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
def test_failure(case: Case, etl: Etl, request: pytest.FixtureRequest) -> None:
    """The exit code first, then the files, then the message."""
    if "small" in (case.env.get("TMPDIR"), *Path(case.output_file).parts) or "small/log.json" in case.arguments:
        request.getfixturevalue("small")
    _prepare(case, etl.folder)
    before = _contents(etl.folder)

    done = subprocess.run(
        _command(case, etl),
        input=case.stdin,
        capture_output=True,
        cwd=etl.folder,
        env=etl.environment(FAULT=case.fault or "none:1:io", PYTHONDONTWRITEBYTECODE="1", **case.env),
        timeout=30,
        check=False,
    )

    err = done.stderr.decode()
    assert done.returncode == case.code, err
    after = _contents(etl.folder)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    changed -= {case.input_file} if case.code == TRY_AGAIN else set()  # what changed the input was not us
    output = case.output_file.removeprefix("faulty://")
    expected = {"out.rejects.ldjson"} if case.rejects else set()
    if case.published:
        log = set() if case.env.get("MODEL_ETL_PREDICTION_LOG") == "none" else {"out.log.ldjson"}
        expected |= {output, *log}
    assert changed == expected
    assert done.stdout == case.out
    if not case.code:
        assert "error" not in err
        return
    silent = "2>" in case.shell
    assert err.count("model-etl: error: ") == (not silent)
    assert ("Traceback" in err) == (case.code == 1)
    assert "\n  " in err or silent, "there is no remedy"
    for said in case.says:
        assert re.search(said, err), f"{said!r} is not in: {err}"
