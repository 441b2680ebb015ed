"""Temporary files for content that is published somewhere else at the end of a run."""

from __future__ import annotations

import os
import tempfile
from typing import BinaryIO

from model_etl.runtime.system_errors import storage_error


class TemporaryFile:
    """A temporary file without a name, so that a crash leaves nothing behind.

    Args:
        name: the file that its content is for, as errors name it.

    Attributes:
        display_name: what errors call the temporary file.
        file: the open file.

    Raises:
        ModelEtlError: if it cannot be created.
    """

    def __init__(self, name: str) -> None:
        try:
            self.file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  open until `close`
            self.display_name = f"the temporary file in {tempfile.gettempdir()} (TMPDIR) for {name}"
        except OSError as exc:
            raise storage_error(exc, "write a temporary file for", name) from exc

    def open(self) -> BinaryIO:
        """Open the file for writing; closing that handle keeps the file."""
        return os.fdopen(os.dup(self.file.fileno()), "wb")

    @property
    def size(self) -> int:
        """Size in bytes."""
        return os.fstat(self.file.fileno()).st_size

    def read_at(self, offset: int, count: int) -> bytes:
        """Read up to `count` bytes from an offset; several threads may do so at once."""
        return os.pread(self.file.fileno(), count, offset)

    def close(self) -> None:
        """Close the file and delete its content."""
        self.file.close()
