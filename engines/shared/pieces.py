"""Pieces of inputs, which workers read independently of each other. Nothing here opens a file."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, BinaryIO, cast

from typing_extensions import override

from model_etl.errors import UsageError
from model_etl.formats import format_for
from model_etl.formats.compression import content_encoding, decoded, decompressed, first_bytes, is_compressed
from model_etl.formats.json_lines import LDJSON
from model_etl.records.batch import Batch, Source
from model_etl.schema.fields import Field

_SEARCH_BLOCK_BYTES = 1 << 16
"""How much is read at a time to find the end of a line."""


@dataclass(frozen=True)
class InputPiece:
    """A piece of an input: the records whose first byte is in it.

    Attributes:
        name: the input as the user named it, which opens it.
        identity: 32 hexadecimal digits that stay the same as long as the input does; part of the prediction ids.
        file_format: name of the format, or None if the input's name shows it.
        start: byte offset of the piece.
        end: byte offset of the next piece, or None for the last piece.
        position: number of its first record in the input, from 1; None until the records before it are counted.
        compression: name of the compression, or None if the input's name shows it.
        limit: how many of its records to read, or None for all.
    """

    name: str
    identity: str
    file_format: str | None = None
    start: int = 0
    end: int | None = None
    position: int | None = 1
    compression: str | None = None
    limit: int | None = None

    @property
    def whole(self) -> bool:
        """Whether it is all of the input."""
        return self.start == 0 and self.end is None

    def count(self, file: BinaryIO) -> int:
        """Return the number of records, without reading them into batches.

        Args:
            file: the input, open for reading and seekable.

        Raises:
            DataError: if the file as a whole cannot be read.
        """
        return sum(batch.record_count for batch in self._lines(file))

    def read(
        self,
        file: BinaryIO,
        fields: Mapping[str, Field],
        published: tuple[str, ...] | None = (),
        batch_settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> Iterator[Batch]:
        """Yield its batches, not yet decoded.

        Args:
            file: the input, open for reading at its start.
            fields: the model's input fields.
            published: the names of the fields of its records that are published; None for all.
            batch_settings: `ModelFacts.batch_settings` of the model.

        Raises:
            DataError: if the file as a whole cannot be read.
        """
        settings = {"published": published, **batch_settings}
        batches = self._whole_file(file, fields, settings) if self.whole else self._lines(file, settings)
        if self.limit is None:
            yield from batches
            return
        remaining = self.limit
        while remaining > 0 and (batch := next(batches, None)) is not None:
            limited = batch.first(remaining)
            remaining -= limited.record_count
            yield limited

    def _whole_file(self, file: BinaryIO, fields: Mapping[str, Field], settings: Mapping[str, Any]) -> Iterator[Batch]:
        file_format, compression = format_for(self.name, self.file_format, "--input_format", self.compression)
        encoding = content_encoding(file)
        if not file_format.compressible:
            stream = file
        elif encoding and self.compression is None:
            stream = decoded(file, first_bytes(file), encoding, compression, self.name)
        else:
            stream = decompressed(file, compression, self.name)
        source = Source(self.name, self.identity, file_format.name, **settings)
        yield from file_format.read(stream, source, fields)

    def _lines(self, file: BinaryIO, settings: Mapping[str, Any] = MappingProxyType({})) -> Iterator[Batch]:
        if content_encoding(file) and is_compressed(first_bytes(file)):
            raise UsageError(
                f"cannot read {self.name} in pieces: its Content-Encoding is {content_encoding(file)}",
                "Pass --input_compression gzip, or zstd.",
            )
        offset = _line_start(file, self.start)
        if self.end is not None:
            file = cast("BinaryIO", _Section(file, max(0, _line_start(file, self.end) - offset)))
        file.seek(offset)
        source = Source(self.name, self.identity, LDJSON.name, **settings)
        yield from LDJSON.read_on(file, source, offset, self.position or 1)


def piece_format(name: str, input_format: str | None, *, tsv_quotes: bool) -> str | None:
    """Return the name of the format that an input's pieces have, or None if the input's name shows it.

    Args:
        name: the input as the user named it.
        input_format: name of the format, or None if the input's name shows it.
        tsv_quotes: whether cells of TSV may have quotes around them.

    Raises:
        UsageError: if neither shows the format.
    """
    return format_for(name, input_format, "--input_format", tsv_quotes=True)[0].name if tsv_quotes else input_format


def cut_input(
    name: str,
    identity: str,
    size: int | None,
    input_format: str | None,
    piece_bytes: int,
    input_compression: str | None = None,
) -> list[InputPiece]:
    """Cut an input into pieces if its format can be read from the middle: JSON Lines that are not compressed.

    Args:
        name: the input as the user named it.
        identity: see `InputPiece.identity`.
        size: its size in bytes, or None if that is not known.
        input_format: name of the format, or None if the input's name shows it.
        piece_bytes: most bytes of a piece.
        input_compression: name of the compression, or None if the input's name shows it.

    Raises:
        UsageError: if neither shows the format.
    """
    file_format, compression = format_for(name, input_format, "--input_format", input_compression)
    whole = InputPiece(name, identity, input_format, compression=input_compression)
    if file_format is not LDJSON or compression or size is None or size <= piece_bytes:
        return [whole]
    starts = range(0, size, piece_bytes)
    ends = [*starts[1:], None]
    return [
        replace(whole, start=start, end=end, position=None if start else 1)
        for start, end in zip(starts, ends, strict=True)
    ]


def number_pieces(counted: Iterable[tuple[InputPiece, int]]) -> Iterator[InputPiece]:
    """Yield the pieces of one input in order, with their positions.

    Args:
        counted: all pieces of the input, in any order, with the number of records in each.
    """
    position = 1
    for piece, count in sorted(counted, key=lambda item: item[0].start):
        yield replace(piece, position=position)
        position += count


def limit_pieces(
    inputs: Iterable[InputPiece],
    limit: int,
    open_piece: Callable[[InputPiece], contextlib.AbstractContextManager[BinaryIO]],
    fields: Mapping[str, Field],
) -> Iterator[InputPiece]:
    """Yield the first of several inputs, so that they have at most `limit` records together.

    Args:
        inputs: each whole, in the order of reading.
        limit: how many records to read.
        open_piece: opens an input for reading.
        fields: the model's input fields.

    Raises:
        DataError: if an input cannot be read.
    """
    for piece in inputs:
        limited = replace(piece, limit=limit)
        yield limited
        with open_piece(piece) as file:
            limit -= sum(batch.record_count for batch in limited.read(file, fields))
        if limit <= 0:
            return


def _line_start(file: BinaryIO, offset: int) -> int:
    """Return the byte offset of the first line that starts at an offset or after it."""
    if offset == 0:
        return 0
    file.seek(offset - 1)
    while block := file.read(_SEARCH_BLOCK_BYTES):
        newline = block.find(b"\n")
        if newline >= 0:
            return offset + newline
        offset += len(block)
    return offset - 1


class _Section(io.RawIOBase):
    """A section of a file, from its current offset.

    Args:
        file: the whole file.
        size: number of bytes of the section.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._remaining = size

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    @override
    def read(self, size: int = -1) -> bytes:
        block = self._file.read(self._remaining if size < 0 else min(size, self._remaining))
        self._remaining -= len(block)
        return block
