"""Damage that hides many rows of a CSV or TSV file in one: quotes that do not close in time, unusual line ends.

One reject for many records would let `--max_errors` lose them in silence, so such a file is not read any further.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from model_etl.errors import DataError
from model_etl.records.batch import Source

ParseLine = Callable[[bytes], Sequence[str] | None]
"""Returns the cells of a line that is a row by itself, or None if it is not valid."""
Fits = Callable[[Sequence[str]], bool]
"""Returns whether cells are as many as columns and, where the model has numbers, at least one and all are numbers."""

_DOUBLED = "Correct that line: a quote inside a quoted cell is doubled."
_LEAST_ROWS = 3
_OR_JSON = f"{_DOUBLED} If a cell is meant to hold rows, write the file as JSON Lines."


def has_rows_between_returns(text: bytes, parse: ParseLine, width: int) -> bool:
    """Return whether the pieces between the carriage returns of an invalid row are rows by themselves."""
    pieces = [piece for piece in text.split(b"\r") if piece.strip()]
    return len(pieces) > 1 and all(len(parse(piece) or ()) == width for piece in pieces)


def long_row(source: Source, position: int) -> DataError:
    """Return the error for a row that is too long, after which the next row cannot be found.

    Args:
        source: the file.
        position: the row's number; 0 for the first row, which has the names.
    """
    row = f"record {position}, a row of several lines," if position else "its first row"
    return DataError(
        f"cannot read {source.name}: {row} is longer than the {source.max_record_size:,} bytes of --max_record_size",
        "Correct its quotes, if it is not meant to be so long; otherwise give a larger --max_record_size.",
    )


def quote_not_closed(source: Source, text: bytes, line: int, offset: int, reason: str) -> DataError:
    """Return the error for a row whose last cell is open.

    Args:
        source: the file.
        text: the row, as far as it was read.
        line: the number of its first line.
        offset: the offset of its first byte.
        reason: what became of the quote, with {lines} for the number of the lines after it.
    """
    quote = _open_quote(text)
    opened = line + text.count(b"\n", 0, quote)
    lines = text.count(b"\n", quote)
    return DataError(
        f"cannot read {source.name} from line {opened:,} on: a quote that opens there (byte {offset + quote:,})"
        f" {reason.format(lines=f'{lines:,}')}",
        _DOUBLED,
    )


def rows_in_a_cell(source: Source, text: bytes, line: int, offset: int) -> DataError:
    """Return the error for a row whose quoted cell holds what looks like rows.

    Args:
        source: the file.
        text: the row.
        line: the number of its first line.
        offset: the offset of its first byte.
    """
    quote = text.index(b'"')
    opened = line + text.count(b"\n", 0, quote)
    lines = text.count(b"\n", quote)
    return DataError(
        f"cannot read {source.name} from line {opened:,} on: a quote that opens there"
        f" (byte {offset + quote:,}) closes {lines:,} {'line' if lines == 1 else 'lines'} later, so that what looks"
        " like rows is a part of its cell",
        _OR_JSON,
    )


def hides_rows(text: bytes, parse: ParseLine, width: int) -> bool:
    """Return whether a row of several lines that is not valid may be many: a later line is a row by itself."""
    return any(
        line.count(b'"') % 2 == 0 and len(parse(line) or ()) == width for line in text.split(b"\n")[1:] if line.strip()
    )


def holds_rows(text: bytes, parse: ParseLine, fits: Fits) -> bool:
    """Return whether a valid row of several lines is more likely many rows, of which two have a quote too many.

    That shows where the model has numbers: all lines inside of the cell have numbers in their columns, at least three
    with the first and the last line. A cell of several lines does not look so.
    """

    def fitting(lines: Sequence[bytes]) -> int:
        return sum((cells := parse(line)) is not None and fits(cells) for line in lines)

    lines = text.split(b"\n")
    inside, outer = lines[1:-1], [line.replace(b'"', b"") for line in (lines[0], lines[-1])]
    return len(lines) >= _LEAST_ROWS and fitting(inside) == len(inside) and fitting(outer) + len(inside) >= _LEAST_ROWS


def _open_quote(text: bytes) -> int:
    """Return the index of the quote with which the open cell of a row begins."""
    start = end = len(text)
    while (end - start) % 2 == 0:  # quotes in pairs are inside the cell
        end = text.rfind(b'"', 0, start) + 1
        start = len(text[:end].rstrip(b'"'))
    return start
