"""The name under which a file is staged, and what earlier runs left there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shlex
import stat

from model_etl.errors import OutputRefused, PermissionRefused, printable
from model_etl.publishing.names import NAME_BYTES, beside

_FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""The namespace of the machine itself; in that of a container, the locks of other containers are not listed."""
_MOST_ATTEMPTS = 100


def staged_path(path: str) -> str:
    """Return the path at which the next content of a file is written: a hidden file beside it."""
    folder, base = os.path.split(path)
    try:
        limit = os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        limit = NAME_BYTES
    return os.path.join(folder, beside(f".{base}", ".part", limit))  # noqa: PTH118


def open_staged(path: str, name: str) -> int | None:
    """Create and lock a staged file; remove what a run that was killed, or another user, left under its name.

    The file is always a new one. Of a file that exists, another user may have a descriptor or a second name.

    Args:
        path: as `staged_path` returns it.
        name: the file that is staged, as the user named it.

    Returns:
        The descriptor of the file, or None if another run holds the lock.

    Raises:
        PermissionRefused: if a file of that name cannot be removed, or it is not known whether a run has its lock.
        OutputRefused: if a folder has that name.
        OSError: if the file cannot be created or locked.
    """
    for _ in range(_MOST_ATTEMPTS):
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            if not _remove_leftover(path, name):
                return None
            continue
        locked = False
        try:
            locked = _lock(fd, path)
        finally:
            if not locked:
                os.close(fd)
        return fd if locked else None  # if not, another run took it for a leftover and goes on in its place
    return None


def check_leftover(path: str, name: str) -> None:
    """Check, without removing it, that what was left under the name of a staged file could be removed.

    Raises:
        PermissionRefused: if it could not.
    """
    try:
        os.rmdir(path)  # noqa: PTH106  refused in any case, with ENOTDIR if a file could be removed
    except OSError as exc:
        if exc.errno in (errno.EPERM, errno.EACCES):
            raise _refused(path, name, f"and this user may not remove it ({exc.strerror})") from exc


def _lock(fd: int, path: str) -> bool:
    """Lock an open file without waiting; return whether the lock was free, and the file still has its name."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except (BlockingIOError, FileNotFoundError):
        return False


def _remove_leftover(path: str, name: str) -> bool:
    """Remove a file that has the name of a staged file; return False if a run has its lock.

    Raises:
        PermissionRefused: if it cannot be removed, or it is not known whether a run has its lock.
        OutputRefused: if it is a folder.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return True
    if stat.S_ISDIR(status.st_mode):
        raise OutputRefused(
            f"cannot write {name}: the folder {printable(path)} has the name of its staged file", "Remove that folder."
        )
    if not stat.S_ISREG(status.st_mode):  # no run has made it, so no run has its lock
        _remove(path, name)
        return True
    fd = _opened(path)
    if fd is not None:
        try:
            if not _lock(fd, path):
                return not os.path.lexists(path)
            _remove(path, name)
        finally:
            os.close(fd)
        return True
    locked = _locked_inodes(os.path.dirname(path))  # noqa: PTH120
    if locked is None:
        raise _refused(path, name, "and it is not known whether that run is still going on")
    if status.st_ino in locked:
        return False
    _remove(path, name)
    return True


def _opened(path: str) -> int | None:
    """Open a file for its lock, which needs no right to write except on NFS; return None if it cannot be opened."""
    for mode in (os.O_RDWR, os.O_RDONLY):
        with contextlib.suppress(OSError):
            return os.open(path, mode | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    return None


def _remove(path: str, name: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise _refused(path, name, f"and this user may not remove it ({exc.strerror})") from exc


def _refused(path: str, name: str, reason: str) -> PermissionRefused:
    return PermissionRefused(
        f"cannot write {name}: another user's run left {printable(path)}, {reason}",
        f"If no run is writing {name}, remove that file: rm -f {printable(shlex.quote(path))}",
    )


def _locked_inodes(folder: str) -> set[int] | None:
    """Return the inodes of all locked files of this machine, or None if they are not known.

    They are known if a lock that is taken here, on a nameless file in the same folder, is listed too.
    """
    try:
        if os.readlink("/proc/self/ns/pid") != _FIRST_PID_NAMESPACE:  # noqa: PTH115
            return None
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except (OSError, AttributeError):
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with open("/proc/locks", encoding="ascii") as locks:  # noqa: PTH123
            inodes = {int(part) for line in locks for word in line.split() if (part := _inode(word)) is not None}
        return inodes if os.fstat(fd).st_ino in inodes else None
    except (OSError, ValueError):
        return None
    finally:
        os.close(fd)


def _inode(word: str) -> str | None:
    """Return the inode in a word of /proc/locks such as `fe:00:9986170`, or None if it is another word."""
    parts = word.split(":")
    return parts[2] if len(parts) == 3 else None  # noqa: PLR2004  two numbers of the device, and the inode
