"""What is published, under which names and with which rights."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.command import Etl, Result

INPUT = b'{"x":1}\n{"x":2}\n'
OUTPUT = b'{"y":1.0}\n{"y":2.0}\n'
BAD = b'{"x":1}\n{"x":"wide"}\n'
GOOD = "failing_models:Good"


def _mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o7777)


@pytest.mark.parametrize(
    "name",
    [
        "a b.json", "a#b.json", "a!b.json", "a@b.json", "a%20b.json", "a:b.json", "a?b=c.json", "~a.json", "a\nb.json",
        "$HOME.json", "ä€😀.json", os.fsdecode(b"\xff\xfe.json"), "-a.json", "a\\b.json", ".json.json", "[a].json",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["{}", "./{}", "{folder}/{}"])
def test_names_of_any_kind(etl: Etl, name: str, form: str) -> None:
    """For the input, the output, the log and the report; relative and absolute."""
    shown = form.format(name, folder=etl.folder)
    for folder in ("i", "o", "r"):
        (etl.folder / folder).mkdir()
    parent, base = os.path.split(shown)
    places = {f: os.path.join(parent, f, base) for f in "ior"}
    Path(os.path.join(etl.folder, "i", name)).write_bytes(INPUT)
    done = etl(
        "run", f"--model={GOOD}", f"--input_file={places['i']}", f"--output_file={places['o']}",
        f"--report={places['r']}",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert Path(os.path.join(etl.folder, "o", name)).read_bytes() == OUTPUT
    report = json.loads(Path(os.path.join(etl.folder, "r", name)).read_bytes())
    assert report["counts"]["written"] == 2
    assert len(os.listdir(etl.folder / "o")) == 2


def test_a_file_uri_is_decoded(etl: Etl, score_in_json: Callable[..., Result]) -> None:
    """%20 is a blank in a URI, and nothing else is special in its path."""
    assert score_in_json("-o", f"file://{etl.folder}/a%20b%23%3F%FF.json").code == 0
    assert os.fsdecode(b"a b#?\xff.json") in os.listdir(etl.folder)


def test_an_uri_with_a_question_mark_or_a_hash(etl: Etl, score_in_json: Callable[..., Result]) -> None:
    """What a person writes by hand into a URI is not cut off."""
    assert score_in_json("-o", f"file://{etl.folder}/a#b?c.json").code == 0
    assert (etl.folder / "a#b?c.json").read_bytes() == OUTPUT


def test_a_missing_file_of_a_strange_name_is_named(etl: Etl) -> None:
    """The message can be printed, though the name is no UTF-8."""
    done = etl("run", "-m", GOOD, "-i", os.fsdecode(b"\xff.json"), "-o", "out.json")
    assert (done.code, "\\udcff.json" in done.err) == (66, True)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, "0o644"), (0o077, "0o600"), (0o002, "0o664")])
def test_a_new_output_has_the_usual_rights(etl: Etl, umask: int, mode: str) -> None:
    """By the umask; but what may hold secrets, the log and the rejects, is for its owner alone."""
    etl.write("in.json", BAD)
    before = os.umask(umask)
    try:
        done = etl("run", "-m", GOOD, "-i", "in.json", "-o", "out.json", "--max_errors", "1", "--report", "r.json")
    finally:
        os.umask(before)
    assert done.code == 0
    modes = {name: _mode(etl.folder / name) for name in etl.files() - {"in.json"}}
    assert modes == {"out.json": mode, "out.log.ldjson": "0o600", "out.rejects.ldjson": "0o600", "r.json": mode}


def test_an_old_output_keeps_its_rights(etl: Etl, score_in_json: Callable[..., Result]) -> None:
    """Whoever could read it still can, and nobody else."""
    etl.write("out.json", b"earlier\n").chmod(0o640)
    assert score_in_json().code == 0
    assert _mode(etl.folder / "out.json") == "0o640"


def test_a_link_stays_a_link(etl: Etl, score_in_json: Callable[..., Result]) -> None:
    """What it leads to is replaced; the log lies beside the name that was given."""
    (etl.folder / "real").mkdir()
    (etl.folder / "out.json").symlink_to("real/data.json")
    for _ in range(2):
        assert score_in_json().code == 0
        assert (etl.folder / "out.json").is_symlink()
        assert etl.files() == {"in.json", "out.json", "out.log.ldjson", "real/data.json"}
        assert (etl.folder / "real/data.json").read_bytes() == OUTPUT


def test_readers_of_the_old_output_are_not_disturbed(etl: Etl, score_in_json: Callable[..., Result]) -> None:
    """Whoever has it open reads it to its end."""
    with etl.write("out.json", b"earlier\n").open("rb") as reader:
        assert score_in_json().code == 0
        assert reader.read() == b"earlier\n"


def test_stale_rejects_are_removed_by_a_clean_run(etl: Etl, score_in_json: Callable[..., Result]) -> None:
    """They would be taken for this run's."""
    etl.write("in.json", BAD)
    assert score_in_json().code == 65
    assert "out.rejects.ldjson" in etl.files()
    etl.write("in.json", INPUT)
    assert score_in_json("--dry_run").code == 0
    assert "out.rejects.ldjson" in etl.files()
    assert score_in_json().code == 0
    assert "out.rejects.ldjson" not in etl.files()


@pytest.mark.parametrize("option", ["--rejects", "--prediction_log", "--report", "-o"])
@pytest.mark.parametrize("kind", ["device", "link to a device"])
def test_a_device_is_written_to_and_stays(
    etl: Etl, score_in_json: Callable[..., Result], option: str, kind: str
) -> None:
    """Never replaced by a file, never removed, though root may do both."""
    null = etl.folder / "null"
    try:
        os.mknod(null, 0o666 | 0o020000, os.makedev(1, 3))
        with null.open("wb") as file:
            file.write(b"x")
    except PermissionError:
        pytest.skip("only root can make a device")
    name = "null"
    if kind != "device":
        (etl.folder / "link").symlink_to("null")
        name = "link"
    for content, code in ((INPUT, 0), (BAD, 65)):
        etl.write("in.json", content)
        done = score_in_json("--output_format", "ldjson", option, name)
        assert done.code == code, done.err
        assert null.is_char_device()


def test_dev_null_takes_it_all(etl: Etl) -> None:
    """As a user does who only wants to see whether it works."""
    etl.write("in.json", INPUT)
    before = os.stat("/dev/null")
    done = etl("run", "-m", GOOD, "-i", "in.json", "-o", "/dev/null", "--output_format", "ldjson")
    assert (done.code, done.err, etl.files()) == (0, "", {"in.json"})
    assert os.path.samestat(before, os.stat("/dev/null"))


def test_a_dry_run_writes_nothing(etl: Etl, score_in_json: Callable[..., Result]) -> None:
    """But the report, which says so."""
    etl.write("out.json", b"earlier\n")
    assert score_in_json("--dry_run", "--report", "r.json").code == 0
    assert etl.files() == {"in.json", "out.json", "r.json"}
    assert (etl.folder / "out.json").read_bytes() == b"earlier\n"
    report = etl.lines("r.json")[0]
    assert (report["status"], report["exit_code"], report["counts"]["written"]) == ("dry_run", 0, 2)
    assert set(report["files"]) <= {"input"}


@pytest.mark.parametrize(("policy", "code"), [("fail", 73), ("skip", 0)])
def test_an_output_that_exists(etl: Etl, score_in_json: Callable[..., Result], policy: str, code: int) -> None:
    """With fail and skip it is left alone; where there is none, both do their work."""
    assert score_in_json("--if_exists", policy).code == 0
    assert (etl.folder / "out.json").read_bytes() == OUTPUT
    etl.write("out.json", b"earlier\n")
    log = (etl.folder / "out.log.ldjson").read_bytes()
    done = score_in_json("--if_exists", policy, "--report", "r.json")
    assert (done.code, "--if_exists" in done.err) == (code, bool(code))
    assert (etl.folder / "out.json").read_bytes() == b"earlier\n"
    assert (etl.folder / "out.log.ldjson").read_bytes() == log
    assert etl.lines("r.json")[0]["exit_code"] == code
    assert etl.files() == {"in.json", "out.json", "out.log.ldjson", "r.json"}


def test_the_report_tells_what_was_published(etl: Etl, score_in_json: Callable[..., Result]) -> None:
    """Counts, sizes, true digests, the model and the settings."""
    etl.write("in.json", b'{"x":1}\n{"x":"wide"}\n{"x":3}\n')
    assert score_in_json("--max_errors", "50%", "--report", "r.json", "--redact", "a,b").code == 0
    report = etl.lines("r.json")[0]
    assert (report["status"], report["exit_code"], report["error"]) == ("published", 0, None)
    assert report["counts"] == {"read": 3, "written": 2, "rejected": 1, "withheld": 0}
    assert set(report["files"]) == {"input", "output", "log", "rejects"}
    for about in report["files"].values():
        content = (etl.folder / about["name"]).read_bytes()
        assert about["bytes"] == len(content)
        assert about["sha256"] == hashlib.sha256(content).hexdigest()
        assert about["uri"] == f"file://{etl.folder}/{about['name']}"
    assert report["settings"]["max_errors"] == "50%"
    assert report["settings"]["redact"] == ["a", "b"]
    assert report["model"]["version"] == "1.0.0"
    assert report["started"] <= report["ended"]


@pytest.mark.parametrize("form", ["json.gz", "json.zst", "csv", "parquet"])
def test_the_digest_is_of_the_file_on_the_disk(etl: Etl, score_in_json: Callable[..., Result], form: str) -> None:
    """Also of compressed files and of such whose writer jumps."""
    assert score_in_json("-o", f"out.{form}", "--report", "r.json").code == 0
    about = etl.lines("r.json")[0]["files"]["output"]
    content = (etl.folder / f"out.{form}").read_bytes()
    assert (about["bytes"], about["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_report_tells_of_a_failure(etl: Etl, score_in_json: Callable[..., Result]) -> None:
    """With the error, and only what was published."""
    etl.write("in.json", BAD)
    assert score_in_json("--report", "r.json").code == 65
    report = etl.lines("r.json")[0]
    assert (report["status"], report["exit_code"], report["error"]["type"]) == ("failed", 65, "DataError")
    assert "1 of 2 records were rejected" in report["error"]["message"]
    assert set(report["files"]) == {"input", "rejects"}
    (etl.folder / "in.json").unlink()
    assert score_in_json("--report", "r.json").code == 66
    assert etl.lines("r.json")[0]["error"]["type"] == "InputMissing"
