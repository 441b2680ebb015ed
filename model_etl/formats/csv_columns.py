"""Rows of CSV and TSV joined from columns, with the same bytes as `csv.writer` makes of each row."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from model_etl.formats.csv_rows import encode_rows
from model_etl.records.arrow_texts import MOST_BYTES, Part, array_of_lines, joined
from model_etl.records.json_rows import JsonColumn
from model_etl.records.lazy_sequences import LineBlock

_QUOTED = '[",\\r\\n\\x00\\t]'
"""A cell without any of these has no quotes, whatever the delimiter is."""
_UNWRITABLE = "[\\t\\r\\n]"
"""What a cell cannot have without quotes, or at least needs a closer look."""


def joined_rows(
    originals: Sequence[bytes] | None,
    columns: Collection[JsonColumn],
    delimiter: str,
    *,
    quotes: bool,
    formulas: Sequence[str],
) -> bytes | None:
    """Return rows as lines with their ends.

    Args:
        originals: the rows before whose ends the cells are appended, or None.
        columns: the columns, at least one.
        delimiter: the character between two cells.
        quotes: whether a cell may have quotes around it.
        formulas: the beginnings of texts before which a `'` is written.

    Returns:
        The lines; None if a cell cannot be written without quotes, or may be the only one of its row and empty.
    """
    parts: list[Part] = []
    if originals is not None:
        parts = [_texts(originals), delimiter.encode()]
    for column in columns:
        cells = column.cells
        if formulas and pc.any(column.is_text).as_py():
            cells = _escaped(cells, column.is_text, formulas)
        odd = pc.match_substring_regex(cells, _QUOTED if quotes else _UNWRITABLE)
        if pc.any(odd).as_py():
            if not quotes:
                return None
            cells = pc.replace_with_mask(cells, odd, pa.array(_quoted(cells.filter(odd), delimiter), pa.string()))
        if len(columns) == 1 and pc.any(pc.equal(cells, "")).as_py():
            return None
        parts += [cells, delimiter.encode()]
    return joined([*parts[:-1], b"\n"], len(cells))


def _texts(rows: Sequence[bytes]) -> pa.Array:
    if isinstance(rows, LineBlock) and len(rows.block) < MOST_BYTES:
        return array_of_lines(rows.block, len(rows))
    return pa.array(list(rows), pa.binary()).view(pa.string())


def _quoted(cells: pa.Array, delimiter: str) -> list[str]:
    end = len(f"{delimiter}\n".encode())
    # The second cell keeps a row of one empty cell from being quoted.
    return [row[:-end].decode() for row in encode_rows(([cell, ""] for cell in cells.to_pylist()), delimiter)]


def _escaped(cells: pa.Array, is_text: pa.Array, formulas: Sequence[str]) -> pa.Array:
    formula = pc.and_(is_text, pc.is_in(pc.utf8_slice_codeunits(cells, 0, 1), pa.array(list(formulas), pa.string())))
    return pc.if_else(formula, pc.binary_join_element_wise("'", cells, ""), cells)
