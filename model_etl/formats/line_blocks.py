"""Blocks of whole lines, for the formats that have one record a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from model_etl.errors import DataError
from model_etl.formats.base import EXCERPT_BYTES
from model_etl.formats.file_signatures import StartedFile
from model_etl.records.batch import BATCH_BYTES, Source

FEWEST_RECORDS = 20_000
"""The records that a block should have for a model that wants many at once."""
MOST_TIMES = 2
"""How many times the usual bytes a block may have for that."""


class LongLine(bytes):
    """The beginning of a line that is longer than a record may be; its rest was read and dropped.

    Attributes:
        size: the number of the line's bytes, without its line feed.
        quotes: the number of its double quotes.
    """

    size = 0
    quotes = 0


def line_blocks(file: BinaryIO, source: Source, divisor: int = 1, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Read a text file in blocks of whole lines.

    Args:
        file: open for reading.
        source: the input, for errors.
        divisor: blocks have about `BATCH_BYTES // divisor` bytes, times the scale of the source; for formats
            whose JSON is longer than their text. With a scale, blocks of long lines are up to `MOST_TIMES` as large.
        offset: the position of the file, in bytes: the start of a line.

    Yields:
        The offset of the first line of a block, and its lines with their line feeds, without that of the last line.
        A line that is longer than `source.max_record_size` and than a block is a `LongLine` by itself.

    Raises:
        DataError: if the first bytes are not those of UTF-8 text.
    """
    lines: BinaryIO | StartedFile = file
    if not offset:
        lines = StartedFile(file, source)
        offset = lines.skipped
    pending: list[bytes] = []
    length = 0
    rest = b""
    usual_bytes = block_bytes = max(1, BATCH_BYTES * source.scale // divisor)
    while block := rest or lines.read(block_bytes):
        rest = b""
        cut = block.rfind(b"\n")
        if cut >= 0:
            whole = b"".join((*pending, memoryview(block)[:cut]))
            yield offset, whole
            if source.scale > 1:  # each call of a model that wants many records has a cost of its own
                wanted = FEWEST_RECORDS * len(whole) // (whole.count(b"\n") + 1)
                block_bytes = min(max(usual_bytes, wanted), MOST_TIMES * usual_bytes)
            offset += len(whole) + 1
            pending = [block[cut + 1 :]]
            length = len(pending[0])
            continue
        pending.append(block)  # a line longer than a block
        length += len(block)
        if length > source.max_record_size:
            line, rest = _skip_line(lines, pending)
            yield offset, line
            offset += line.size + 1
            pending, length = [], 0
    if last := b"".join(pending):
        yield offset, last


def carriage_returns(source: Source, offset: int) -> DataError:
    """Return the error for records that have carriage returns between them.

    Args:
        source: the file.
        offset: the offset of the first of these records.
    """
    since = f"from byte {offset:,} on " if offset else ""
    return DataError(
        f"cannot read {source.name} as {source.format}: {since}its lines end in a carriage return alone (CR), as on old"
        " Macs",
        "Convert its line ends to line feeds, for example with: tr '\\r' '\\n'.",
    )


def _skip_line(file: BinaryIO | StartedFile, pieces: Sequence[bytes]) -> tuple[LongLine, bytes]:
    """Read to the end of a line without keeping it.

    Args:
        file: open for reading, in the line.
        pieces: what was read of the line.

    Returns:
        The line, and what was read of the next one.
    """
    line = LongLine(b"".join(piece[:EXCERPT_BYTES] for piece in pieces))
    line.size = sum(map(len, pieces))
    line.quotes = sum(piece.count(b'"') for piece in pieces)
    while block := file.read(BATCH_BYTES):
        cut = block.find(b"\n")
        end = len(block) if cut < 0 else cut
        line.size += end
        line.quotes += block.count(b'"', 0, end)
        if cut >= 0:
            return line, block[cut + 1 :]
    return line, b""


def is_utf8_without_cr(block: bytes) -> bool:
    """Return whether a block is UTF-8 without a carriage return."""
    if b"\r" in block:
        return False
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False
