"""Blocks of whole lines, as the formats with a record a line read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from model_etl.formats.base import check_start
from model_etl.records.batch import BATCH_BYTES, Source


def line_blocks(file: BinaryIO, source: Source, part: int = 1, first: int = 0) -> Iterator[tuple[int, bytes]]:
    """Read whole lines.

    Args:
        file: open for reading.
        source: what errors call it.
        part: a block is about this part of `BATCH_BYTES`; shorter records make for more of them.
        first: offset at which the file stands: the start of a line.

    Yields:
        The offset of the first line, and the lines with their ends, without the line feed of the last.

    Raises:
        DataError: if the first bytes show that it is no UTF-8 text.
    """
    start = file.read(4)
    pending = [start if first else start[check_start(start, source) :]]
    offset = first + len(start) - len(pending[0])
    while block := file.read(max(1, BATCH_BYTES // part)):
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


def is_plain(block: bytes) -> bool:
    """Tell whether a block is UTF-8 without a carriage return."""
    if b"\r" in block:
        return False
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False
