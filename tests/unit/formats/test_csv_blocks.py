"""A block of CSV that Arrow reads gives exactly the records that Python's csv module gives row by row."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from model_etl.formats import csv_blocks
from model_etl.formats.csv_blocks import CellColumns
from model_etl.formats.csv_tsv import CSV, TSV, Delimited
from model_etl.records.batch import Source
from model_etl.schema.codecs import InputSchema


class Row(BaseModel):
    """A field of each type of cell, required and optional."""

    required: float
    optional: float | None = None
    nullable: int | None
    flag: bool = False
    text: str
    note: str | None = None
    size: Literal["S", "L"] | None


NAMES = ["required", "optional", "nullable", "flag", "text", "note", "size", "unknown", 'odd "name"']
FIELDS = InputSchema(Row).fields()
CELLS = [
    *("", "1", "-1.5e-3", "007", "+5", "5.", ".5", " 5", "5 ", "1e999", "NaN", "NULL", "N/A", "null", "0x1F", "1_000"),
    *(
        "true",
        "false",
        "True",
        "x",
        "é",
        "a b",
        "a\\b",
        "a\tb",
        "\x01",
        "\x7f",
        "\u2028",
        "😀",
        "\ufeff",
        "'",
        "-",
        "--",
    ),
    *('""', '"a"', '"a,b"', '"a\tb"', '"a""b"', '"a\nb"', '"a\r\nb"', '""""', '"1"', '" "', '"\n"', '"\ufeff"'),
]
ODD = ['"', 'a"b', '"a"b', "\r", "\0", '"a']


def read(form: Delimited, data: bytes, **settings: Any) -> list[Any]:
    """Give all that a file holds, or the error that ends it."""
    records: list[Any] = []
    try:
        for batch in form.read(io.BytesIO(data), Source("in", "0" * 32, form.name, **settings), FIELDS):
            rows = zip(batch.positions, batch.offsets, batch.texts, batch.documents, strict=True)
            records += [*rows, *((r.position, r.offset, r.text, r.message) for r in batch.rejected)]
    except Exception as exc:  # noqa: BLE001
        return [str(exc)]
    return sorted(records, key=lambda record: record[0])


def rows_of(cells: list[str], odd: list[str]) -> st.SearchStrategy[list[list[str]]]:
    """Give rows, most of them with a cell for each column."""
    cell = st.sampled_from([*cells * 9, *odd])
    width = len(NAMES)
    whole = st.lists(cell, min_size=width, max_size=width)
    return st.lists(st.one_of(*[whole] * 20, st.lists(cell, max_size=width + 1)), min_size=1, max_size=12)


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], list[bool]]:
    """Turn the conversion of blocks on or off; give which blocks were converted."""
    done: list[bool] = []
    convert = csv_blocks.convert_block

    def switch(on: bool) -> list[bool]:
        done.clear()

        def counted(*arguments: Any, **options: Any) -> Any:
            result = convert(*arguments, **options)
            done.append(result is not None)
            return result

        monkeypatch.setattr(csv_blocks, "SMALLEST_BLOCK", 0 if on else 1 << 60)
        monkeypatch.setattr("model_etl.formats.csv_tsv.convert_block", counted)
        return done

    return switch


@pytest.mark.parametrize("form", [CSV, TSV], ids=["csv", "tsv"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CR LF"])
@pytest.mark.parametrize("odd", [[], ODD], ids=["regular", "odd"])
def test_blocks_and_rows_give_the_same_records(
    converted: Callable[[bool], list[bool]], form: Delimited, end: str, odd: list[str]
) -> None:
    """Positions, offsets, texts, documents and rejects are the same, for every kind of cell and row."""

    @settings(max_examples=150, deadline=None)
    @given(rows=rows_of(CELLS, odd))
    @example(rows=[["1"] * len(NAMES), ["\ufeff1", *["2"] * (len(NAMES) - 1)]])
    @example(rows=[[""] * len(NAMES)])
    def compare(rows: list[list[str]]) -> None:
        header = form.delimiter.join('"' + name.replace('"', '""') + '"' for name in NAMES)
        data = (end.join([header, *map(form.delimiter.join, rows)]) + end).encode()
        converted(False)
        expected = read(form, data)
        converted(True)
        assert read(form, data) == expected

    compare()


def test_quotes_and_empty_cells_do_not_slow_a_block_down(converted: Callable[[bool], list[bool]]) -> None:
    """Regular rows are converted at once."""
    done = converted(True)
    rows = b'1.5,,,true,"a, b",,S,"say ""hi""",\n' * 50
    assert len(read(CSV, ",".join(NAMES[:-1]).encode() + b",last\n" + rows)) == 50
    assert done == [True]


@settings(max_examples=60, deadline=None)
@given(rows=rows_of(CELLS, []))
def test_a_kept_column_is_that_of_the_documents(rows: list[list[str]]) -> None:
    """Its JSON is the same bytes, and null where the document lacks the field."""
    columns = CellColumns(NAMES, FIELDS, ",", quotes=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "SMALLEST_BLOCK", 0)
        block = csv_blocks.convert_block("\n".join(map(",".join, rows)).encode(), columns)
    if block is None:
        return
    members = [msgspec.json.decode(document, type=dict[str, msgspec.Raw]) for document in block.documents]
    for name in [*NAMES, "no such column"]:
        expected = [bytes(found.get(name, b"null")).decode() for found in members]
        assert block.documents.json_column(name).texts.to_pylist() == expected


DAMAGED = [
    *(b"", b" ", b"\t", b"\r", b"1,2", b",".join([b"1"] * 10), b"\xef\xbb\xbf1" + b",1" * 8, b"\xff" + b",1" * 8),
    *(b"1,\0" + b",1" * 7, b"1,\r" + b",1" * 7, b'a"b"' + b",1" * 8, b'"a"b' + b",1" * 8, b'"' + b",1" * 8),
    *(b'"a\nb"' + b",1" * 8, b'"a\r\n\nb\n"' + b",1" * 8, b'1,"\n', b'2",1', b"x" * 300 + b",1" * 8),
    *(
        b'"a ""b"" ",' + b",1" * 7,
        b'""' + b",1" * 8,
        b"1" + b",1" * 8 + b"\r",
        "é,".encode() * 8,
        b'1,"\xff\n"' + b",1" * 7,
    ),
]
"""Rows that need a closer look, and lines that may be parts of them."""


@pytest.mark.parametrize("form", [CSV, TSV], ids=["csv", "tsv"])
@pytest.mark.parametrize("size", [100, 1 << 20])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CR LF"])
def test_damaged_rows_change_nothing_about_their_neighbours(
    converted: Callable[[bool], list[bool]], monkeypatch: pytest.MonkeyPatch, form: Delimited, size: int, end: bytes
) -> None:
    """The same records, rejects and errors come from rows that are read one by one, in blocks of every size."""
    monkeypatch.setattr("model_etl.formats.line_blocks.BATCH_BYTES", 4 * size)
    plain = [b"1.5,,3,true,a,b,S,,", b'1,2,3,true,"a, b","say ""hi""",L,,x', ",,,,é,,,,".encode()]
    header = form.delimiter.join(NAMES[:-1]).encode() + form.delimiter.encode() + b"last"

    @settings(max_examples=10, deadline=None)
    @given(rows=st.lists(st.one_of(*[st.sampled_from(plain)] * 4, st.sampled_from(DAMAGED)), min_size=1, max_size=30))
    def compare(rows: list[bytes]) -> None:
        rows = rows if form is CSV else [row.replace(b",", b"\t") for row in rows]
        data = end.join([header, *rows]) + end
        for most in (250, 1 << 20):
            converted(False)
            expected = read(form, data, max_record_size=most, in_columns=True)
            converted(True)
            assert read(form, data, max_record_size=most, in_columns=True) == expected

    compare()


def test_a_few_damaged_rows_leave_the_others_in_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the damaged rows are read one by one."""
    monkeypatch.setattr(Delimited, "_row_batches", None)
    rows = [b"1.5,,3,true,a,b,S,,"] * 2000
    rows[10:1210:100] = DAMAGED[:12]
    rows[12] = b'"a\nb"' + b",1" * 8
    data = b"\n".join([",".join(NAMES[:-1]).encode() + b",last", *rows, b""])
    [batch] = CSV.read(io.BytesIO(data), Source("in", "0" * 32, "csv", scale=9, in_columns=True), FIELDS)
    assert isinstance(batch.documents, csv_blocks.CellDocuments)
