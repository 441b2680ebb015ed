"""Rows of TSV without quotes, which some values cannot be written to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from model_etl.errors import ConfigurationError
from model_etl.records.batch import Batch

_REMEDY = "Write CSV or JSON Lines, or TSV with quotes: --tsv_quotes."


def unquoted_rows(
    table: Iterable[Sequence[str]], columns: Sequence[str], delimiter: str, batch: Batch | None
) -> list[bytes]:
    """Return rows as lines with their ends.

    Args:
        table: the cells of the rows.
        columns: the names of the columns.
        delimiter: the character between two cells.
        batch: the records of the rows; None for the first row, which has the names.

    Raises:
        ConfigurationError: if a cell has a delimiter or a line end, which would be read as other cells.
    """
    lines = []
    for index, row in enumerate(table):
        line = delimiter.join(row)
        if not line or line.count(delimiter) >= len(row) or "\n" in line or "\r" in line:
            where = f"record {batch.positions[index]} of {batch.source.name}" if batch else "the first row"
            raise ConfigurationError(f"cannot write {where} as TSV: {_problem(row, columns, delimiter)}", _REMEDY)
        lines.append(line.encode() + b"\n")
    return lines


def _problem(row: Sequence[str], columns: Sequence[str], delimiter: str) -> str:
    for name, cell in zip(columns, row, strict=True):
        for character, words in ((delimiter, "a tab"), ("\n", "a line end"), ("\r", "a carriage return")):
            if character in cell:
                return f"{name!r} has {words}, which a cell without quotes cannot hold"
    return f"{columns[0]!r} is empty and the only column, so that its row would be a blank line"
