"""Locks of this machine, also for files that lie elsewhere: they separate its own runs, not those of two machines."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile

from model_etl.errors import OutputRefused, PermissionRefused, StorageFailure, printable
from model_etl.runtime.system_errors import storage_error


def open_locked(path: str) -> int | None:
    """Open a file, create it if it does not exist, and lock it.

    Returns:
        The file's descriptor, or None if another run holds the lock.

    Raises:
        OSError: if the file cannot be created or locked.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The last holder may have renamed or removed the file since it was opened here: then it is not the lock.
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
    """A lock that a crash releases. It keeps a note, with which the next holder can clean up after the crash.

    The lock is a file in a folder that belongs to this user, below the folder for temporary files. Runs with different
    TMPDIRs do not exclude each other.

    Args:
        name: the name of the thing that is locked.

    Raises:
        ModelEtlError: if there is no folder for temporary files.
    """

    def __init__(self, name: str) -> None:
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        self._folder = os.path.join(_temporary_folder(), f"model_etl-{os.getuid()}")  # noqa: PTH118
        self._path = os.path.join(self._folder, f"{digest[:32]}.lock")  # noqa: PTH118
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting.

        Returns:
            Whether this run holds the lock now; False if another run holds it.

        Raises:
            ModelEtlError: if the lock file cannot be created.
        """
        try:
            self._make_folder()
            self._fd = open_locked(self._path)
        except OSError as exc:
            raise storage_error(exc, "lock", self._path) from exc
        return self._fd is not None

    def _make_folder(self) -> None:
        """Make the folder of the locks, and check that no other user can change what is in it."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._folder, 0o700)  # noqa: PTH102
        status = os.lstat(self._folder)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise PermissionRefused(
                f"cannot lock: {self._folder} is not a folder that belongs to this user",
                "Remove it, or set TMPDIR to a folder of your own.",
            )

    @property
    def note(self) -> bytes:
        """What the last holder wrote; empty if it released the lock normally."""
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
        """Release the lock; do nothing if it is not held.

        Args:
            keep: whether to keep the note for the next holder.
        """
        if self._fd is None:
            return
        if not keep:
            with contextlib.suppress(OSError):
                os.unlink(self._path)  # noqa: PTH108
        os.close(self._fd)
        self._fd = None


def _temporary_folder() -> str:
    """Return the folder for temporary files.

    If TMPDIR is unusable, Python silently takes another folder, where other runs would not look for the locks.
    """
    tmpdir = os.environ.get("TMPDIR")
    if tmpdir and not os.path.isdir(tmpdir):  # noqa: PTH112
        raise OutputRefused(
            f"cannot lock: TMPDIR is not a folder: {printable(tmpdir)}",
            "Make the folder, or set TMPDIR to another one.",
        )
    if tmpdir and not os.access(tmpdir, os.W_OK | os.X_OK):
        raise PermissionRefused(
            f"cannot lock: no permission to write to TMPDIR: {printable(tmpdir)}", "Set TMPDIR to another folder."
        )
    try:
        return tempfile.gettempdir()
    except OSError as exc:
        raise StorageFailure(f"cannot lock: {exc}", "Set TMPDIR to a folder with free space.") from exc
