"""Files of this machine, and its standard streams, as file systems to inject."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO
from urllib.parse import quote, unquote_to_bytes

import model_etl.compat  # noqa: F401  before anything of fs

from fs.osfs import OSFS

from model_etl.errors import InputMissing, PermissionRefused, printable, storage_error
from model_etl.publishing.storage import FoundFile, Location, StagedFile
from model_etl.records.batch import source_identity
from model_etl.runtime.signals import interruptible
from model_etl.runtime.standard_streams import stdin_fd, stdout_fd
from model_etl.services.common.patterns import fits, is_pattern, split
from model_etl.services.common.temporary_file import SpooledFile
from model_etl.services.local.renamed_file import RenamedFile

_COPY = 1 << 20
_STANDARD = ("-", "/dev/stdin", "/dev/stdout", "/dev/fd/0", "/dev/fd/1", "/proc/self/fd/0", "/proc/self/fd/1")
"""Names of the standard streams; as files they would lead to where prints are sent."""


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


def locate(name: str, **_: Any) -> Location:
    """Find a local file, or a standard stream for `-`."""
    return StandardStream(name) if name in _STANDARD else LocalFile(name, _path(name))


def find(name: str, **_: Any) -> list[FoundFile]:
    """Find a file, the files in a folder, or those that a pattern fits; see `services.find`.

    Raises:
        InputMissing: if there are none.
        ModelEtlError: if a folder cannot be listed.
    """
    path = _path(name)
    pattern = is_pattern(path) and not os.path.lexists(path)
    if not pattern and not is_folder(name):
        if path.endswith("/"):
            raise InputMissing(
                f"cannot read {printable(name)}: there is no such folder", "Check the path of the input."
            )
        return [FoundFile(locate(name), os.path.basename(path))]  # noqa: PTH119
    folder, parts = split(path) if pattern else (f"{path.rstrip('/')}/", ["*"])
    try:
        found = [FoundFile(LocalFile(folder + below, folder + below), below) for below in set(_walk(folder, parts))]
    except OSError as exc:
        raise storage_error(exc, "read", printable(str(exc.filename or name))) from exc
    if not found:
        why = "no file has such a name" if pattern else "there are no files in that folder"
        raise InputMissing(f"cannot read {printable(name)}: {why}", "Check the path of the input.")
    return found


def below(folder: str, relative: str, **_: Any) -> Location:
    """Find a file in a folder that a run may have to make."""
    base = os.path.abspath(_path(folder))  # noqa: PTH100
    return LocalFile(folder + relative, f"{base}/{relative}", base)


def is_folder(name: str) -> bool:
    """Tell whether there is a folder of that name."""
    return os.path.isdir(_path(name))  # noqa: PTH112


def _path(name: str) -> str:
    if not name.startswith("file://"):
        return name
    return os.fsdecode(unquote_to_bytes(os.fsencode(name.removeprefix("file://").removeprefix("localhost"))))


def _walk(folder: str, parts: Sequence[str]) -> Iterator[str]:
    """Yield the files below a folder that the parts of a pattern fit, with slashes and without the folder."""
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _walk(folder, rest)
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            if part == "**":
                if fits("*", entry.name) and entry.is_dir(follow_symlinks=False):
                    yield from (f"{entry.name}/{below}" for below in _walk(f"{folder}{entry.name}/", parts))
            elif fits(part, entry.name):
                if rest and entry.is_dir():
                    yield from (f"{entry.name}/{below}" for below in _walk(f"{folder}{entry.name}/", rest))
                elif not rest and (entry.is_file() or _leads_nowhere(entry)):
                    yield entry.name


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    """Tell whether it is a link to a file that is gone, which must be told, unlike a pipe or a socket."""
    return entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110


class LocalFile:
    """See `Location`. A symbolic link stands for what it leads to.

    Args:
        name: as the user wrote it.
        path: where it lies.
        base: a folder above it that may be made if it does not exist, and so may those below it; none by default.
    """

    def __init__(self, name: str, path: str, base: str | None = None) -> None:
        self.name = self.display_name = printable(name)
        self.fs: Any = LocalFS()
        self.stream = _is_stream(path)
        # The link that a shell's <(command) is leads to no name.
        self.path = os.path.abspath(path) if self.stream else os.path.realpath(path)  # noqa: PTH100
        self.uri = "file://" + quote(os.fsencode(self.path))
        self.size: int | None = None
        self._base = base and os.path.realpath(base)

    def missing_folders(self) -> list[str]:
        """Name the folders that are to be made before it can be written, the outermost first."""
        folder, missing = os.path.dirname(self.path), []  # noqa: PTH120
        while self._base and f"{folder}/".startswith(f"{self._base}/") and not os.path.lexists(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)  # noqa: PTH120
        return missing[::-1]

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
        self.size = found.st_size
        return source_identity(self.uri, found.st_size, found.st_mtime_ns)

    def check_writable(self) -> None:
        """See `Location`."""
        folder = os.path.dirname((self.missing_folders() or [self.path])[0])  # noqa: PTH120
        code = None
        if os.path.isdir(self.path):  # noqa: PTH112
            code = errno.EISDIR
        elif not os.path.isdir(folder):  # noqa: PTH112
            code = errno.ENOTDIR if os.path.lexists(folder) else errno.ENOENT
        elif not os.access(self.path if self.stream else folder, os.W_OK):
            code = errno.EACCES
        if code is not None:
            raise storage_error(OSError(code, os.strerror(code)), "write", self.name)

    def remove(self) -> None:
        """See `Location`. A device or a pipe stays where it is."""
        if self.stream:
            return
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)  # noqa: PTH108
        except OSError as exc:
            raise storage_error(exc, "remove", self.name) from exc

    def stage(self, *, private: bool, media_type: str) -> StagedFile:  # noqa: ARG002  files have no content types
        """See `Location`."""
        return (
            SpooledFile(self, self.receive) if self.stream else RenamedFile(self, self.missing_folders, private=private)
        )

    def receive(self, spool: BinaryIO) -> None:
        """Copy a spool into a device or a pipe, or to the end of a file that was opened for us."""
        with interruptible():
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                _copy(spool, fd)
            finally:
                os.close(fd)


class StandardStream:
    """See `Location`. Standard input to read from, standard output to write to."""

    uri = "-"
    path = "-"
    stream = True
    size: int | None = None

    def __init__(self, name: str = "-") -> None:
        self.name = self.display_name = name
        self.fs: Any = self

    def openbin(self, path: str, mode: str = "r", **_: Any) -> BinaryIO:  # noqa: ARG002  the interface of fs
        """Open standard input."""
        return os.fdopen(os.dup(stdin_fd()), "rb")

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

    def stage(self, *, private: bool, media_type: str) -> StagedFile:  # noqa: ARG002
        """See `Location`."""
        return SpooledFile(self, self.receive)

    def receive(self, spool: BinaryIO) -> None:
        """Copy a spool to standard output."""
        with interruptible():
            _copy(spool, stdout_fd())


def _is_stream(path: str) -> bool:
    if path.startswith(("/dev/fd/", "/dev/std", "/proc/")):
        return True  # what was opened for us is not to be replaced by another file, even if it is one
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _copy(spool: BinaryIO, fd: int) -> None:
    while block := spool.read(_COPY):
        view = memoryview(block)
        while view:
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:  # whoever shares the terminal or the pipe with us has made it non-blocking
                select.select([], [fd], [])
