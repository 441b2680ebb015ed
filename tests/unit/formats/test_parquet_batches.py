"""Batches of Parquet are cut by the bytes of their values, and hold the same values as whole ones."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.parquet_cells import READS_MISSING_FIXED_SIZE_LISTS
from helpers.reading import batches

from model_etl.formats import parquet_batches

LONG = "x" * 20_000
ROWS = 900
TEXTS = pa.array([None, LONG, "b"] * (ROWS // 3))
LISTS = [None, [], [None, LONG]] * (ROWS // 3)
COLUMNS = {
    "string": TEXTS,
    "large_string": TEXTS.cast(pa.large_string()),
    "string_view": TEXTS.cast(pa.string_view()),
    "binary": TEXTS.cast(pa.binary()),
    "binary_view": TEXTS.cast(pa.binary()).cast(pa.binary_view()),
    "dictionary": TEXTS.dictionary_encode(),
    "list": pa.array(LISTS, pa.list_(pa.string())),
    "large_list": pa.array(LISTS, pa.large_list(pa.large_string())),
    "list_view": pa.array(LISTS, pa.list_view(pa.string())),
    "list of dictionary": pa.array(LISTS, pa.list_(pa.dictionary(pa.int32(), pa.string()))),
    "fixed_size_list": pa.array([None, [None, LONG], ["a", LONG]] * (ROWS // 3), pa.list_(pa.string(), 2)),
    "map": pa.array([None, [], [("k", LONG)]] * (ROWS // 3), pa.map_(pa.string(), pa.string())),
    "struct": pa.array([None, {"a": None}, {"a": LONG}] * (ROWS // 3), pa.struct([("a", pa.large_string())])),
    "list of list": pa.array([None, [[LONG], []], [[None, LONG]]] * (ROWS // 3), pa.list_(pa.list_(pa.string()))),
    "list of struct": pa.array(
        [None, [{"a": LONG, "b": 1}], [{"a": None, "b": None}]] * (ROWS // 3),
        pa.list_(pa.struct([("a", pa.string()), ("b", pa.int32())])),
    ),
}
if not READS_MISSING_FIXED_SIZE_LISTS:
    del COLUMNS["fixed_size_list"]


@pytest.mark.parametrize("kind", COLUMNS)
def test_rows_are_the_same_in_batches_of_any_size(kind, monkeypatch):
    """No batch has much more than its bytes, whatever type has the texts, and no row changes."""
    file = io.BytesIO()
    pq.write_table(pa.table({"n": range(ROWS), "a": COLUMNS[kind]}), file)
    monkeypatch.setattr(parquet_batches, "READ_BYTES", 1 << 40)
    (whole,) = batches("parquet", file.getvalue())
    monkeypatch.setattr(parquet_batches, "READ_BYTES", 1 << 20)
    found = batches("parquet", file.getvalue())
    assert [d for batch in found for d in batch.documents] == list(whole.documents)
    assert [p for batch in found for p in batch.positions] == list(range(1, ROWS + 1))
    assert max(sum(map(len, batch.documents)) for batch in found) < 1.5 * (1 << 20)  # base64 is a third longer
