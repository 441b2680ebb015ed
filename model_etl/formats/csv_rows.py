"""Rows of CSV as the `csv` module writes them, on every version of Python."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence

_WRITES_NUL = sys.version_info >= (3, 11)
"""Whether `csv.writer` writes NUL; before, it takes it for the escape character that it was not given."""
_INSTEAD_OF_NUL = "\udc00"
"""A character that no text of UTF-8 has."""


def encode_rows(table: Iterable[Sequence[str]], delimiter: str) -> list[bytes]:
    """Return each row as a line of CSV, which ends with a line feed.

    Args:
        table: the cells of the rows.
        delimiter: the character between cells.
    """
    rows = _EncodedRows()
    # The writer quotes a cell with a CR or LF only if its own line terminator has that character.
    writer = csv.writer(rows, delimiter=delimiter, lineterminator="\r\n")
    if _WRITES_NUL:
        writer.writerows(table)
        return rows.lines
    writer.writerows([cell.replace("\0", _INSTEAD_OF_NUL) for cell in row] for row in table)
    instead = _INSTEAD_OF_NUL.encode("utf-8", "surrogatepass")
    return [line.replace(instead, b"\0") for line in rows.lines]


class _EncodedRows:
    """Collects the rows that `csv.writer` writes, one call a row."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, line: str) -> None:
        self.lines.append(line.removesuffix("\r\n").encode("utf-8", "surrogatepass") + b"\n")
