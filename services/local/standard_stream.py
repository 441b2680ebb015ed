"""Standard input and standard output as locations."""

from __future__ import annotations

import os
import stat
import uuid
from typing import BinaryIO

from typing_extensions import override

from model_etl.publishing.storage import BinaryOpener, Location, StagedFile
from model_etl.records.batch import source_identity
from model_etl.runtime.signals import interruptible
from model_etl.runtime.standard_streams import stdin_fd, stdout_fd, write_all
from model_etl.services.common.staged_stream import StagedStream

STANDARD_STREAMS = ("-", "/dev/stdin", "/dev/stdout", "/dev/fd/0", "/dev/fd/1", "/proc/self/fd/0", "/proc/self/fd/1")
"""Names of the standard streams. Opened as files, the paths would lead to where prints are redirected."""
_COPY_BYTES = 1 << 20


class StandardStream(Location):
    """Standard input to read from, standard output to write to.

    Args:
        name: one of `STANDARD_STREAMS`.
    """

    uri = "-"
    path = "-"
    stream = True
    size: int | None = None

    def __init__(self, name: str = "-") -> None:
        self.name = self.display_name = name
        self.fs: BinaryOpener = self

    def openbin(self, path: str, mode: str = "r") -> BinaryIO:  # noqa: ARG002  the interface of fs
        """Open standard input."""
        return os.fdopen(os.dup(stdin_fd()), "rb")

    @override
    def exists(self) -> bool:
        return False

    @override
    def regular_file(self, *, writes: bool) -> tuple[int, int] | None:
        try:
            return regular_file(os.fstat(stdout_fd() if writes else stdin_fd()))
        except OSError:
            return None

    @override
    def identity(self) -> str:
        return source_identity(uuid.uuid4())  # the content of a stream is never known to be the same

    @override
    def check_writable(self) -> None:
        pass

    @override
    def remove(self) -> None:
        pass

    @override
    def stage(self, *, private: bool, media_type: str) -> StagedFile:
        return StagedStream(self, _copy_to_stdout)


def regular_file(status: os.stat_result) -> tuple[int, int] | None:
    """Return the device and the inode of a regular file; None if it is another kind of file."""
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _copy_to_stdout(source: BinaryIO) -> None:
    with interruptible():
        copy_to_descriptor(source, stdout_fd())


def copy_to_descriptor(source: BinaryIO, descriptor: int) -> None:
    """Copy a file to an open descriptor, also to one that is in non-blocking mode.

    Raises:
        OSError: if it cannot be read or written.
    """
    while block := source.read(_COPY_BYTES):
        write_all(descriptor, block)
