"""The lines of the rows of CSV and TSV; a row of several lines may begin in one block and end in another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from model_etl.formats.line_blocks import LongLine
from model_etl.records.batch import MOST_RECORD_BYTES

_SLACK_BYTES = 64 * 1024
"""How much longer than permitted a row of several lines may get, so that a long cell is found before."""


class LongRow(Exception):
    """A row of several lines is longer than a record may be."""


class Block(NamedTuple):
    """A block of whole lines.

    Attributes:
        offset: its offset in the file, in bytes.
        text: its lines, without the end of the last one.
        line: the number of its first line in the file, from 1.
    """

    offset: int
    text: bytes
    line: int


def numbered_blocks(blocks: Iterable[tuple[int, bytes]]) -> Iterator[Block]:
    """Yield the blocks with the numbers of their first lines."""
    line = 1
    for offset, text in blocks:
        yield Block(offset, text, line)
        line += text.count(b"\n") + 1


def kept(blocks: Iterator[Block], pulled: list[Block]) -> Iterator[Block]:
    """Yield blocks and keep them in a list."""
    for block in blocks:
        pulled.append(block)
        yield block


class Blocks:
    """Blocks, some of which may be put back to be read again.

    Args:
        blocks: the blocks.
    """

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._blocks = iter(blocks)
        self._again: list[Block] = []

    def __iter__(self) -> Blocks:
        return self

    def __next__(self) -> Block:
        return self._again.pop(0) if self._again else next(self._blocks)

    def put_back(self, blocks: Iterable[Block]) -> None:
        """Return these blocks before all others."""
        self._again[:0] = blocks


class RowLines:
    """The lines of a block; a quoted cell that spans blocks pulls in as many further blocks as it needs.

    Args:
        block: whole lines; or the lines, without their ends.
        following: the blocks after it.
        longest: the most bytes of a row.
        encoding: of the lines; the bytes of ASCII stand for its characters.
    """

    def __init__(
        self,
        block: bytes | Iterator[bytes],
        following: Iterator[Block],
        longest: int = MOST_RECORD_BYTES,
        encoding: str = "utf-8",
    ) -> None:
        self._lines = iter(block.split(b"\n")) if isinstance(block, bytes) else block
        self._following = following
        self.longest = longest
        self._encoding = encoding
        self._lines_of_row: list[bytes] = []
        self._earlier_blocks: list[bytes] = []  # the lines of the row in blocks before the present one
        self._earlier_lines = 0

    def read(self) -> Iterator[str]:
        """Yield the lines with their ends.

        Raises:
            LongRow: if a row of several lines is longer than `longest`.
        """
        size = 0
        while True:
            for line in self._lines:
                if not self._lines_of_row and not self._earlier_blocks:
                    size = len(line)
                else:
                    size += len(line) + 1
                    if size > self.longest + _SLACK_BYTES or isinstance(line, LongLine):
                        raise LongRow
                self._lines_of_row.append(line + b"\n")
                yield self._decoded(self._lines_of_row[-1])
            if not self._lines_of_row and not self._earlier_blocks:
                return
            block = next(self._following, None)
            if block is None:
                return
            self._earlier_blocks.append(b"".join(self._lines_of_row))
            self._earlier_lines += len(self._lines_of_row)
            self._lines_of_row.clear()
            self._lines = iter([block.text] if isinstance(block.text, LongLine) else block.text.split(b"\n"))

    def _decoded(self, line: bytes) -> str:
        """Return the text of a line; what is not in its encoding is found later, in the whole row."""
        if self._encoding == "utf-8":
            return line.decode("utf-8", "surrogateescape")
        try:
            return line.decode(self._encoding)
        except UnicodeDecodeError:
            return line.decode("ascii", "surrogateescape")

    def take_row(self) -> tuple[bytes, int]:
        """Return the text that was read of the present row, and the number of its lines; the next line starts a row."""
        lines = self._lines_of_row
        count = self._earlier_lines + len(lines)
        raw = lines[0] if count == 1 and lines else b"".join((*self._earlier_blocks, *lines))
        lines.clear()
        self._earlier_blocks.clear()
        self._earlier_lines = 0
        return raw, count

    def remaining(self) -> bytes | None:
        """Return the lines that were not read, or None if there are none."""
        lines = list(self._lines)
        return b"\n".join(lines) if lines else None
