"""Each type of Parquet, unread, kept and joined, into each output format."""

from __future__ import annotations

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.parquet_cells import CELLS, UUID, Cell, parquet, same
from helpers.reading import SCORE

from model_etl.formats import NAMED_FORMATS
from model_etl.formats.output_layout import Layout
from model_etl.formats.parquet_values import column_of_json
from model_etl.records.batch import Batch, Source

KEEP = Layout(SCORE, {}, keep=("c",))


def read(cell: Cell, *, published: tuple[str, ...] = (), any_year: bool = False) -> list[Batch]:
    """Read a file with the cell and a null after it."""
    source = Source("in.parquet", "0" * 32, "parquet", published=published, any_year=any_year)
    data = parquet(pa.table({"a": [0.5, 0.5], "c": cell.array()}))
    return list(NAMED_FORMATS["parquet"].read(io.BytesIO(data), source, {}))


def written(form: str, found: list[Batch]) -> bytes:
    """Write batches with a score, and keep the column."""
    file = io.BytesIO()
    writer = NAMED_FORMATS[form].writer(file, KEEP)
    for batch in found:
        writer.write(batch.replace(outputs=[b'{"score":0.5}'] * len(batch)))
    writer.finish()
    return file.getvalue()


@pytest.mark.parametrize("cell", CELLS, ids=lambda c: c.label)
def test_a_column_that_nobody_reads_costs_no_record(cell: Cell) -> None:
    """Its value is in the document, in its one form, for the log and the rejects; nothing is rejected."""
    (batch,) = read(cell)
    assert batch.rejected == ()
    assert list(batch.documents) == [f'{{"a":0.5,"c":{cell.json}}}'.encode(), b'{"a":0.5,"c":null}']


@pytest.mark.parametrize("cell", CELLS, ids=lambda c: c.label)
def test_a_kept_column_is_exact_in_parquet(cell: Cell) -> None:
    """Type and value are those of the input, whatever text can hold."""
    out = pq.read_table(io.BytesIO(written("parquet", read(cell, published=("c",), any_year=True))))
    original = pq.read_table(io.BytesIO(parquet(pa.table({"c": cell.array()})))).column("c")
    assert same(out.column("c"), original)


@pytest.mark.parametrize("cell", CELLS, ids=lambda c: c.label)
def test_a_kept_column_is_exact_in_text_or_a_reject(cell: Cell) -> None:
    """JSON has the documented form, and CSV and TSV the same; what has none is rejected with the reason."""
    found = read(cell, published=("c",))
    if cell.problem:
        (batch,) = found
        assert (len(batch), [r.position for r in batch.rejected]) == (1, [1])
        assert batch.rejected[0].message.startswith(f"c has {cell.problem}")
        assert json.loads(batch.rejected[0].text)["a"] == 0.5
        return
    assert written("ldjson", found).splitlines()[0] == f'{{"c":{cell.json},"score":0.5}}'.encode()
    assert json.loads(written("json", found)) == [json.loads(line) for line in written("ldjson", found).splitlines()]
    text = "" if cell.json == "null" else json.loads(cell.json) if cell.json.startswith('"') else cell.json
    for form, delimiter in (("csv", ","), ("quoted_tsv", "\t")):
        rows = csv.reader(io.StringIO(written(form, found).decode(), newline=""), delimiter=delimiter)
        assert list(rows)[1] == [text, "0.5"]


@pytest.mark.parametrize("cell", CELLS, ids=lambda c: c.label)
def test_the_documented_text_is_read_back(cell: Cell) -> None:
    """From the form in a document, a column of the type gets the same value again."""
    column = column_of_json([cell.json.encode() if cell.json != "null" else None, None], cell.type)
    assert same(column, cell.array())


@pytest.mark.skipif(not hasattr(pa, "uuid"), reason="this pyarrow has no UUID type")
def test_a_uuid_is_exact_inside_of_others() -> None:
    """In a struct and in a list."""
    known = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([UUID, None], pa.binary(16)))
    text = '"00010203-0405-0607-0809-0a0b0c0d0e0f"'
    for column, document in (
        (pa.StructArray.from_arrays([known], names=["u"]), f'{{"u":{text}}}'),
        (pa.ListArray.from_arrays(pa.array([0, 2], pa.int32()), known), f"[{text},null]"),
    ):
        assert column_of_json([document.encode()], column.type).to_pylist() == column.to_pylist()[:1]


def test_a_sliced_nested_column_keeps_its_rows_apart() -> None:
    """Rows of later batches have their own values: lists, maps and structs with nulls between them."""
    rows = [None if i % 3 == 0 else [i, None] * (i % 4) for i in range(20_000)]
    maps = [None if i % 5 == 0 else [(str(i), i)] * (i % 2) for i in range(20_000)]
    table = pa.table(
        {
            "l": pa.array(rows, pa.list_(pa.int64())),
            "m": pa.array(maps, pa.map_(pa.string(), pa.int64())),
            "s": pa.array([None if r is None else {"x": r} for r in rows], pa.struct([("x", pa.list_(pa.int64()))])),
        }
    )
    source = Source("in.parquet", "0" * 32, "parquet")
    found = NAMED_FORMATS["parquet"].read(io.BytesIO(parquet(table)), source, {})
    documents = [json.loads(document) for batch in found for document in batch.documents]
    assert [d["l"] for d in documents] == rows
    assert [d["m"] for d in documents] == [None if m is None else [list(pair) for pair in m] for m in maps]
    assert [d["s"] for d in documents] == [None if r is None else {"x": r} for r in rows]
