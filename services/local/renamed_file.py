"""The next content of a local file: written beside it, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from typing import BinaryIO

from typing_extensions import override

from model_etl.errors import NotDurable, StorageFailure, printable
from model_etl.publishing.storage import BinaryOpener, Location, StagedFile
from model_etl.runtime.signals import signals_deferred
from model_etl.runtime.supervision import note_staged
from model_etl.runtime.system_errors import storage_error
from model_etl.services.local.replaced_file import take_over_attributes
from model_etl.services.local.staged_name import open_staged, staged_path


class RenamedFile(StagedFile):
    """A staged file in the folder of its target, locked while it is written and renamed at the end.

    The lock is on the staged file itself, so a crash releases it. The crash leaves only this one file, which the next
    run removes.

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
        self._folder = os.path.dirname(location.path)  # noqa: PTH120
        self._part = staged_path(location.path)
        self._private = private
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
            _refuse_folder(self._target)
            self._fd = open_staged(self._part, self.location.name)
            if self._fd is not None:
                note_staged(self._part)
        except OSError as exc:
            raise storage_error(exc, "write", self.location.name) from exc
        return self._fd is not None

    def openbin(self, path: str, mode: str = "w") -> BinaryIO:  # noqa: ARG002  the interface of fs
        """Open the staged file for writing."""
        assert self._fd is not None
        return os.fdopen(os.dup(self._fd), "wb")

    def make_private(self) -> None:
        """Let only the file's owner read it; call it before `prepare`."""
        self._private = True

    @override
    def prepare(self) -> None:
        assert self._fd is not None
        try:
            if self._private:
                os.fchmod(self._fd, 0o600)
            else:
                take_over_attributes(self._fd, self._target, self.location.name)
            os.fsync(self._fd)  # before the rename: a power failure must not leave the name with a part of the content
        except OSError as exc:
            raise storage_error(exc, "write", self.location.name) from exc
        self._check_staged()  # here as well: this is before any other file is published

    @override
    def publish(self) -> None:
        assert self._fd is not None
        self._check_staged()
        try:
            os.rename(self._part, self._target)  # noqa: PTH104
        except OSError as exc:
            raise storage_error(exc, "publish", self.location.name) from exc
        os.close(self._fd)
        self._fd = None
        folders = [self._folder, *map(os.path.dirname, self._made_folders)]
        self._made_folders = []
        try:
            for folder in folders:
                _sync_folder(folder)
        except OSError as exc:
            raise NotDurable(
                f"{self.location.name} was published, but may not survive a power failure: its folder cannot be written"
                f" to the disk: {exc.strerror}",
                "Check the disk, and run again.",
            ) from exc

    def _check_staged(self) -> None:
        """Check that the staged file still has its name: else the rename would publish the file of somebody else.

        Raises:
            StorageFailure: if it has not.
        """
        assert self._fd is not None
        try:
            is_ours = os.path.samestat(os.fstat(self._fd), os.lstat(self._part))
        except FileNotFoundError:
            is_ours = not os.path.isdir(self._folder)  # noqa: PTH112  then the rename says it better
        if not is_ours:
            raise StorageFailure(
                f"cannot publish {self.location.name}: its staged file {printable(self._part)} was removed or replaced",
                "Find out which program or user removes files there, and run again.",
            )

    @override
    def discard(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):  # must not hide the error that ended the run
                if os.path.samestat(os.fstat(self._fd), os.lstat(self._part)):  # not the next run's
                    os.unlink(self._part)  # noqa: PTH108
            os.close(self._fd)
            self._fd = None
        while self._made_folders:
            with contextlib.suppress(OSError):  # the folder is not empty
                os.rmdir(self._made_folders.pop())  # noqa: PTH106


def _refuse_folder(path: str) -> None:
    """Check that a path is not that of a folder, and can be that of a file.

    Raises:
        OSError: if it is, or its name is too long.
    """
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            raise IsADirectoryError(path)


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
