"""The name under which a file is staged, and what earlier runs left there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex

from model_etl.errors import PermissionRefused, printable
from model_etl.publishing.names import NAME_BYTES, beside
from model_etl.services.common.locks import open_locked

_FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""The namespace of the machine itself; in that of a container, the locks of other containers are not listed."""


def staged_path(path: str) -> str:
    """Return the path at which the next content of a file is written: a hidden file beside it."""
    folder, base = os.path.split(path)
    try:
        limit = os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        limit = NAME_BYTES
    return os.path.join(folder, beside(f".{base}", ".part", limit))  # noqa: PTH118


def open_staged(path: str, name: str) -> int | None:
    """Open and lock a staged file; remove what another user's run, or a run that was killed, left there.

    Args:
        path: as `staged_path` returns it.
        name: the file that is staged, as the user named it.

    Returns:
        The descriptor of the file, which belongs to this user, or None if another run holds the lock.

    Raises:
        PermissionRefused: if a file of that name cannot be removed, or it is not known whether a run has its lock.
        OSError: if the file cannot be created.
    """
    try:
        fd = open_locked(path)
    except OSError:
        if not os.path.lexists(path):
            raise
        if not _remove_leftover(path, name):
            return None
        return open_locked(path)
    if fd is None or os.fstat(fd).st_uid == os.geteuid():
        return fd
    try:  # what is published must belong to who publishes it
        _remove(path, name)
    finally:
        os.close(fd)
    return open_locked(path)


def _remove_leftover(path: str, name: str) -> bool:
    """Remove a file that this user may not write; return False if a run has its lock.

    Raises:
        PermissionRefused: if it cannot be removed, or it is not known whether a run has its lock.
    """
    fd = None
    try:
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if fd is not None:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        elif not os.path.islink(path):  # noqa: PTH114  nobody locks a link
            locked = _locked_inodes(os.path.dirname(path))  # noqa: PTH120
            if locked is None:
                raise _refused(path, name, "and it is not known whether that run is still going on")
            if os.lstat(path).st_ino in locked:
                return False
        _remove(path, name)
    finally:
        if fd is not None:
            os.close(fd)
    return True


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
