"""Which files a run reads: missing, locked, linked, strange, changed."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import socket
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from helpers.command import Etl, Result, minding_modes
from helpers.many_files import BAD_RECORD, GOOD, ended, ended_well, grow, xs, ys
from helpers.snapshots import snapshot


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no*.json", "no file has such a name"), ("empty", "no files in that folder"), ("empty/", "no files"),
        ("hidden", "no files in that folder"), ("hidden/", "no files"), ("empty/*", "no file has"),
        ("empty/**", "no file"),
        ("folders/", "no files"), ("gone/*.json", "gone/"), ("gone/", "gone/"), ("in/a.json/", "in/a.json"),
        ("in/a.json/*", "in/a.json"), ("broken", "broken/b.json"), ("in[", "in"),
    ],
)  # fmt: skip
def test_there_is_nothing_to_read(three: Etl, score: Callable[..., Result], name: str, said: str) -> None:
    """66, and the message names what was looked for."""
    grow(three, {"hidden/.a.json": xs(1), "hidden/_SUCCESS": b"", "folders/sub/a.json": xs(1), "broken/a.json": xs(1)})
    (three.folder / "empty").mkdir()
    (three.folder / "broken/b.json").symlink_to("gone")
    before = snapshot(three.folder)
    ended(score("-i", name, "-o", "out/"), 66, re.escape(said), "Check the path")
    assert snapshot(three.folder) == before


@pytest.mark.parametrize("locked", ["in/b.json", "in/sub"])
def test_a_file_that_must_not_be_read(three: Etl, locked: str) -> None:
    """77, and the message names it; nothing is published, also not from the others."""
    grow(three, {"in/sub/d.json": xs(1)})
    (three.folder / locked).chmod(0)
    command = three.command("run", "-m", GOOD, "-i", "in/**", "-o", "out/")
    command = minding_modes(command)
    done = subprocess.run(command, cwd=three.folder, env=three.environment(), capture_output=True, check=False)
    (three.folder / locked).chmod(0o700)
    ended(Result(done.returncode, done.stdout, done.stderr.decode()), 77, "permission refused", locked)
    assert not (three.folder / "out").exists()


@pytest.mark.parametrize("output", ["out.json", "out/"])
def test_a_literal_name_with_wildcards(etl: Etl, score: Callable[..., Result], output: str) -> None:
    """A file that has them in its name is that file, and its output is called the same."""
    grow(etl, {"data[1].json": xs(7), "data1.json": xs(1)})
    ended_well(score("-i", "data[1].json", "-o", output))
    assert (etl.folder / ("out/data[1].json" if output == "out/" else output)).read_bytes() == ys(7)
    assert not (etl.folder / "out/data1.json").exists()


STRANGE = (
    "a b.json",
    "a\nb.json",
    "a#%20b.json",
    "ä€😀.json",
    os.fsdecode(b"\xff\xfe.json"),
    "-a.json",
    "a\\b.json",
    "[1]*?.json",
)


def test_names_of_any_kind(etl: Etl, score: Callable[..., Result]) -> None:
    """Of files and of folders: each output has the name of its input."""
    grow(etl, {f"in/{name}/{name}": xs(i) for i, name in enumerate(STRANGE)})
    ended_well(score("-i", "in/*/*", "-o", "out/", "--report", "r.json"))
    assert {n: c for n, c in snapshot(etl.folder / "out").items() if c != "folder"} == {
        f"{name}/{name}": ys(i) for i, name in enumerate(STRANGE)
    }
    (report,) = etl.lines("r.json")
    assert len({file["uri"] for file in report["files"]["output"]["files"]}) == len(STRANGE)


def test_names_that_look_the_same_when_printed(etl: Etl, score: Callable[..., Result]) -> None:
    r"""A byte that is no UTF-8 is shown as \udcff; a file that is really called so is another one."""
    grow(etl, {"in/" + os.fsdecode(b"\xff.json"): xs(1), "in/\\udcff.json": xs(2, 3)})
    ended_well(score("-i", "in", "-o", "out/"))
    assert snapshot(etl.folder / "out") == {os.fsdecode(b"\xff.json"): ys(1), "\\udcff.json": ys(2, 3)}


def test_links_among_the_inputs(etl: Etl, score: Callable[..., Result]) -> None:
    """Links to files and folders are what they lead to, under their own names."""
    grow(etl, {"real/x.json": xs(1), "other/y.json": xs(2), "in/z.json": xs(3)})
    (etl.folder / "in/link.json").symlink_to("../real/x.json")
    (etl.folder / "in/folder").symlink_to("../other")
    (etl.folder / "linked").symlink_to("in")
    ended_well(score("-i", "linked", "-o", "out/"))
    assert snapshot(etl.folder / "out") == {"link.json": ys(1), "z.json": ys(3)}
    ended_well(score("-i", "in/*/*", "-o", "deep/"))
    assert snapshot(etl.folder / "deep") == {"folder": "folder", "folder/y.json": ys(2)}


def test_a_file_is_not_scored_twice(etl: Etl, score: Callable[..., Result]) -> None:
    """A link to another input, such as latest.json, is refused with a message that names it."""
    grow(etl, {"in/a.json": xs(1), "in/b.json": xs(2)})
    (etl.folder / "in/latest.json").symlink_to("b.json")
    before = snapshot(etl.folder)
    ended(score("-i", "in", "-o", "out.json"), 2, "in/latest.json", "same file")
    assert snapshot(etl.folder) == before


@pytest.mark.parametrize("kind", ["fifo", "socket"])
@pytest.mark.parametrize("name", ["in", "in/*.json"])
def test_what_is_no_file_never_makes_a_run_hang(three: Etl, score: Callable[..., Result], kind: str, name: str) -> None:
    """A pipe or a socket in the folder is left out, or refused by name."""
    place = three.folder / "in/b2.json"
    with contextlib.ExitStack() as stack:
        if kind == "fifo":
            os.mkfifo(place)
        else:
            where = stack.enter_context(socket.socket(socket.AF_UNIX))
            where.bind(os.path.relpath(place))
        done = score("-i", name, "-o", "out/")
    if done.code:
        ended(done, done.code, "in/b2.json")
        assert done.code in (2, 66)
    else:
        assert set(os.listdir(three.folder / "out")) == {"a.json", "b.json", "c.json"}


@pytest.mark.parametrize("when", ["a", "in", "z"])
@pytest.mark.parametrize("output", ["out.csv", "out/"])
def test_a_file_that_is_changed_meanwhile(etl: Etl, score: Callable[..., Result], when: str, output: str) -> None:
    """75, though it is the second of three and was changed before or after it was read."""
    grow(etl, {f"{name}.json": xs(1, -1) if name == when else xs(1) for name in ("a", "in", "z")})
    done = score("-i", "*.json", "-o", output, model="failing_models:ChangesInput")
    ended(done, 75, "in.json was changed while it was read", "Run again")
    assert set(snapshot(etl.folder)) == {"a.json", "in.json", "z.json"}


def test_a_file_that_vanishes_meanwhile(three: Etl, score: Callable[..., Result], hanging: Any) -> None:
    """Nothing is published, and the message names it."""
    module = (
        "from failing_models import Good\nfrom pathlib import Path\n"
        "class Removes(Good):\n"
        "    def fail(self):\n"
        "        Path('in/c.json').unlink()\n"
        "        return {'y': 1.0}\n"
    )
    three.write("removing.py", module)
    grow(three, {"in/a.json": xs(-1)})
    done = score("-i", "in", "-o", "out/", model="removing:Removes", env={"PYTHONDONTWRITEBYTECODE": "1"})
    ended(done, 66 if done.code == 66 else 75, "in/c.json")  # before it was opened, or after
    assert three.files() == {"in/a.json", "in/b.json", "removing.py"}
    assert not (three.folder / "out").exists()


def test_options_in_the_environment(three: Etl) -> None:
    """A pattern and a folder may come from anywhere."""
    env = {"MODEL_ETL_INPUT_FILE": "in/[ab].json", "MODEL_ETL_OUTPUT_FILE": "out/", "MODEL_ETL_MODEL": GOOD}
    ended_well(three("run", env=env))
    assert snapshot(three.folder / "out") == {"a.json": ys(1, 2), "b.json": ys(3)}


def test_the_summary_can_be_read(etl: Etl, score: Callable[..., Result]) -> None:
    """However many files there are, it is a few lines, and says how many."""
    grow(etl, {f"in/{n:03}.json": xs(n) for n in range(50)})
    done = score("-i", "in/*.json", "-o", "out/", "-v")
    assert done.code == 0
    lines = done.err.splitlines()
    assert len(lines) <= 6
    assert all(len(line) < 160 for line in lines)
    assert "50 read = 50 written" in lines[0]
    assert re.search(r"input +in/\*\.json \(.*\d+ bytes", done.err)
    assert re.search(r"output +out/ \(.*\d+ bytes", done.err)
    assert "50 files" in done.err


@pytest.mark.parametrize(
    ("content", "code"), [(b"no gzip", 65), (gzip.compress(BAD_RECORD), 65)], ids=["no gzip", "bad record"]
)
def test_the_report_of_a_failure_tells_what_was_read(
    three: Etl, score: Callable[..., Result], content: bytes, code: int
) -> None:
    """The counts so far, and the file that is to blame in the error."""
    grow(three, {"in/d.json.gz": content})
    assert score("-i", "in", "-o", "out/", "--report", "r.json").code == code
    (report,) = three.lines("r.json")
    assert (report["status"], report["exit_code"]) == ("failed", code)
    assert report["counts"]["read"] == (6 if content == b"no gzip" else 7)
    assert "in/d.json.gz" in report["error"]["message"]
    assert "output" not in report["files"]
