"""Inputs, and the pieces of them that workers read by themselves. Pure but for the files and services it is handed."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

from model_etl.formats import format_for
from model_etl.formats.compression import decompressed
from model_etl.formats.json_lines import LDJSON
from model_etl.records.batch import Batch, Source
from model_etl.schema.fields import Field

_LOOK = 1 << 16
"""Bytes that are read at a time to find the end of a line."""


@dataclass(frozen=True)
class InputPiece:
    """A piece of an input: the records whose first byte lies in it.

    Attributes:
        name: the input as the user named it, which opens it.
        identity: 32 hexadecimal digits that stay the same as long as the input does; part of the prediction ids.
        form: name of the format if the input's name does not tell it.
        start: where the piece starts.
        end: where the next one starts, or None at the input's end.
        position: number of its first record, from 1; None as long as nobody has counted those before it.
    """

    name: str
    identity: str
    form: str | None = None
    start: int = 0
    end: int | None = None
    position: int | None = 1

    @property
    def whole(self) -> bool:
        """Whether it is all of the input."""
        return self.start == 0 and self.end is None

    def count(self, file: BinaryIO) -> int:
        """Count its records, which is much faster than reading them.

        Args:
            file: the input, open for reading at any place.

        Raises:
            DataError: if the file as a whole makes no sense.
        """
        return sum(len(batch) + len(batch.rejected) for batch in self._lines(file))

    def read(self, file: BinaryIO, fields: Mapping[str, Field]) -> Iterator[Batch]:
        """Yield its batches, not yet decoded.

        Args:
            file: the input, open for reading at its start.
            fields: the model's input fields.

        Raises:
            DataError: if the file as a whole makes no sense.
        """
        if not self.whole:
            yield from self._lines(file)
            return
        form, compression = format_for(self.name, self.form, "--input_format")
        plain = decompressed(file, compression, self.name) if form.compressible else file
        yield from form.read(plain, Source(self.name, self.identity, form.name), fields)

    def _lines(self, file: BinaryIO) -> Iterator[Batch]:
        offset = _line_start(file, self.start)
        if self.end is not None:
            file = cast("BinaryIO", _Section(file, max(0, _line_start(file, self.end) - offset)))
        file.seek(offset)
        yield from LDJSON.read_on(file, Source(self.name, self.identity, LDJSON.name), offset, self.position or 1)


def cut_input(name: str, identity: str, size: int | None, form: str | None, at_most: int) -> list[InputPiece]:
    """Cut an input into pieces, if its format lets workers start in the middle: JSON Lines that are not compressed.

    Args:
        name: the input as the user named it.
        identity: see `InputPiece.identity`.
        size: its size in bytes, or None if that is not known.
        form: name of its format, or None to tell it from its name.
        at_most: bytes of a piece.

    Raises:
        UsageError: if the name does not tell a format.
    """
    found, compression = format_for(name, form, "--input_format")
    one = InputPiece(name, identity, form)
    if found is not LDJSON or compression or size is None or size <= at_most:
        return [one]
    starts = range(0, size, at_most)
    ends = [*starts[1:], None]
    return [replace(one, start=s, end=e, position=None if s else 1) for s, e in zip(starts, ends, strict=True)]


def number_pieces(counted: Iterable[tuple[InputPiece, int]]) -> Iterator[InputPiece]:
    """Give the pieces of one input their positions.

    Args:
        counted: all pieces of the input, in any order, with the number of records in each.
    """
    position = 1
    for piece, count in sorted(counted, key=lambda item: item[0].start):
        yield replace(piece, position=position)
        position += count


def _line_start(file: BinaryIO, offset: int) -> int:
    """Find the first line that starts at an offset or after it."""
    if offset == 0:
        return 0
    file.seek(offset - 1)
    while block := file.read(_LOOK):
        found = block.find(b"\n")
        if found >= 0:
            return offset + found
        offset += len(block)
    return offset - 1


class _Section(io.RawIOBase):
    """The next bytes of a file, so many.

    Args:
        file: the whole file.
        size: how many.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place of the whole file."""
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        """Read as the whole file does, until the section ends."""
        block = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(block)
        return block
