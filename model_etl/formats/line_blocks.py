"""Blocks of whole lines, for the formats that have one record a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from model_etl.errors import DataError
from model_etl.formats.file_signatures import StartedFile
from model_etl.records.batch import BATCH_BYTES, Source

MAX_LINE_BYTES = 256 * 1024 * 1024
"""The longest line that is read, so that a file without line ends does not fill the memory."""


def line_blocks(file: BinaryIO, source: Source, divisor: int = 1, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Read a text file in blocks of whole lines.

    Args:
        file: open for reading.
        source: the input, for errors.
        divisor: blocks have about `BATCH_BYTES // divisor` bytes, times the scale of the source; for formats
            whose JSON is longer than their text.
        offset: the position of the file, in bytes: the start of a line.

    Yields:
        The offset of the first line of a block, and its lines with their line feeds, without that of the last line.

    Raises:
        DataError: if the first bytes are not those of UTF-8 text, or a line is longer than `MAX_LINE_BYTES`.
    """
    lines: BinaryIO | StartedFile = file
    if not offset:
        lines = StartedFile(file, source)
        offset = lines.skipped
    pending: list[bytes] = []
    length = 0
    while block := lines.read(max(1, BATCH_BYTES * source.scale // divisor)):
        cut = block.rfind(b"\n")
        if cut < 0:  # a line longer than a block
            pending.append(block)
            length += len(block)
            if length > MAX_LINE_BYTES:
                raise _line_too_long(source, offset, block)
            continue
        whole = b"".join((*pending, memoryview(block)[:cut]))
        yield offset, whole
        offset += len(whole) + 1
        pending, length = [block[cut + 1 :]], 0
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


def _line_too_long(source: Source, offset: int, block: bytes) -> DataError:
    if b"\r" in block:
        return carriage_returns(source, offset)
    return DataError(
        f"cannot read {source.name} as {source.format}: from byte {offset:,} on there is no line end within"
        f" {MAX_LINE_BYTES >> 20} MiB",
        "If it is one JSON array, use --input_format json.",
    )


def is_utf8_without_cr(block: bytes) -> bool:
    """Return whether a block is UTF-8 without a carriage return."""
    if b"\r" in block:
        return False
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False
