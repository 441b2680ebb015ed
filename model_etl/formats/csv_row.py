"""A row of CSV or TSV, as Python's csv module reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from model_etl.errors import RecordError
from model_etl.formats.base import utf8_error

NEVER_CLOSED = "unexpected end of data"
TOO_LONG = "field larger than field limit"
CARRIAGE_RETURN = "new-line character seen in unquoted field"
"""What Python's csv module says of a quoted cell that the file ends in, of a cell that is too long, and of a carriage
return outside of quotes."""


class Row(NamedTuple):
    """A row that is not blank.

    Attributes:
        offset: its offset in the block that it starts in, in bytes.
        text: its exact text without the line end.
        cells: its cells, or the error if it is not a valid row.
        size: its bytes with the line end.
        lines_before: how many lines of the block precede it.
        line_count: how many lines it takes.
        problem: what the csv module says of a row that is not valid; otherwise empty.
    """

    offset: int
    text: bytes
    cells: Sequence[str] | RecordError
    size: int
    lines_before: int
    line_count: int
    problem: str = ""

    def valid_cells(self, encoding: str) -> Sequence[str]:
        """Return the cells.

        Raises:
            RecordError: if the row is not valid, or not in its encoding.
        """
        if isinstance(self.cells, RecordError):
            raise self.cells
        if not self.text.isascii() and (error := utf8_error(self.text, encoding)):
            raise error
        return self.cells

    def is_longer_than(self, longest: int) -> bool:
        """Return whether it is a record that has more bytes than permitted, and not one with an open cell."""
        return len(self.text) > longest and (self.line_count == 1 or not self.problem)
