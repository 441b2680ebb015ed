"""Locks with a name, for files that have no place on this machine: they keep its runs apart, not two machines'."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile

from model_etl.errors import OutputRefused, PermissionRefused, StorageFailure, printable, storage_error


def open_locked(path: str) -> int | None:
    """Open a file, which is made if it does not exist, and lock it.

    Returns:
        Its descriptor, or None if another run holds it.

    Raises:
        OSError: if it cannot be made or locked.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it may have renamed or removed it since we opened it: then this is no longer the lock.
        if os.path.samestat(os.fstat(fd), os.stat(path)):  # noqa: PTH116
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


class NamedLock:
    """A lock that a crash gives back. It holds a note, so that the next holder can clear up after the crash.

    It is a file in a folder of this user's own below the folder for temporary files; runs with another TMPDIR have
    other locks.

    Args:
        name: what is locked.

    Raises:
        ModelEtlError: if there is no folder for temporary files.
    """

    def __init__(self, name: str) -> None:
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        self._folder = os.path.join(_temporary_folder(), f"model_etl-{os.getuid()}")  # noqa: PTH118
        self._path = os.path.join(self._folder, f"{digest[:32]}.lock")  # noqa: PTH118
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock; False if another run has it.

        Raises:
            ModelEtlError: if its file cannot be made.
        """
        try:
            self._make_folder()
            self._fd = open_locked(self._path)
        except OSError as exc:
            raise storage_error(exc, "lock", self._path) from exc
        return self._fd is not None

    def _make_folder(self) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._folder, 0o700)  # noqa: PTH102
        found = os.lstat(self._folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise PermissionRefused(
                f"cannot lock: {self._folder} belongs to somebody else",
                "Remove it, or set TMPDIR to a folder of yours.",
            )

    @property
    def note(self) -> bytes:
        """What the last holder wrote; nothing if it ended well."""
        assert self._fd is not None
        return os.pread(self._fd, 1 << 16, 0)

    @note.setter
    def note(self, text: bytes) -> None:
        assert self._fd is not None
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text, 0)
        except OSError as exc:
            raise storage_error(exc, "lock", self._path) from exc

    def release(self, *, keep: bool = False) -> None:
        """Give the lock back; does nothing if it is not held.

        Args:
            keep: whether to leave the note for the next holder.
        """
        if self._fd is None:
            return
        if not keep:
            with contextlib.suppress(OSError):
                os.unlink(self._path)  # noqa: PTH108
        os.close(self._fd)
        self._fd = None


def _temporary_folder() -> str:
    """Give the folder for temporary files. Python takes another if TMPDIR is of no use: locks would be elsewhere."""
    wanted = os.environ.get("TMPDIR")
    if wanted and not os.path.isdir(wanted):  # noqa: PTH112
        raise OutputRefused(f"cannot lock: TMPDIR, {printable(wanted)}, is no folder", "Make it, or set another.")
    if wanted and not os.access(wanted, os.W_OK | os.X_OK):
        raise PermissionRefused(f"cannot lock: nothing can be written to TMPDIR, {printable(wanted)}", "Set another.")
    try:
        return tempfile.gettempdir()
    except OSError as exc:
        raise StorageFailure(f"cannot lock: {exc}", "Set TMPDIR to a folder with room.") from exc
