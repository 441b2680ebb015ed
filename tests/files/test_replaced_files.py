"""What a new output keeps of the one that it replaces, and what of earlier runs does not stand in its way."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.command import Etl, Result

INPUT = b'{"x":1}\n'
OUTPUT = b'{"y":1.0}\n'
OTHER = 1234
"""Number of another user and of a group that this user is not in."""
ACL = "system.posix_acl_access"

root_only = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can make files of other users"
)


@pytest.fixture
def as_user(etl: Etl) -> Callable[..., Result]:
    """Return a function that runs the command for a user for whom modes, owners and sticky folders count."""

    def run(*arguments: str, verb: str = "run", without: str = "") -> Result:
        lost = f"-dac_override,-dac_read_search,-fowner{without}"
        done = subprocess.run(
            ["setpriv", f"--bounding-set={lost}", "--inh-caps=-all", "--", *etl.command(verb, *arguments)],
            capture_output=True,
            cwd=etl.folder,
            env=etl.environment(),
            timeout=60,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode())

    etl.write("in.json", INPUT)
    return run


def arguments(output: str = "out.json") -> tuple[str, ...]:
    """Return the arguments of a run that succeeds."""
    return ("-m", "failing_models:Good", "-i", "in.json", "-o", output)


def rights(path: Path) -> tuple[int, str]:
    """Return group and mode of a file."""
    status = path.stat()
    return status.st_gid, oct(stat.S_IMODE(status.st_mode))


@root_only
@pytest.mark.parametrize("mode", [0o640, 0o664, 0o604, 0o444, 0o6755])
def test_an_output_keeps_mode_and_group(etl: Etl, as_user: Callable[..., Result], mode: int) -> None:
    """A replaced output has the permissions and the group of the old one, and never its set-id bits."""
    old = etl.write("out.json", b"old\n")
    os.chown(old, -1, OTHER)
    old.chmod(mode)
    done = as_user(*arguments())
    assert (done.code, done.err) == (0, "")
    assert (old.read_bytes(), rights(old)) == (OUTPUT, (OTHER, oct(mode & 0o777)))


@root_only
@pytest.mark.parametrize(
    ("mode", "narrowed", "warned"), [(0o640, 0o600, True), (0o664, 0o644, True), (0o644, 0o644, False)]
)
def test_a_group_that_cannot_be_kept(
    etl: Etl, as_user: Callable[..., Result], mode: int, narrowed: int, warned: bool
) -> None:
    """If this user may not give the output its group, no other group gets its rights, and a warning says so."""
    old = etl.write("out.json", b"old\n")
    os.chown(old, -1, OTHER)
    old.chmod(mode)
    done = as_user(*arguments(), without=",-chown")
    assert done.code == 0
    assert (old.read_bytes(), rights(old)) == (OUTPUT, (os.getegid(), oct(narrowed)))
    assert ("warning: the new out.json cannot have the group" in done.err) == warned
    assert bool(done.err) == warned


def acl(*entries: tuple[int, int, int]) -> bytes:
    """Return an ACL as Linux keeps it: entries of tag, rights and user or group."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def test_an_output_keeps_acl_and_user_attributes(etl: Etl, as_user: Callable[..., Result]) -> None:
    """A replaced output has the ACL and the user attributes of the old one, where the file system has any."""
    old = etl.write("out.json", b"old\n")
    nobody = 0xFFFFFFFF
    wanted = acl((1, 6, nobody), (2, 4, OTHER), (4, 0, nobody), (16, 4, nobody), (32, 0, nobody))
    try:
        os.setxattr(old, ACL, wanted)
        os.setxattr(old, "user.owner", b"scoring")
    except OSError as exc:
        pytest.skip(f"the file system of {etl.folder} has no ACLs: {exc}")
    assert etl("run", *arguments()).err == ""
    assert old.read_bytes() == OUTPUT
    assert (os.getxattr(old, ACL), os.getxattr(old, "user.owner")) == (wanted, b"scoring")


@root_only
@pytest.mark.parametrize("verb", ["check", "run"])
@pytest.mark.parametrize("theirs", ["out.json", "out.log.ldjson", "out.rejects.ldjson"])
def test_a_file_that_only_its_owner_may_replace(
    etl: Etl, as_user: Callable[..., Result], verb: str, theirs: str
) -> None:
    """In a sticky folder, another user's output, log or rejects file is refused before anything is written."""
    folder = etl.folder / "sticky"
    folder.mkdir()
    for name in ("out.json", "out.log.ldjson", "out.rejects.ldjson"):
        etl.write(f"sticky/{name}", b"old\n").chmod(0o666)
    for path in (folder, folder / theirs):
        os.chown(path, OTHER, OTHER)
    folder.chmod(0o1777)
    done = as_user(*arguments("sticky/out.json"), verb=verb)
    assert done.code == 77
    assert f"cannot replace sticky/{theirs}: in a sticky folder" in done.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == dict.fromkeys(
        ("out.json", "out.log.ldjson", "out.rejects.ldjson"), b"old\n"
    )


@pytest.fixture
def immutable(etl: Etl) -> Iterator[Path]:
    """Return an output that nobody may change."""
    path = etl.write("out.json", b"old\n")
    if (
        not shutil.which("chattr")
        or subprocess.run(["chattr", "+i", path], check=False, capture_output=True).returncode
    ):
        pytest.skip("there are no immutable files here, or only root can make them")
    yield path
    subprocess.run(["chattr", "-i", path], check=True)


@pytest.mark.parametrize("verb", ["check", "run"])
def test_an_immutable_output(etl: Etl, immutable: Path, verb: str) -> None:
    """An output that must not change is refused before the work, with or without the right to write it."""
    etl.write("in.json", INPUT)
    done = etl(verb, *arguments())
    assert done.code == 77
    assert "cannot replace out.json: it or its folder is immutable" in done.err
    assert immutable.read_bytes() == b"old\n"
    assert etl.files() == {"in.json", "out.json"}


@root_only
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
def test_what_another_user_left_is_removed(etl: Etl, as_user: Callable[..., Result], mode: int) -> None:
    """A staged file that another user's killed run left in a folder of ours does not stand in the way."""
    left = etl.write(".out.json.part", b"half")
    os.chown(left, OTHER, OTHER)
    left.chmod(mode)
    done = as_user(*arguments())
    assert (done.code, done.err) == (0, "")
    assert etl.files() == {"in.json", "out.json", "out.log.ldjson"}
    assert (etl.folder / "out.json").stat().st_uid == os.geteuid()


@root_only
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_another_users_run_that_goes_on_is_left_alone(etl: Etl, as_user: Callable[..., Result], mode: int) -> None:
    """A staged file that another user's run has locked is that run's: this one ends with 75."""
    theirs = etl.write(".out.json.part", b"half")
    with theirs.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.chown(theirs, OTHER, OTHER)
        theirs.chmod(mode)
        done = as_user(*arguments())
        assert done.code == 75
        assert "another run is writing out.json" in done.err
        assert theirs.read_bytes() == b"half"


@root_only
def test_what_another_user_left_in_a_sticky_folder_is_named(etl: Etl, as_user: Callable[..., Result]) -> None:
    """A staged file that this user may not remove is named, with the command that removes it."""
    folder = etl.folder / "a b"
    folder.mkdir()
    left = etl.write("a b/.out.json.part", b"half")
    for path in (folder, left):
        os.chown(path, OTHER, OTHER)
    folder.chmod(0o1777)
    left.chmod(0o600)
    done = as_user(*arguments("a b/out.json"))
    assert done.code == 77
    assert f"another user's run left {left}" in done.err
    assert f"rm -f '{left}'" in done.err
    assert left.read_bytes() == b"half"


def test_what_a_killed_run_left_read_only_is_removed(etl: Etl, as_user: Callable[..., Result]) -> None:
    """A read-only staged file, left by a run that was to replace a read-only output, does not stand in the way."""
    etl.write(".out.json.part", b"half").chmod(0o444)
    done = as_user(*arguments()) if shutil.which("setpriv") and not os.geteuid() else etl("run", *arguments())
    assert (done.code, done.err) == (0, "")
    assert etl.files() == {"in.json", "out.json", "out.log.ldjson"}


def test_a_staged_file_that_is_a_link_is_not_followed(etl: Etl, as_user: Callable[..., Result]) -> None:
    """A link in the place of the staged file is removed, and what it leads to is not written."""
    etl.write("precious", b"precious")
    (etl.folder / ".out.json.part").symlink_to("precious")
    assert etl("run", *arguments()).code == 0
    assert (etl.folder / "precious").read_bytes() == b"precious"
    assert (etl.folder / "out.json").read_bytes() == OUTPUT
