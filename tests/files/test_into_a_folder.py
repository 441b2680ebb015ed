"""Outputs in a folder: their names, folders and checks before a run."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable

import pytest
from helpers.command import Etl, Result
from helpers.many_files import (
    BAD_RECORD,
    GOOD,
    ended,
    ended_well,
    grow,
    mixed,
    xs,
    ys,
)
from helpers.snapshots import snapshot


@pytest.mark.parametrize(
    ("given", "output", "names"),
    [
        ("in/day=*/part.csv", "out/", "day=1 day=1/part.csv day=2 day=2/part.csv"),
        ("in/day=1/part.csv", "{}/out/", "part.csv"),
        ("in/day=1", "file://{}/out/", "other.csv part.csv"),
        ("in/day=1/*.csv", "out/", "other.csv part.csv"),
        ("in/**/part.csv", "{}/out/", "day=1 day=1/part.csv day=2 day=2/part.csv part.csv"),
        ("in/**", "file://{}/out/", "day=1 day=1/other.csv day=1/part.csv day=2 day=2/part.csv part.csv"),
        ("{}/in/day=[1]/part.csv", "out/", "day=1 day=1/part.csv"),
        ("file://{}/in/day=[1]/part.csv", "{}/out/", "day=1 day=1/part.csv"),
        ("file://{}/in/day=1/", "file://{}/out/", "other.csv part.csv"),
    ],
)
def test_outputs_lie_as_the_inputs(etl: Etl, score: Callable[..., Result], given: str, names: str, output: str) -> None:
    """Below the folders that the wildcards stand for."""
    tree = ("in/day=1/part.csv", "in/day=1/other.csv", "in/day=2/part.csv", "in/part.csv")
    grow(etl, dict.fromkeys(tree, b"x\n1\n"))
    ended_well(score("-i", given.format(etl.folder), "-o", output.format(etl.folder)))
    made = snapshot(etl.folder / "out")
    assert made.keys() == set(names.split())
    assert set(made.values()) <= {"folder", b"y\n1.0\n"}
    assert etl.files() - set(tree) == {"out.log.ldjson", *(f"out/{n}" for n in made if n.endswith(".csv"))}


@pytest.mark.parametrize("output", ["out", "out/", "./out", "out//", "link", "link/"])
def test_an_existing_folder_needs_no_slash(three: Etl, score: Callable[..., Result], output: str) -> None:
    """A link to a folder is one; log and rejects lie beside the name that was given."""
    (three.folder / "out").mkdir()
    (three.folder / "link").symlink_to("out")
    grow(three, {"in/a.json": xs(1, 2) + BAD_RECORD, "out/other.json": b"not ours\n"})
    ended_well(score("-i", "in", "-o", output, "--max_errors", "1"))
    assert set(os.listdir(three.folder / "out")) == {"a.json", "b.json", "c.json", "other.json"}
    beside = "link" if output.startswith("link") else "out"
    assert {f"{beside}.log.ldjson", f"{beside}.rejects.ldjson"} <= three.files()
    assert (three.folder / "out/other.json").read_bytes() == b"not ours\n"


def test_a_single_input_goes_into_a_folder(three: Etl, score: Callable[..., Result]) -> None:
    """Under its own name; the folder is made."""
    ended_well(score("-i", "in/b.json", "-o", "out/", "--report", "r.json"))
    assert snapshot(three.folder / "out") == {"b.json": ys(3)}
    (report,) = three.lines("r.json")
    assert report["files"]["output"]["name"] == "out/b.json"


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_standard_input_does_not_go_into_a_folder(etl: Etl, score: Callable[..., Result], name: str) -> None:
    """It has no name to go by."""
    done = score("-i", name, "-o", "out/", "--input_format", "ldjson", stdin=xs(1))
    ended(done, 2, "a folder cannot be filled", "--output_file")
    assert snapshot(etl.folder) == {}


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("out/", 0), ("no/out/", 73), ("file/", 73), ("file/out/", 73), ("link/", 0), (".", 78), ("./", 78), ("/", 78),
        ("out/..", 78),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["run", "check"])
def test_which_folders_can_be_made(three: Etl, verb: str, output: str, code: int) -> None:
    """The folder itself, but not the one around it; where nothing lies beside it, the log needs a name."""
    grow(three, {"file": b"a file\n", "out/keep.txt": b"kept\n"})
    shutil.rmtree(three.folder / "out")
    (three.folder / "real").mkdir()
    (three.folder / "link").symlink_to("real")
    before = snapshot(three.folder)
    done = three(verb, "-m", GOOD, "-i", "in", "-o", output)
    if code == 0:
        assert (done.code, done.err) == (0, "")
    else:
        said = (
            ("cannot derive the name of a file", "--prediction_log")
            if code == 78
            else (f"cannot write {output}a.json",)
        )
        ended(done, code, *said)
    if code or verb == "check":
        assert snapshot(three.folder) == before


def test_the_current_folder_as_output(three: Etl, score: Callable[..., Result]) -> None:
    """With log and rejects named, it can be written to."""
    ended_well(score("-i", "in", "-o", ".", "--prediction_log", "log.json", "--rejects", "rejects.json"))
    assert {"a.json", "b.json", "c.json", "log.json"} <= three.files()
    assert (three.folder / "b.json").read_bytes() == ys(3)


@pytest.mark.parametrize("role", ["--prediction_log", "--rejects", "--report"])
def test_log_rejects_and_report_may_lie_in_the_new_folder(three: Etl, score: Callable[..., Result], role: str) -> None:
    """A run that makes its folder can put all that it leaves there; and a check says the same."""
    grow(three, {"in/a.json": xs(1) + BAD_RECORD})
    arguments = ("-m", GOOD, "-i", "in", "-o", "out/", "--max_errors", "1", role, "out/about.ldjson")
    checked = three("check", *arguments)
    done = three("run", *arguments)
    assert (checked.code, done.code) == (0, 0), checked.err + done.err
    assert (three.folder / "out/about.ldjson").is_file()


@pytest.mark.parametrize("verb", ["check", "dry run", "failing run", "empty run"])
@pytest.mark.parametrize("output", ["out/", "old/new/"])
def test_what_writes_nothing_leaves_no_folder(three: Etl, verb: str, output: str) -> None:
    """No new folders, no staged files, though there are several outputs in several folders."""
    grow(three, {"in/sub/d.json": xs(7), "old/x.txt": b""})
    if verb == "failing run":
        grow(three, {"in/sub/e.json.gz": b"no gzip"})
    before = snapshot(three.folder)
    more = {"dry run": ("--dry_run",), "empty run": ("--expect_version", "2")}.get(verb, ())
    done = three("check" if verb == "check" else "run", "-m", GOOD, "-i", "in/**", "-o", output, *more)
    assert done.code == {"failing run": 65, "empty run": 69}.get(verb, 0), done.err
    assert snapshot(three.folder) == before


def test_a_check_tells_what_a_run_would_do(three: Etl) -> None:
    """Each input and each output by name, in any mixture of formats."""
    grow(three, mixed())
    done = three("check", "-m", GOOD, "-i", "in", "-o", "out/")
    ended_well(done)
    said = done.out.decode()
    for name in os.listdir(three.folder / "in"):
        assert re.search(rf"^input +in/{re.escape(name)}$", said, re.MULTILINE)
        assert re.search(rf"^output +out/{re.escape(name)}$", said, re.MULTILINE)
    assert "predicted, 0 rejected" in said


@pytest.mark.parametrize(
    ("files", "arguments", "code", "said"),
    [
        ({"in/b.xls": b""}, (), 2, "in/b.xls"),
        (
            {"in/b.csv": b"x\n1\n"},
            ("--output_format", "parquet"),
            2,
            "two inputs would both be written to out/b.parquet",
        ),
        ({"out/c.json": b"earlier\n"}, ("--if_exists", "fail"), 73, "out/c.json exists already"),
        ({"out/b.json/x": b""}, (), 73, "out/b.json: it is a folder"),
        ({}, ("--report", "in/c.json"), 2, "same file"),
        ({}, ("--prediction_log", "out/b.json"), 2, "same file"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "check"])
def test_a_check_finds_what_a_run_would_stumble_over(
    three: Etl, verb: str, files: dict[str, bytes], arguments: tuple[str, ...], code: int, said: str
) -> None:
    """With the same code and the same words, and nothing is written."""
    grow(three, files)
    before = snapshot(three.folder)
    ended(three(verb, "-m", GOOD, "-i", "in", "-o", "out/", *arguments), code, re.escape(said))
    assert snapshot(three.folder) == before


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("earlier", [False, True], ids=["first", "again"])
def test_a_file_where_an_output_needs_a_folder(
    etl: Etl, score: Callable[..., Result], form: str, earlier: bool
) -> None:
    """Found before anything is published: the output of one input is the folder of another's."""
    grow(etl, {"in/a.json": xs(1), f"in/a.{form}/b.json": xs(2), "in/0.json": xs(3)})
    if earlier:
        grow(etl, {f"out/0.{form}": b"earlier\n", "out.log.ldjson": b"earlier\n"})
    before = snapshot(etl.folder)
    ended((done := score("-i", "in/**", "-o", "out/", "--output_format", form)), done.code, rf"out/a\.{form}")
    assert done.code in (2, 73)
    assert snapshot(etl.folder) == before
