"""What went through a file: bytes, records and, if asked for, the SHA-256, found on the way."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any, BinaryIO


@dataclass
class FileCounts:
    """Counts of one file; written by the thread that reads or writes it, read by others.

    Attributes:
        hashed: whether to digest the bytes.
        records: how many records went through.
        size: how many bytes went through, as they are on the disk.
    """

    hashed: bool = False
    records: int = 0
    size: int = 0
    _digest: Any = field(default_factory=hashlib.sha256, repr=False)

    @property
    def sha256(self) -> str | None:
        """The digest of the bytes in hexadecimal, or None if it was not asked for."""
        return self._digest.hexdigest() if self.hashed else None

    def add(self, data: bytes | memoryview) -> None:
        """Count some bytes."""
        self.size += len(data)
        if self.hashed:
            self._digest.update(data)


class CountingReader(io.RawIOBase):
    """A file that is read from its start to its end while being counted."""

    def __init__(self, file: BinaryIO, tally: FileCounts) -> None:
        self._file = file
        self._tally = tally

    def readable(self) -> bool:
        """Say yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read up to so many bytes."""
        data = self._file.read(size)
        self._tally.add(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class CountingWriter(io.RawIOBase):
    """A file that is written from its start to its end while being counted; closing it leaves the file open."""

    def __init__(self, file: BinaryIO, tally: FileCounts) -> None:
        self._file = file
        self._tally = tally

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: Any) -> int:
        """Write all of some bytes."""
        view = memoryview(data).cast("B")
        self._file.write(view)
        self._tally.add(view)
        return len(view)
