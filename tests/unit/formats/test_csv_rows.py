"""Rows of CSV have the same bytes on every version of Python."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from model_etl.formats.csv_rows import encode_rows

CELLS = st.text(st.sampled_from('\0"\r\n,;\t aä\U0001f600'), max_size=4)


def test_nul_is_a_character_like_others() -> None:
    """A text with NUL is neither quoted nor an error."""
    assert encode_rows([["a\0", '"\0,']], ",") == [b'a\0,"""\0,"\n']


@given(st.lists(st.lists(CELLS, min_size=2, max_size=3)), st.sampled_from(",;\t"))
def test_rows_are_those_of_the_csv_module(table: list[list[str]], delimiter: str) -> None:
    """Whatever a cell has, the row is read as it was written."""
    lines = encode_rows(table, delimiter)
    assert len(lines) == len(table)
    text = b"".join(lines).decode().replace("\0", "0")
    read = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    assert read == [[cell.replace("\0", "0") for cell in row] for row in table]
