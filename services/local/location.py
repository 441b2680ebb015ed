"""Files of this machine: how they are found, read and written."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import uuid
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast
from urllib.parse import quote, unquote_to_bytes

import model_etl.compat  # noqa: F401  before anything of fs

from fs.osfs import OSFS
from typing_extensions import Unpack, override

from model_etl.errors import InputMissing, PermissionRefused, UsageError, printable
from model_etl.publishing.storage import BinaryOpener, FoundFile, Location, StagedFile
from model_etl.records.batch import source_identity
from model_etl.runtime.signals import interruptible
from model_etl.runtime.system_errors import storage_error
from model_etl.services.common.patterns import fits, select_files
from model_etl.services.common.staged_stream import StagedStream
from model_etl.services.common.storage import StorageOptions
from model_etl.services.local.foreign_links import refuse_foreign_links
from model_etl.services.local.renamed_file import RenamedFile
from model_etl.services.local.replaced_file import check_replaceable
from model_etl.services.local.staged_name import check_leftover, staged_path
from model_etl.services.local.standard_stream import STANDARD_STREAMS, StandardStream, copy_to_descriptor, regular_file

_CHECK_PATH = "Check the path of the input."


class LocalFS(OSFS):
    """The whole local file system: absolute paths as they are, relative ones from the current folder."""

    def __init__(self) -> None:
        super().__init__("/")

    def validatepath(self, path: str) -> str:
        """Make a path absolute."""
        return str(super().validatepath(os.path.abspath(path)))  # noqa: PTH100  fs takes strings


class _Opener(BinaryOpener):
    """Opens files by their absolute paths. OSFS does it as well, but each OSFS makes a temporary file."""

    @override
    def openbin(self, path: str, mode: str = "r") -> BinaryIO:
        return cast("BinaryIO", open(path, f"{mode}b"))  # noqa: PTH123, SIM115  closed by the caller


_OPENER = _Opener()


def get_services(**options: object) -> dict[str, LocalFS]:  # noqa: ARG001  the options are for buckets
    """Return the services that a scoring graph needs to run on local files, by the names that they are injected by."""
    fs = LocalFS()
    return {"fs": fs, "output_fs": fs, "log_fs": fs, "rejects_fs": fs}


def locate(name: str, /, **_: Unpack[StorageOptions]) -> Location:
    """Return the location of a local file, or a standard stream for `-`."""
    return StandardStream(name) if name in STANDARD_STREAMS else LocalFile(name, _to_path(name))


def find_files(name: str, /, **_: Unpack[StorageOptions]) -> list[FoundFile]:
    """Return a file, the files in a folder, or those that a pattern matches; see `services.find_files`.

    Raises:
        InputMissing: if there are none.
        ModelEtlError: if a folder cannot be listed.
    """
    path = re.sub("/+$", "/", _to_path(name))
    selection = select_files(path, exists=os.path.lexists, is_folder=os.path.isdir)
    if selection is None:
        if path.endswith("/"):
            raise InputMissing(f"cannot read {printable(name)}: there is no such folder", _CHECK_PATH)
        return [FoundFile(locate(name), os.path.basename(path))]  # noqa: PTH119
    folder = selection.folder
    try:
        # A set, because `**` reaches some files in several ways.
        files = [
            FoundFile(LocalFile(folder + relative, folder + relative), relative)
            for relative in set(_walk(folder, selection.parts))
        ]
    except OSError as exc:
        raise storage_error(exc, "read", printable(str(exc.filename or name))) from exc
    if not files:
        reason = "no file has such a name" if selection.is_pattern else "there are no files in that folder"
        raise InputMissing(f"cannot read {printable(name)}: {reason}", _CHECK_PATH)
    return files


def locate_in_folder(folder: str, relative: str, /, **_: Unpack[StorageOptions]) -> Location:
    """Return the location of a file in a folder that is made if need be."""
    base = os.path.abspath(_to_path(folder))  # noqa: PTH100
    return LocalFile(folder + relative, f"{base}/{relative}", base)


def is_folder(name: str, /, **_: Unpack[StorageOptions]) -> bool:
    """Return whether a folder of that name exists."""
    return os.path.isdir(_to_path(name))  # noqa: PTH112


def _to_path(name: str) -> str:
    """Return the path of a name, which may be a file:// URI."""
    if not name.startswith("file://"):
        return name
    return os.fsdecode(unquote_to_bytes(os.fsencode(name.removeprefix("file://").removeprefix("localhost"))))


def _walk(folder: str, parts: Sequence[str]) -> Iterator[str]:
    """Yield the files below a folder that a pattern matches.

    Args:
        folder: the folder, with its slash; empty for the current one.
        parts: the pattern, split at its slashes.

    Yields:
        Paths relative to the folder; the same one several times if `**` reaches it in several ways.
    """
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _walk(folder, rest)
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            if part == "**":
                subfolder_parts = parts if fits("*", entry.name) and entry.is_dir(follow_symlinks=False) else ()
            else:
                subfolder_parts = rest if fits(part, entry.name) and rest and entry.is_dir() else ()
                if not rest and fits(part, entry.name) and (entry.is_file() or _is_broken_link(entry)):
                    yield entry.name
            if subfolder_parts:
                yield from (f"{entry.name}/{below}" for below in _walk(f"{folder}{entry.name}/", subfolder_parts))


def _is_broken_link(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a link to a missing file, which is an error; pipes and sockets are passed over."""
    return entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110


class LocalFile(Location):
    """A file, a device or a named pipe. A symbolic link stands for the file that it leads to.

    Args:
        name: the name as the user wrote it.
        path: the path of the file.
        base: a folder above the file; if it or folders below it do not exist, they are made. None to make no folder.
    """

    def __init__(self, name: str, path: str, base: str | None = None) -> None:
        self.name = self.display_name = printable(name)
        if "\0" in path:  # of a file:// URI, or of the key of an object
            raise UsageError(f"the name {self.name!r} contains a null character", "No file can have such a name.")
        self.fs: BinaryOpener = _OPENER
        self.stream = _is_stream(path)
        # A shell passes <(command) as a link in /dev/fd, which leads to no path.
        try:
            self._given = path if path.startswith("/") else f"{os.getcwd()}/{path}"  # noqa: PTH109  with its links
            self.path = os.path.abspath(path) if self.stream else os.path.realpath(path)  # noqa: PTH100
        except FileNotFoundError as exc:
            raise UsageError(
                f"{self.name} is a relative name, but the current folder does not exist any more",
                "Write absolute names, or change to a folder that exists.",
            ) from exc
        self.uri = "file://" + quote(os.fsencode(self.path))
        self.size: int | None = None
        self._base = base and os.path.realpath(base)

    def missing_folders(self) -> list[str]:
        """Return the folders to make before the file can be written, the outermost first."""
        folder, missing = os.path.dirname(self.path), []  # noqa: PTH120
        while self._base and f"{folder}/".startswith(f"{self._base}/") and not os.path.lexists(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)  # noqa: PTH120
        return missing[::-1]

    @override
    def exists(self) -> bool:
        return not self.stream and os.path.lexists(self.path)

    @property
    @override
    def staged_uri(self) -> str | None:
        return None if self.stream else "file://" + quote(os.fsencode(staged_path(self.path)))

    @override
    def regular_file(self, *, writes: bool) -> tuple[int, int] | None:
        try:
            return regular_file(os.stat(self.path))  # noqa: PTH116
        except OSError:
            return None

    @override
    def identity(self) -> str:
        try:
            status = os.stat(self.path)  # noqa: PTH116
        except OSError as exc:
            raise storage_error(exc, "read", self.name) from exc
        if stat.S_ISDIR(status.st_mode):
            raise InputMissing(f"cannot read {self.name}: it is a folder, not a file", "Name a file.")
        if not os.access(self.path, os.R_OK):
            raise PermissionRefused(
                f"cannot read {self.name}: permission refused", "Check who owns it and who runs this."
            )
        if self.stream:
            return source_identity(uuid.uuid4())  # the content of a pipe is never known to be the same
        self.size = status.st_size
        return source_identity(self.uri, status.st_size, status.st_mtime_ns)

    @override
    def state(self) -> str:
        try:
            status = os.stat(self.path)  # noqa: PTH116
        except OSError as exc:
            raise storage_error(exc, "read", self.name) from exc
        return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"

    @override
    def check_writable(self) -> None:
        self._refuse_foreign_links()
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
        self.check_replaceable()
        if not self.stream:
            check_leftover(staged_path(self.path), self.name)

    def check_replaceable(self) -> None:
        """Check that the file may be replaced if it exists; see `ReplacesFiles`."""
        if self.stream:
            return
        try:
            check_replaceable(self.path, self.name)
        except OSError as exc:
            raise storage_error(exc, "replace", self.name) from exc

    @override
    def remove(self) -> None:
        if self.stream:  # a device or a pipe is not ours to delete
            return
        self._refuse_foreign_links()
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)  # noqa: PTH108
        except OSError as exc:
            raise storage_error(exc, "remove", self.name) from exc

    @override
    def stage(self, *, private: bool, media_type: str) -> StagedFile:
        self._refuse_foreign_links()
        if self.stream:
            return StagedStream(self, self._append)
        return RenamedFile(self, self.missing_folders, private=private)

    def _refuse_foreign_links(self) -> None:
        if not _is_opened_by_caller(self._given):
            try:
                refuse_foreign_links(self._given, None if self.stream else self.path, self.name)
            except OSError as exc:
                raise storage_error(exc, "write", self.name) from exc

    def _append(self, source: BinaryIO) -> None:
        """Copy a file into a device or a pipe, or to the end of a file that the caller of the command has opened."""
        self._refuse_foreign_links()
        with interruptible():
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                copy_to_descriptor(source, fd)
            finally:
                os.close(fd)


_OPENED_BY_CALLER = re.compile(r"/dev/(?:fd/|std(?:in|out|err)\Z)|/proc/[^/]+/(?:task/[^/]+/)?fd/")


def _is_opened_by_caller(path: str) -> bool:
    return _OPENED_BY_CALLER.match(path) is not None


def _is_stream(path: str) -> bool:
    """Return whether a path is that of a device, a pipe or an open descriptor."""
    if _is_opened_by_caller(path):
        return True  # it must not be replaced, even if it is a regular file
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
