"""Blocks of whole lines, for the formats that have one record a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from model_etl.formats.base import check_signature
from model_etl.records.batch import BATCH_BYTES, Source


def line_blocks(file: BinaryIO, source: Source, divisor: int = 1, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Read a text file in blocks of whole lines.

    Args:
        file: open for reading.
        source: the input, for errors.
        divisor: blocks have about `BATCH_BYTES // divisor` bytes; for formats whose JSON is longer than their text.
        offset: the position of the file, in bytes: the start of a line.

    Yields:
        The offset of the first line of a block, and its lines with their line feeds, without that of the last line.

    Raises:
        DataError: if the first bytes are not those of UTF-8 text.
    """
    start = file.read(4)
    pending = [start if offset else start[check_signature(start, source) :]]
    offset += len(start) - len(pending[0])
    while block := file.read(max(1, BATCH_BYTES // divisor)):
        cut = block.rfind(b"\n")
        if cut < 0:  # a line longer than a block
            pending.append(block)
            continue
        whole = b"".join((*pending, memoryview(block)[:cut]))
        yield offset, whole
        offset += len(whole) + 1
        pending = [block[cut + 1 :]]
    if last := b"".join(pending):
        yield offset, last


def is_utf8_without_cr(block: bytes) -> bool:
    """Return whether a block is UTF-8 without a carriage return."""
    if b"\r" in block:
        return False
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False
