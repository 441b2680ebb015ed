"""A temporary file for what is published elsewhere at the end."""

from __future__ import annotations

import os
import tempfile
from typing import BinaryIO

from model_etl.errors import storage_error


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
