"""Temporary files for what is published elsewhere at the end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any, BinaryIO

from model_etl.errors import storage_error
from model_etl.publishing.storage import Location


class Spool:
    """A nameless temporary file: a crash leaves nothing of it.

    Args:
        name: of what it will become, for errors.

    Attributes:
        path: what it is called in errors.
        file: the open file.

    Raises:
        ModelEtlError: if it cannot be made.
    """

    def __init__(self, name: str) -> None:
        try:
            self.file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  kept until the end of the run
            self.path = f"the temporary file in {tempfile.gettempdir()} (TMPDIR) for {name}"
        except OSError as exc:
            raise storage_error(exc, "write a temporary file for", name) from exc

    def open(self) -> BinaryIO:
        """Open it once more for writing."""
        return os.fdopen(os.dup(self.file.fileno()), "wb")

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return os.fstat(self.file.fileno()).st_size

    def part(self, offset: int, size: int) -> bytes:
        """Read some bytes from an offset."""
        return os.pread(self.file.fileno(), size, offset)

    def close(self) -> None:
        """Throw it away."""
        self.file.close()


class SpooledFile:
    """See `StagedFile`. A temporary file that is copied to a stream at the end: a failed run writes nothing to it.

    Args:
        location: the stream.
        receive: writes a file to it.
    """

    def __init__(self, location: Location, receive: Callable[[BinaryIO], None]) -> None:
        self.location = location
        self._receive = receive
        self.fs: Any = self
        self.path = location.name
        self._spool: Spool | None = None

    def lock(self) -> bool:
        """See `StagedFile`. A stream needs no lock."""
        self._spool = Spool(self.location.name)
        self.path = self._spool.path
        return True

    def openbin(self, path: str, mode: str = "w", **_: Any) -> BinaryIO:  # noqa: ARG002  the interface of fs
        """Open the spool."""
        assert self._spool is not None
        return self._spool.open()

    def prepare(self) -> None:
        """See `StagedFile`. A stream has nothing to prepare."""

    def publish(self) -> None:
        """See `StagedFile`."""
        assert self._spool is not None
        self._spool.file.seek(0)
        try:
            self._receive(self._spool.file)
        except OSError as exc:
            raise storage_error(exc, "write", self.location.name) from exc
        self.discard()

    def discard(self) -> None:
        """See `StagedFile`."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None
