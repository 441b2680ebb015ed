"""The next content of a local file: written beside it, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from typing import BinaryIO

from typing_extensions import override

from model_etl.errors import storage_error
from model_etl.publishing.storage import BinaryOpener, Location, StagedFile
from model_etl.runtime.signals import signals_deferred
from model_etl.runtime.supervision import note_staged
from model_etl.services.common.locks import open_locked


class RenamedFile(StagedFile):
    """A staged file in the folder of its target, locked while it is written and renamed at the end.

    The lock is on the staged file itself, so a crash releases it. The crash leaves only this one file, which the next
    run takes over.

    Args:
        location: the target.
        missing_folders: returns the folders that have to be made first, the outermost first.
        private: whether only its owner may read the file.
    """

    def __init__(self, location: Location, missing_folders: Callable[[], list[str]], *, private: bool) -> None:
        self.location = location
        self.fs: BinaryOpener = self
        self.path = location.name  # for errors: `openbin` ignores its path
        self._target = location.path
        folder, base = os.path.split(location.path)
        self._folder = folder
        self._part = os.path.join(folder, f".{base}.part")  # noqa: PTH118
        self._mode = 0o600 if private else None
        self._fd: int | None = None
        self._missing_folders = missing_folders
        self._made_folders: list[str] = []

    @override
    def lock(self) -> bool:
        with signals_deferred():  # a signal between creating the file and storing its descriptor would leave the file
            return self._lock()

    def _lock(self) -> bool:
        try:
            for folder in self._missing_folders():
                os.mkdir(folder)  # noqa: PTH102
                self._made_folders.append(folder)
                note_staged(f"{folder}/")
            if os.path.isdir(self._target):  # noqa: PTH112
                raise IsADirectoryError(self._target)
            self._fd = open_locked(self._part)
            if self._fd is not None:
                note_staged(self._part)
                os.ftruncate(self._fd, 0)
        except OSError as exc:
            raise storage_error(exc, "write", self.location.name) from exc
        return self._fd is not None

    def openbin(self, path: str, mode: str = "w") -> BinaryIO:  # noqa: ARG002  the interface of fs
        """Open the staged file for writing."""
        assert self._fd is not None
        return os.fdopen(os.dup(self._fd), "wb")

    def make_private(self) -> None:
        """Let only the file's owner read it; call it before `prepare`."""
        self._mode = 0o600

    @override
    def prepare(self) -> None:
        assert self._fd is not None
        try:
            os.fchmod(self._fd, self._mode if self._mode is not None else self._default_mode())
            os.fsync(self._fd)  # before the rename: a power failure must not leave the name with a part of the content
        except OSError as exc:
            raise storage_error(exc, "write", self.location.name) from exc

    @override
    def publish(self) -> None:
        assert self._fd is not None
        try:
            os.rename(self._part, self._target)  # noqa: PTH104
            for folder in (self._folder, *map(os.path.dirname, self._made_folders)):
                _sync_folder(folder)  # else the new name might not survive a power failure
        except OSError as exc:
            raise storage_error(exc, "publish", self.location.name) from exc
        os.close(self._fd)
        self._fd = None
        self._made_folders = []

    def _default_mode(self) -> int:
        """Return the permissions of the file that is replaced, or those of a new file."""
        try:
            return stat.S_IMODE(os.stat(self._target).st_mode)  # noqa: PTH116
        except FileNotFoundError:
            umask = os.umask(0)
            os.umask(umask)
            return 0o666 & ~umask

    @override
    def discard(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):  # must not hide the error that ended the run
                if os.path.samestat(os.fstat(self._fd), os.stat(self._part)):  # noqa: PTH116  not the next run's
                    os.unlink(self._part)  # noqa: PTH108
            os.close(self._fd)
            self._fd = None
        while self._made_folders:
            with contextlib.suppress(OSError):  # the folder is not empty
                os.rmdir(self._made_folders.pop())  # noqa: PTH106


def _sync_folder(folder: str) -> None:
    """Write the entries of a folder to the disk."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return  # the folder may be written to but not listed
    try:
        os.fsync(fd)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(fd)
