"""Folders that several users may write to: what another user has put there is neither followed nor published."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.command import Etl, Result

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can make files of other users"
)
INPUT = b'{"x":1}\n'
OUTPUT = b'{"y":1.0}\n'
PRECIOUS = b"precious\n"
RUNNER, OTHER, GROUP = 4321, 1234, 2345
"""Numbers of the user who runs, of another user, and of a group of both."""
FILES = {
    "output": "out.json",
    "log": "out.log.ldjson",
    "rejects": "out.rejects.ldjson",
    "report": "report.json",
}
USERS = {"root": 0, "user": RUNNER}


@pytest.fixture
def etl() -> Iterator[Etl]:
    """Return the command line in a folder that other users can reach; they cannot reach those of pytest."""
    with tempfile.TemporaryDirectory(prefix="model_etl-") as folder:
        Path(folder).chmod(0o755)
        yield Etl(Path(folder))


@pytest.fixture
def shared(etl: Etl) -> Path:
    """Return a folder of the other user that a group may write to; everybody may read the input beside it."""
    etl.write("in.json", INPUT).chmod(0o644)
    path = etl.folder / "shared"
    path.mkdir()
    os.chown(path, OTHER, GROUP)
    path.chmod(0o2775)
    return path


@pytest.fixture
def as_user(etl: Etl) -> Callable[..., Result]:
    """Return a function that runs the command as a user who is in the group."""

    def run(user: int, *arguments: str, verb: str = "run") -> Result:
        done = subprocess.run(
            [
                "setpriv",
                f"--reuid={user}",
                f"--regid={user}",
                f"--groups={GROUP}",
                "--",
                *etl.command(verb, *arguments),
            ],
            capture_output=True,
            cwd=etl.folder,
            env=etl.environment(PYTHONDONTWRITEBYTECODE="1"),
            timeout=60,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode())

    if as_user_cannot_import(etl):
        pytest.skip("other users cannot read this installation")
    return run


def as_user_cannot_import(etl: Etl) -> bool:
    """Return whether another user cannot start the command, for example because it is in root's own folder."""
    command = ["setpriv", f"--reuid={RUNNER}", f"--regid={RUNNER}", "--clear-groups", "--", sys.executable, "-c"]
    done = subprocess.run([*command, "import model_etl.cli.main"], cwd="/", env=etl.environment(), check=False)
    return done.returncode != 0


def arguments(folder: str = "shared", source: str = "in.json") -> tuple[str, ...]:
    """Return the arguments of a run with an output, a log, a rejects file and a report in a folder."""
    output = ("-o", f"{folder}/out.json", "--report", f"{folder}/report.json")
    return ("-m", "failing_models:Good", "-i", source, *output)


def give(path: Path, user: int = OTHER) -> None:
    """Give a file, or the link itself, to a user."""
    os.chown(path, user, GROUP, follow_symlinks=False)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("role", FILES)
@pytest.mark.parametrize("mode", [0o2775, 0o1777])
def test_a_link_of_another_user_is_not_followed(
    etl: Etl, shared: Path, as_user: Callable[..., Result], user: str, role: str, mode: int
) -> None:
    """Where another user has put a link, the file that it leads to is neither replaced nor removed, and 77 says why."""
    (etl.folder / "home").mkdir()
    precious = etl.write("home/precious", PRECIOUS)
    for path in (precious.parent, precious):
        os.chown(path, USERS[user], -1)
    (shared / FILES[role]).symlink_to(precious)
    give(shared / FILES[role])
    shared.chmod(mode)
    for verb in ("check", "run"):
        done = as_user(USERS[user], *arguments(), verb=verb)
        assert (done.code, f"{FILES[role]} is a symbolic link of another user" in done.err) == (77, True), done.err
    assert precious.read_bytes() == PRECIOUS
    assert (shared / FILES[role]).is_symlink()
    assert {path.name for path in shared.iterdir()} <= {FILES[role], "report.json"}


def test_links_that_are_followed(etl: Etl, shared: Path, as_user: Callable[..., Result]) -> None:
    """One's own links and those of root are followed, and so are others' in a folder that only they may write to."""
    os.chown(etl.folder, 0, GROUP)
    etl.folder.chmod(0o775)
    for owner, mode in ((RUNNER, 0o2775), (0, 0o2775), (OTHER, 0o2755)):
        link = shared / "out.json"
        link.symlink_to("../target.json")
        give(link, owner)
        shared.chmod(mode)
        done = as_user(RUNNER, "-m", "failing_models:Good", "-i", "in.json", "-o", "shared/out.json", *LOG_ELSEWHERE)
        assert (done.code, done.err) == (0, "")
        assert (etl.folder / "target.json").read_bytes() == OUTPUT
        (etl.folder / "target.json").unlink()
        link.unlink()


LOG_ELSEWHERE = ("--prediction_log", "none", "--rejects", "rejects.ldjson")


@pytest.mark.parametrize("user", USERS)
def test_a_folder_that_another_user_has_linked(
    etl: Etl, shared: Path, as_user: Callable[..., Result], user: str
) -> None:
    """A link in the middle of a path counts like one at its end."""
    private = etl.folder / "private"
    private.mkdir()
    os.chown(private, USERS[user], -1)
    (shared / "reports").symlink_to(private)
    give(shared / "reports")
    done = as_user(USERS[user], *arguments("shared/reports"))
    assert (done.code, "reports is a symbolic link of another user" in done.err) == (77, True)
    assert list(private.iterdir()) == []


@pytest.mark.parametrize("role", FILES)
def test_a_named_pipe_of_another_user(shared: Path, as_user: Callable[..., Result], role: str) -> None:
    """What another user's pipe would get is not written."""
    os.mkfifo(shared / FILES[role], 0o666)
    give(shared / FILES[role])
    done = as_user(RUNNER, *arguments())
    assert (done.code, f"{FILES[role]} is a named pipe of another user" in done.err) == (77, True), done.err


def staged(shared: Path, name: str, kind: str) -> Path:
    """Put something of the other user under the name of a staged file; return the file that must not change."""
    path, precious = shared / f".{name}.part", shared.parent / "precious"
    precious.write_bytes(PRECIOUS)
    os.chown(precious, RUNNER, -1)
    if kind == "link":
        path.symlink_to(precious)
    elif kind == "hard link":
        path.hardlink_to(precious)
        return precious
    elif kind == "pipe":
        os.mkfifo(path, 0o666)
    else:
        path.write_bytes(b"half")
        path.chmod(0o666 if kind == "writable" else 0o600)
    give(path)
    return precious


@pytest.mark.parametrize("name", FILES.values())
@pytest.mark.parametrize("kind", ["writable", "unreadable", "link", "hard link", "pipe"])
def test_a_staged_file_is_ours(etl: Etl, shared: Path, as_user: Callable[..., Result], name: str, kind: str) -> None:
    """What another user left under a staged file's name is removed; what is published belongs to who runs it."""
    precious = staged(shared, name, kind)
    before = os.open(shared / f".{name}.part", os.O_RDWR | os.O_NONBLOCK)
    source = "in.json" if name != FILES["rejects"] else "rejected.json"
    etl.write("rejected.json", INPUT + b"no\n").chmod(0o644)
    done = as_user(RUNNER, *arguments(source=source), "--max_errors", "1")
    if kind == "unreadable" and "it is not known whether" in done.err:
        os.close(before)
        pytest.skip("in a container, locks on files that cannot be opened are not known")
    assert (done.code, done.err) == (0, "")
    status = (shared / name).lstat()
    assert (status.st_uid, status.st_nlink, stat.S_ISREG(status.st_mode)) == (RUNNER, 1, True)
    assert not os.path.samestat(os.fstat(before), status)
    os.close(before)
    assert precious.read_bytes() == PRECIOUS
    assert not list(shared.glob(".*"))


@pytest.mark.parametrize("verb", ["check", "run"])
def test_a_leftover_in_a_sticky_folder(shared: Path, as_user: Callable[..., Result], verb: str) -> None:
    """Where only its owner may remove a leftover, 77 names the hidden file and the command that removes it."""
    shared.chmod(0o1777)
    left = shared / ".out.json.part"
    staged(shared, "out.json", "writable")
    done = as_user(RUNNER, *arguments(), verb=verb)
    assert (done.code, f"another user's run left {left}" in done.err, f"rm -f {left}" in done.err) == (77, True, True)


def test_root_leaves_a_file_in_a_folder_of_its_owner(shared: Path, as_user: Callable[..., Result]) -> None:
    """What root's killed run left does not stand in the way of the folder's owner."""
    staged(shared, "out.json", "unreadable")
    give(shared / ".out.json.part", 0)
    os.chown(shared, RUNNER, RUNNER)
    shared.chmod(0o755)
    done = as_user(RUNNER, *arguments())
    if "it is not known whether" in done.err:
        assert (done.code, "rm -f" in done.err) == (77, True)
    else:
        assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(("old", "new"), [(0o4755, 0o755), (0o664, 0o664), (0o666, 0o664), (0o640, 0o640)])
def test_a_file_of_another_user_is_replaced(shared: Path, as_user: Callable[..., Result], old: int, new: int) -> None:
    """The group and its permissions stay; set-id bits do not, nor the right of everybody to write."""
    output = shared / "out.json"
    output.write_bytes(b"old\n")
    give(output)
    output.chmod(old)
    done = as_user(RUNNER, *arguments())
    assert (done.code, done.err) == (0, "")
    status = output.stat()
    assert (status.st_uid, status.st_gid, oct(stat.S_IMODE(status.st_mode))) == (RUNNER, GROUP, oct(new))


@pytest.mark.parametrize("old", [0o664, 0o660, 0o640])
def test_a_file_of_another_user_in_a_sticky_folder(etl: Etl, as_user: Callable[..., Result], old: int) -> None:
    """Its group is not the folder's, so the group gets no rights that everybody has not: a warning says so."""
    etl.write("in.json", INPUT).chmod(0o644)
    folder = etl.folder / "sticky"
    folder.mkdir()
    folder.chmod(0o1777)
    output = folder / "out.json"
    output.write_bytes(b"old\n")
    give(output)
    output.chmod(old)
    done = as_user(0, *arguments("sticky"))
    assert done.code == 0, done.err
    assert "does not take over the group" in done.err
    status = output.stat()
    assert (status.st_uid, status.st_gid) == (0, 0)
    assert stat.S_IMODE(status.st_mode) & 0o070 == (old & 0o007) << 3 & 0o050
