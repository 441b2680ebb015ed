"""Files of this machine, and its standard streams, as file systems to inject."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
import tempfile
import uuid
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit

import model_etl.compat  # noqa: F401  before anything of fs

from fs.osfs import OSFS

from model_etl.errors import InputMissing, PermissionRefused, printable, storage_error
from model_etl.publish import Location, Stage
from model_etl.records import source_identity
from model_etl.streams import stdout_fd

_COPY = 1 << 20


class LocalFS(OSFS):
    """The whole local file system: absolute paths as they are, relative ones from the current folder."""

    def __init__(self) -> None:
        super().__init__("/")

    def validatepath(self, path: str) -> str:
        """Make a path absolute."""
        return str(super().validatepath(os.path.abspath(path)))  # noqa: PTH100  fs takes strings


def get_services(**options: Any) -> dict[str, Any]:  # noqa: ARG001  a bucket needs options, this machine none
    """Give the services of a scoring graph that runs on local files, to be injected by name."""
    fs = LocalFS()
    return {"fs": fs, "output_fs": fs, "log_fs": fs, "rejects_fs": fs}


def locate(name: str) -> Location:
    """Find a local file, or a standard stream for `-`."""
    if name == "-":
        return StandardStream()
    path = unquote(urlsplit(name).path) if name.startswith("file://") else name
    return LocalFile(name, path)


class LocalFile:
    """See `Location`. A symbolic link stands for what it leads to."""

    def __init__(self, name: str, path: str) -> None:
        self.name = printable(name)
        self.fs: Any = LocalFS()
        self.path = os.path.realpath(path)
        self.uri = "file://" + quote(os.fsencode(self.path))
        self.stream = _is_stream(self.path)

    def exists(self) -> bool:
        """See `Location`."""
        return not self.stream and os.path.lexists(self.path)

    def identity(self) -> str:
        """See `Location`. The URI, the size and the time of change."""
        try:
            found = os.stat(self.path)  # noqa: PTH116
        except OSError as exc:
            raise storage_error(exc, "read", self.name) from exc
        if stat.S_ISDIR(found.st_mode):
            raise InputMissing(f"cannot read {self.name}: it is a folder, not a file", "Name a file.")
        if not os.access(self.path, os.R_OK):
            raise PermissionRefused(
                f"cannot read {self.name}: permission refused", "Check who owns it and who runs this."
            )
        if self.stream:
            return source_identity(uuid.uuid4())  # a pipe is never the same twice
        return source_identity(self.uri, found.st_size, found.st_mtime_ns)

    def check_writable(self) -> None:
        """See `Location`."""
        folder = os.path.dirname(self.path)  # noqa: PTH120
        code = None
        if os.path.isdir(self.path):  # noqa: PTH112
            code = errno.EISDIR
        elif not os.path.isdir(folder):  # noqa: PTH112
            code = errno.ENOENT
        elif not os.access(self.path if self.stream else folder, os.W_OK):
            code = errno.EACCES
        if code is not None:
            raise storage_error(OSError(code, os.strerror(code)), "write", self.name)

    def remove(self) -> None:
        """See `Location`."""
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)  # noqa: PTH108
        except OSError as exc:
            raise storage_error(exc, "remove", self.name) from exc

    def stage(self, *, private: bool) -> Stage:
        """See `Location`."""
        return SpooledStage(self) if self.stream else RenamedStage(self, private=private)

    def receive(self, spool: BinaryIO) -> None:
        """Copy a spool into a device or a pipe."""
        with open(self.path, "wb", buffering=0) as target:  # noqa: PTH123
            _copy(spool, target.fileno())


class StandardStream:
    """See `Location`. Standard input to read from, standard output to write to."""

    name = "-"
    uri = "-"
    path = "-"
    stream = True

    def __init__(self) -> None:
        self.fs: Any = self

    def openbin(self, path: str, mode: str = "r", **_: Any) -> BinaryIO:  # noqa: ARG002  the interface of fs
        """Open standard input."""
        return os.fdopen(os.dup(sys.__stdin__.fileno() if sys.__stdin__ else 0), "rb")

    def exists(self) -> bool:
        """See `Location`."""
        return False

    def identity(self) -> str:
        """See `Location`. A stream is never the same twice."""
        return source_identity(uuid.uuid4())

    def check_writable(self) -> None:
        """See `Location`."""

    def remove(self) -> None:
        """See `Location`."""

    def stage(self, *, private: bool) -> Stage:  # noqa: ARG002
        """See `Location`."""
        return SpooledStage(self)

    def receive(self, spool: BinaryIO) -> None:
        """Copy a spool to standard output."""
        _copy(spool, stdout_fd())


class RenamedStage:
    """See `Stage`. A file in the same folder, locked while it is written, then renamed.

    The lock is on the staged file itself, so that a crash leaves no lock, and no more than this one file, which the
    next run takes over.
    """

    def __init__(self, location: LocalFile, *, private: bool) -> None:
        self.location: Location = location
        self.fs = location.fs
        folder, base = os.path.split(location.path)
        self._folder = folder
        self.path = os.path.join(folder, f".{base}.part")  # noqa: PTH118
        self._mode = 0o600 if private else None
        self._fd: int | None = None

    def lock(self) -> bool:
        """See `Stage`."""
        try:
            if os.path.isdir(self.location.path):  # noqa: PTH112
                raise IsADirectoryError(self.location.path)
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise storage_error(exc, "write", self.location.name) from exc
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have renamed or removed it since we opened it: then this is no longer the stage.
            if not os.path.samestat(os.fstat(fd), os.stat(self.path)):  # noqa: PTH116
                raise FileNotFoundError(self.path)
            os.ftruncate(fd, 0)
        except (BlockingIOError, FileNotFoundError):
            os.close(fd)
            return False
        except OSError as exc:
            os.close(fd)
            raise storage_error(exc, "lock", self.location.name) from exc
        self._fd = fd
        return True

    def publish(self) -> None:
        """See `Stage`. On the disk before it gets the name, and the name on the disk before it is believed."""
        assert self._fd is not None
        try:
            os.fchmod(self._fd, self._mode if self._mode is not None else self._usual_mode())
            os.fsync(self._fd)
            os.rename(self.path, self.location.path)  # noqa: PTH104
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as exc:
            raise storage_error(exc, "publish", self.location.name) from exc
        os.close(self._fd)
        self._fd = None

    def _usual_mode(self) -> int:
        try:
            return stat.S_IMODE(os.stat(self.location.path).st_mode)  # noqa: PTH116
        except FileNotFoundError:
            umask = os.umask(0)
            os.umask(umask)
            return 0o666 & ~umask

    def discard(self) -> None:
        """See `Stage`."""
        if self._fd is None:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)  # noqa: PTH108
        os.close(self._fd)
        self._fd = None


class SpooledStage:
    """See `Stage`. A temporary file that is copied to a stream at the end: a failed run writes nothing to it."""

    def __init__(self, location: LocalFile | StandardStream) -> None:
        self.location: Location = location
        self._receive = location.receive
        self.fs: Any = self
        self.path = location.path
        self._spool: BinaryIO | None = None

    def lock(self) -> bool:
        """See `Stage`. A stream needs no lock."""
        try:
            self._spool = tempfile.TemporaryFile()  # noqa: SIM115  kept until the end of the run
        except OSError as exc:
            raise storage_error(exc, "write a temporary file for", self.location.name) from exc
        return True

    def openbin(self, path: str, mode: str = "w", **_: Any) -> BinaryIO:  # noqa: ARG002  the interface of fs
        """Open the spool."""
        assert self._spool is not None
        return os.fdopen(os.dup(self._spool.fileno()), "wb")

    def publish(self) -> None:
        """See `Stage`."""
        assert self._spool is not None
        self._spool.seek(0)
        try:
            self._receive(self._spool)
        except OSError as exc:
            raise storage_error(exc, "write", self.location.name) from exc
        self.discard()

    def discard(self) -> None:
        """See `Stage`."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None


def _is_stream(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _copy(spool: BinaryIO, fd: int) -> None:
    while block := spool.read(_COPY):
        view = memoryview(block)
        while view:
            view = view[os.write(fd, view) :]
