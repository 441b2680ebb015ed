"""What a run says when something happens to its files just before, while or after they are published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.command import Etl, Result

OUTPUT = b'{"y":1.0}\n'
MODEL = "from failing_models import Good\nimport os, stat\n\n{more}\n\nclass Model(Good):\n    pass\n"
FOLDER_CANNOT_BE_SYNCED = """
_fsync = os.fsync
def fsync(fd):
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        raise OSError({number}, os.strerror({number}))
    _fsync(fd)
os.fsync = fsync
"""
FOLDER_CANNOT_BE_OPENED = """
_open = os.open
def opened(path, flags, *args, **more):
    if flags & os.O_DIRECTORY and flags & os.O_TMPFILE != os.O_TMPFILE:
        raise OSError({number}, os.strerror({number}))
    return _open(path, flags, *args, **more)
os.open = opened
"""
RENAME_FAILS = """
_rename = os.rename
def rename(source, target):
    if str(target).endswith("{name}"):
        raise OSError(5, os.strerror(5))
    _rename(source, target)
os.rename = rename
"""
REMOVAL_FAILS = """
_unlink = os.unlink
def unlink(path, **more):
    if str(path).endswith("/out.rejects.ldjson"):
        raise OSError({number}, os.strerror({number}))
    _unlink(path, **more)
os.unlink = unlink
"""


def run(etl: Etl, more: str, records: bytes = b'{"x":1}\n', *arguments: str) -> Result:
    """Run a model whose module changes something of the process."""
    etl.write("in.json", records)
    etl.write("changing.py", MODEL.format(more=more))
    return etl("run", "-i", "in.json", "-o", "out.json", "-m", "changing:Model", "--report", "r.json", *arguments)


def report(etl: Etl) -> tuple[str, int, list[str]]:
    """Return status, exit code and roles of the files of the report."""
    content = json.loads((etl.folder / "r.json").read_bytes())
    return content["status"], content["exit_code"], sorted(content["files"])


@pytest.mark.parametrize("code", [FOLDER_CANNOT_BE_SYNCED, FOLDER_CANNOT_BE_OPENED])
@pytest.mark.parametrize("number", [5, 28, 24])
def test_a_folder_that_cannot_be_synced(etl: Etl, code: str, number: int) -> None:
    """Files whose names may not survive a power failure count as published, in files, message and report, with 74."""
    etl.write("out.json", b"old\n")
    done = run(etl, code.format(number=number), b'{"x":1}\nno\n', "--max_errors", "1")
    assert done.code == 74
    assert "was published, but may not survive a power failure" in done.err
    assert "nothing was published" not in done.err
    assert (etl.folder / "out.json").read_bytes() == OUTPUT
    assert etl.files() >= {"out.log.ldjson", "out.rejects.ldjson"}
    assert report(etl) == ("published", 74, ["input", "log", "output", "rejects"])


@pytest.mark.parametrize(
    ("name", "published"), [("out.log.ldjson", []), ("out.json", ["out.log.ldjson was published"])]
)
def test_earlier_rejects_stay_if_publishing_fails(etl: Etl, name: str, published: list[str]) -> None:
    """If the output is not published, the earlier output still has its rejects."""
    earlier = {"out.json": b"old\n", "out.rejects.ldjson": b"rejects\n"}
    for file, content in earlier.items():
        etl.write(file, content)
    done = run(etl, RENAME_FAILS.format(name=name))
    assert (done.code, all(text in done.err for text in published)) == (74, True)
    assert {file: (etl.folder / file).read_bytes() for file in earlier} == earlier
    assert report(etl)[:2] == ("failed", 74)


@pytest.mark.parametrize(("number", "code"), [(5, 74), (13, 77)])
def test_earlier_rejects_that_cannot_be_removed(etl: Etl, number: int, code: int) -> None:
    """The output is published then, and the message says so."""
    etl.write("out.rejects.ldjson", b"rejects\n")
    done = run(etl, REMOVAL_FAILS.format(number=number))
    assert (done.code, "cannot remove out.rejects.ldjson" in done.err, "out.json was published" in done.err) == (
        code,
        True,
        True,
    ), done.err
    assert (etl.folder / "out.json").read_bytes() == OUTPUT
    assert report(etl) == ("published", code, ["input", "log", "output"])


@pytest.mark.parametrize("name", [".out.json.part", ".out.log.ldjson.part"])
@pytest.mark.parametrize(
    "then", ["", "open({name!r}, 'w').write('of another run')", "os.symlink('precious', {name!r})"]
)
def test_a_staged_file_that_was_removed(etl: Etl, name: str, then: str) -> None:
    """If its staged file is gone or replaced, a run publishes nothing, and leaves what it did not make."""
    etl.write("out.json", b"old\n")
    etl.write("precious", b"precious\n")
    done = run(etl, f"os.unlink({name!r})\n{then.format(name=name)}")
    assert (done.code, f"its staged file {etl.folder}/{name} was removed or replaced" in done.err) == (74, True)
    assert (etl.folder / "out.json").read_bytes() == b"old\n"
    assert (etl.folder / "precious").read_bytes() == b"precious\n"
    assert "out.log.ldjson" not in etl.files()
    assert Path(etl.folder / name).exists() == bool(then)
    assert report(etl)[:2] == ("failed", 74)


def test_no_temporary_file_for_each_input(etl: Etl) -> None:
    """Local inputs are opened without temporary files."""
    (etl.folder / "in").mkdir()
    for number in range(20):
        etl.write(f"in/{number}.json", b'{"x":1}\n')
    etl.write(
        "changing.py",
        "import atexit, sys, tempfile\nfrom failing_models import Good as Model\n"
        "made = []\n"
        "sys.addaudithook(lambda event, args: event.startswith('tempfile.') and made.append(event))\n"
        "atexit.register(lambda: print(len(made), file=sys.stderr))\n",
    )
    etl.write("sitecustomize.py", "import changing\n")
    done = etl(
        "run", "-i", "in", "-o", "out/", "-m", "changing:Model",
        env={"PYTHONPATH": f"{etl.folder}:{etl.environment()['PYTHONPATH']}"},
    )  # fmt: skip
    assert done.code == 0
    assert int(done.err.split()[-1]) <= 2


def test_the_umask_is_not_changed_for_a_moment(etl: Etl) -> None:
    """A model's threads make files while outputs are published: the umask must stay as it is."""
    done = run(etl, "os.umask = None")
    assert (done.code, done.err) == (0, "")
