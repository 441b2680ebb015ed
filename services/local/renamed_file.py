"""The next content of a local file: written beside it, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from typing import Any, BinaryIO

from model_etl.errors import storage_error
from model_etl.publishing.storage import Location
from model_etl.runtime.signals import signals_deferred
from model_etl.services.common.locks import open_locked


class RenamedFile:
    """See `StagedFile`. A file in the same folder, locked while it is written, then renamed.

    The lock is on the staged file itself, so that a crash leaves no lock, and no more than this one file, which the
    next run takes over.

    Args:
        location: what it will become.
        missing_folders: names the folders that are to be made first, the outermost first.
        private: whether only its owner may read the file.
    """

    def __init__(self, location: Location, missing_folders: Callable[[], list[str]], *, private: bool) -> None:
        self.location = location
        self.fs: Any = self
        self.path = location.name  # for errors; `openbin` needs no path
        self._target = location.path
        folder, base = os.path.split(location.path)
        self._folder = folder
        self._part = os.path.join(folder, f".{base}.part")  # noqa: PTH118
        self._mode = 0o600 if private else None
        self._fd: int | None = None
        self._missing_folders = missing_folders
        self._made: list[str] = []

    def lock(self) -> bool:
        """See `StagedFile`."""
        with signals_deferred():  # a file that was made must be known, or it would not be discarded
            return self._lock()

    def _lock(self) -> bool:
        try:
            for folder in self._missing_folders():
                os.mkdir(folder)  # noqa: PTH102
                self._made.append(folder)
            if os.path.isdir(self._target):  # noqa: PTH112
                raise IsADirectoryError(self._target)
            self._fd = open_locked(self._part)
            if self._fd is not None:
                os.ftruncate(self._fd, 0)
        except OSError as exc:
            raise storage_error(exc, "write", self.location.name) from exc
        return self._fd is not None

    def openbin(self, path: str, mode: str = "w", **_: Any) -> BinaryIO:  # noqa: ARG002  the interface of fs
        """Open the staged file."""
        assert self._fd is not None
        return os.fdopen(os.dup(self._fd), "wb")

    def prepare(self) -> None:
        """See `StagedFile`. On the disk before it gets the name."""
        assert self._fd is not None
        try:
            os.fchmod(self._fd, self._mode if self._mode is not None else self._usual_mode())
            os.fsync(self._fd)
        except OSError as exc:
            raise storage_error(exc, "write", self.location.name) from exc

    def publish(self) -> None:
        """See `StagedFile`. The name is on the disk, too, before it is believed."""
        assert self._fd is not None
        try:
            os.rename(self._part, self._target)  # noqa: PTH104
            for folder in (self._folder, *map(os.path.dirname, self._made)):
                _sync_folder(folder)
        except OSError as exc:
            raise storage_error(exc, "publish", self.location.name) from exc
        os.close(self._fd)
        self._fd = None
        self._made = []

    def _usual_mode(self) -> int:
        try:
            return stat.S_IMODE(os.stat(self._target).st_mode)  # noqa: PTH116
        except FileNotFoundError:
            umask = os.umask(0)
            os.umask(umask)
            return 0o666 & ~umask

    def discard(self) -> None:
        """See `StagedFile`."""
        if self._fd is not None:
            with contextlib.suppress(OSError):  # what ended the run is worth telling, this is not
                if os.path.samestat(os.fstat(self._fd), os.stat(self._part)):  # noqa: PTH116  not the next run's
                    os.unlink(self._part)  # noqa: PTH108
            os.close(self._fd)
            self._fd = None
        while self._made:
            with contextlib.suppress(OSError):  # another file is in it
                os.rmdir(self._made.pop())  # noqa: PTH106


def _sync_folder(folder: str) -> None:
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return  # a folder that may be written but not listed
    try:
        os.fsync(fd)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(fd)
