"""Parquet files in and out."""

# ruff: noqa: DTZ001

from __future__ import annotations

import datetime
import decimal
import io
import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import Etl
from helpers.reading import SCORE, batches, predicted, records, written
from hypothesis import given, settings
from hypothesis import strategies as st

from model_etl.errors import ConfigurationError, DataError
from model_etl.formats.output_layout import Layout
from model_etl.schema.fields import Field

JOIN = Layout(SCORE, {}, join=True)
DAY = datetime.datetime(2020, 2, 29, 13, 14, 15, 678901)


def parquet(table: pa.Table) -> bytes:
    """Give a table as a file."""
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def joined(table: pa.Table) -> pa.Table:
    """Read a table and write it with a prediction."""
    return pq.read_table(io.BytesIO(written("parquet", batches("parquet", parquet(table)), JOIN)))


STRUCT = pa.struct([("a", pa.binary()), ("b", pa.int64()), ("t", pa.timestamp("us")), ("f", pa.float64())])
COLUMNS = [
    pa.array([1, -(2**63), 2**63 - 1, None]),
    pa.array([0, 2**64 - 1, None], pa.uint64()),
    pa.array([1, None], pa.int8()),
    pa.array([0.1, 5e-324, -0.0, None]),
    pa.array([0.1, None], pa.float32()),
    pa.array([True, False, None]),
    pa.array(["007", "", "null", 'é\n"\\', "😀", None]),
    pa.array(["x", None], pa.large_string()),
    pa.array(["a", "b", "a", None]).dictionary_encode(),
    pa.array([b"\x00\xff", b"", None]),
    pa.array([b"\x00\xff", None], pa.large_binary()),
    pa.array([b"\x00\xff", None], pa.binary(2)),
    pa.array([decimal.Decimal("1.10"), decimal.Decimal("-12345678901234567890.12"), None], pa.decimal128(30, 2)),
    pa.array([decimal.Decimal("1E-10"), decimal.Decimal(0), None], pa.decimal128(20, 10)),
    pa.array([decimal.Decimal(5), None], pa.decimal256(60, 0)),
    pa.array([DAY, None], pa.timestamp("us")),
    pa.array([1582982055678901234, None], pa.timestamp("ns")),
    pa.array([DAY, None], pa.timestamp("us", "UTC")),
    pa.array([datetime.date(2020, 2, 29), None]),
    pa.array([datetime.time(13, 14, 15, 678901), None]),
    pa.array([datetime.time(13, 14, 15), None], pa.time32("ms")),
    pa.array([12345678901234, None], pa.time64("ns")),
    pa.array([datetime.timedelta(days=1, microseconds=5), datetime.timedelta(-1), None], pa.duration("us")),
    pa.array([[1, None], [], None]),
    pa.array([[decimal.Decimal("1.12345678901234567890"), None]], pa.list_(pa.decimal128(30, 20))),
    pa.array([[DAY.date()], None], pa.list_(pa.date32())),
    pa.array([{"a": b"\xff", "b": None, "t": DAY, "f": 2.0}, {"a": None, "b": 2**63 - 1}, None], STRUCT),
    pa.array([[("k", b"\x01")], [], None], pa.map_(pa.string(), pa.binary())),
    pa.array([None, None], pa.null()),
]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: str(c.type)[:40])
def test_columns_keep_their_types_and_values(column):
    """--join from Parquet to Parquet gives every column back as it was: type, digits, nulls."""
    table = pa.table({"column": column})
    out = joined(table)
    assert out.schema.field("column").type == table.schema.field("column").type
    assert out.column("column").equals(table.column("column"))
    assert out.column("score").to_pylist() == [0.5] * len(column)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            st.none() | st.text(),
            st.none() | st.binary(max_size=5),
            st.none() | st.decimals(-(10**9), 10**9, places=4),
            st.none() | st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_rows_come_back_as_they_were(rows):
    """Any row of any values survives the way through the chain."""
    types = [pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.decimal128(20, 4), pa.timestamp("us")]
    columns = {f"c{i}": pa.array(c, types[i]) for i, c in enumerate(zip(*rows, strict=True))}
    table = pa.table(columns)
    assert joined(table).drop_columns(["score"]).equals(table)


def test_numbers_that_json_cannot_hold_are_text():
    """NaN and infinity have a text, also deep inside, and cost no record."""
    rows = [{"f": 1.0}, {"f": math.nan}, {"f": None}, {"s": {"x": [math.inf, -math.inf], "b": b"\xff"}}]
    kind = pa.schema([("f", pa.float64()), ("s", pa.struct([("x", pa.list_(pa.float64())), ("b", pa.binary())]))])
    read = records("parquet", parquet(pa.Table.from_pylist(rows, kind)))
    assert [r.offset for r in read] == [0, 1, 2, 3]
    assert [json.loads(r.document or b"") for r in read] == [
        {"f": 1.0, "s": None},
        {"f": "NaN", "s": None},
        {"f": None, "s": None},
        {"f": None, "s": {"x": ["Infinity", "-Infinity"], "b": "/w=="}},
    ]


@pytest.mark.parametrize("damage", ["footer", "page", "cut", "text", "short"])
def test_a_damaged_file_is_named(damage):
    """Bytes that were lost or changed end the run as an unusable input, wherever they are."""
    data = parquet(pa.table({"c": list(range(20_000))}))
    half = len(data) // 2
    data = {
        "footer": data[:-100] + b"\xff" * 80 + data[-20:],
        "page": data[:10] + b"\xff" * 50 + data[60:half] + b"\xff" * 50 + data[half + 50 :],
        "cut": data[:half],
        "text": b'{"a":1}\n' * 10,
        "short": b"PAR1",
    }[damage]
    with pytest.raises(DataError, match=r"cannot read the file as (?i:parquet)"):
        records("parquet", data)


def test_an_empty_table_and_an_empty_file_have_no_records():
    """No rows are no error."""
    assert records("parquet", b"") == []
    assert records("parquet", parquet(pa.table({"a": pa.array([], pa.int64())}))) == []


def test_predictions_have_the_models_types():
    """The columns are those of the output schema, also when there are no rows."""
    for lines in ([b'{"p":1}', b'{"p":null}', b"{}"], []):
        table = pq.read_table(io.BytesIO(predicted("parquet", lines, ["p"], "number")))
        assert table.schema.field("p").type == pa.float64()
        assert table.column("p").to_pylist() == [1.0, None, None][: len(lines)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["true"], "number"),
        (["true"], "integer"),
        (['"007"'], "integer"),
        (['"1.5"'], "number"),
        (["9007199254740993"], "number"),
        (["1.5"], "integer"),
        (["1"], "boolean"),
        (["1"], "text"),
        (["1", '"x"'], None),
        (["true", "1"], None),
        (["123456789012345678901"], None),
        (['[1, "x"]'], None),
        (["1.5", "true"], "number"),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_refused(values, kind):
    """A value is never made another to fit a column: the error names the column and the records."""
    fields = {"a": Field(kind)} if kind else {}
    found = batches("ldjson", b"".join(b'{"a":%b}\n' % v.encode() for v in values))
    with pytest.raises(ConfigurationError, match=f"column 'a' of the records 1 to {len(values)}") as caught:
        written("parquet", found, Layout(SCORE, fields, join=True))
    assert "JSON Lines" in caught.value.remedy


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ('{"x":1}', '{"x":1,"y":2}'),
        ('{"x":1}', "[1]"),
        ("[1]", "[1.5]"),
        ("[1]", "[true]"),
        ("[1]", '{"x":1}'),
        ("[0.5]", '["1"]'),
        ("[0.5]", "[true]"),
        ("[0.5]", "[9007199254740993]"),
        ('["x"]', "[1]"),
    ],
)
def test_a_nested_value_of_another_kind_is_refused(monkeypatch, first, later):
    """Later values that do not fit the type of the first ones are an error, never a loss or another value."""
    monkeypatch.setattr("model_etl.formats.parquet_writer.ROW_GROUP_RECORDS", 1)
    found = [*batches("ldjson", f'{{"a":{first}}}'.encode()), *batches("ldjson", f'{{"a":{later}}}'.encode())]
    with pytest.raises(ConfigurationError, match="cannot write the column 'a' of the records 1 to 1"):
        written("parquet", found, JOIN)


def test_json_lines_become_columns():
    """Types are the schema's or those of the values; an absent field is null."""
    found = batches("ldjson", b'{"id":"007","n":1,"t":[1,2]}\n{"id":"8","t":null}\n')
    table = pq.read_table(io.BytesIO(written("parquet", found, Layout(SCORE, {"n": Field("integer")}, join=True))))
    assert table.to_pylist() == [
        {"id": "007", "n": 1, "t": [1, 2], "score": 0.5},
        {"id": "8", "n": None, "t": None, "score": 0.5},
    ]


def test_a_csv_becomes_parquet(etl: Etl) -> None:
    """An optional cell that is empty in the first row is a column all the same."""
    etl.write("in.csv", "id,amount,count\n007,1.5,\n8,2,3\n")
    done = etl("run", "--model", "format_models:Scorer", "-i", "in.csv", "-o", "out.parquet", "--join")
    assert (done.code, done.err) == (0, "")
    assert pq.read_table(etl.folder / "out.parquet").to_pylist() == [
        {"id": "007", "amount": 1.5, "count": None, "score": 1.5},
        {"id": "8", "amount": 2.0, "count": 3, "score": 2.0},
    ]


def test_parquet_from_a_pipe_is_refused(etl: Etl) -> None:
    """Its end has to be read first; the error says to name the file."""
    data = parquet(pa.table({"id": ["a"], "amount": [1.0]}))
    done = etl("run", "--model", "format_models:Scorer", "--input_format", "parquet", "-i", "-", "-o", "-", stdin=data)
    assert (done.code, done.out) == (2, b"")
    assert "Give the name of the file" in done.err


def test_a_damaged_parquet_file_is_exit_65(etl: Etl) -> None:
    """Damage inside a page is an unusable input, not a failing disk."""
    data = bytearray(parquet(pa.table({"id": ["a"] * 5000, "amount": [float(i) for i in range(5000)]})))
    data[100:2000] = b"\xff" * 1900
    etl.write("in.parquet", bytes(data))
    done = etl("run", "--model", "format_models:Scorer", "-i", "in.parquet", "-o", "out.json")
    assert (done.code, "cannot read in.parquet as Parquet" in done.err) == (65, True)
    assert "out.json" not in etl.files()
