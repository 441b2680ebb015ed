"""Rows of Parquet that cannot be read or published: rejected, and again when they are tried again."""

# ruff: noqa: DTZ001

from __future__ import annotations

import datetime
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import Etl
from helpers.parquet_cells import parquet
from pydantic import create_model

from model_etl.errors import RecordError
from model_etl.formats import FORMATS
from model_etl.records.batch import Batch, Source
from model_etl.schema.codecs import InputSchema

NOON = datetime.datetime(9999, 12, 31, 12)


def read(data: bytes, fields: Any, *published: str) -> list[Batch]:
    """Read a file, of which some columns are published."""
    source = Source("in.parquet", "0" * 32, "parquet", published=published)
    return list(FORMATS["parquet"].read(io.BytesIO(data), source, fields))


@pytest.mark.parametrize(
    ("column", "annotation"),
    [
        (pa.array([b"\xff"], pa.binary()), str),
        (pa.array([b"\xff"], pa.binary()), bytes),
        (pa.array([[b"\xff"]], pa.list_(pa.binary())), list[str]),
        (pa.array([1], pa.timestamp("ns")), datetime.datetime),
        (pa.array([[1]], pa.list_(pa.timestamp("ns"))), list[datetime.datetime]),
        (pa.array([1], pa.time64("ns")), datetime.time),
        (pa.array([1], pa.duration("ns")), datetime.timedelta),
        (pa.array([2**63 - 1], pa.timestamp("us")), datetime.datetime),
        (pa.array([2**31 - 1], pa.date32()), datetime.date),
    ],
    ids=str,
)
def test_a_reject_that_is_tried_again_is_a_reject_again(column: pa.Array, annotation: Any) -> None:
    """Its text is JSON, from which the model gets no other value than from the file."""
    codec = InputSchema(create_model("Record", c=(annotation, ...)))
    (batch,) = read(parquet(pa.table({"c": column})), codec.fields())
    (reject,) = batch.rejected
    with pytest.raises(RecordError):
        codec.decode(FORMATS["parquet"].document(reject.text, b"", codec.fields()))


def test_int96_is_read_in_microseconds() -> None:
    """Years that nanoseconds do not reach are exact; a part of a microsecond is a reject with all digits."""
    table = pa.table({"t": pa.array([NOON, None], pa.timestamp("us"))})
    data = parquet(table, use_deprecated_int96_timestamps=True)
    (batch,) = read(data, {}, "t")
    assert list(batch.documents) == [b'{"t":"9999-12-31 12:00:00.000000"}', b'{"t":null}']
    finer = pa.table({"t": pa.array([1_582_982_055_678_901_234, 1000, -1], pa.timestamp("ns")), "u": [1, 2, 3]})
    data = parquet(finer, use_deprecated_int96_timestamps=True)
    (batch,) = read(data, {}, "t")
    assert [r.text for r in batch.rejected] == [
        b'{"t":"2020-02-29 13:14:15.678901234","u":1}',
        b'{"t":"1969-12-31 23:59:59.999999999","u":3}',
    ]
    assert list(batch.documents) == [b'{"t":"1970-01-01 00:00:00.000001","u":2}']
    (batch,) = read(data, {}, "u")
    assert (len(batch), batch.rejected) == (3, ())


def test_int96_in_a_list_is_not_cut_off() -> None:
    """A part of a microsecond is a reject there, too."""
    column = pa.array([[5000, None], [5001]], pa.list_(pa.timestamp("ns")))
    (batch,) = read(parquet(pa.table({"t": column}), use_deprecated_int96_timestamps=True), {}, "t")
    assert list(batch.documents) == [b'{"t":["1970-01-01 00:00:00.000005",null]}']
    assert [r.text for r in batch.rejected] == [b'{"t":["1970-01-01 00:00:00.000005001"]}']


def test_text_that_is_not_utf8_costs_only_those_who_need_it() -> None:
    """In a column of text, as a writer with another encoding leaves it."""
    text = pa.Array.from_buffers(pa.string(), 2, pa.array([b"caf\xe9", b"tea"], pa.binary()).buffers())
    data = parquet(pa.table({"a": [1, 2], "c": text}))
    (batch,) = read(data, {})
    assert list(batch.documents) == [b'{"a":1,"c":{"base64":"Y2Fm6Q=="}}', b'{"a":2,"c":"tea"}']
    (batch,) = read(data, {}, "c")
    assert ([r.message for r in batch.rejected], len(batch)) == (["c has bytes that are not UTF-8 text"], 1)


def test_an_infinite_date_through_the_command(etl: Etl) -> None:
    """Unread it costs nothing; kept in text it is a reject that says so; kept in Parquet it is the same number."""
    moments = pa.array([0, 2**63 - 1], pa.timestamp("us"))
    etl.write("in.parquet", parquet(pa.table({"id": ["a", "b"], "amount": [1.0, 2.0], "until": moments})))

    def run(*arguments: str) -> Any:
        return etl("run", "-m", "format_models:Scorer", "-i", "in.parquet", *arguments)

    done = run("-o", "unread.json")
    assert (done.code, done.err) == (0, "")
    assert etl.lines("unread.log.ldjson")[2]["data"]["input"]["until"] == "+294247-01-10 04:00:54.775807"
    done = run("-o", "kept.csv", "--keep", "until")
    assert done.code == 65
    assert "record 2 of in.parquet, parse: NotText: until has a date outside of the years 1 to 9999" in done.err
    again = ("retry", "-m", "format_models:Scorer", "kept.rejects.ldjson", "-o", "again.json")
    assert etl(*again, "--keep", "until").code == 65
    assert etl(*again).code == 0
    done = run("-o", "kept.parquet", "--join")
    assert (done.code, done.err) == (0, "")
    assert pq.read_table(etl.folder / "kept.parquet").column("until").cast(pa.int64()).to_pylist() == [0, 2**63 - 1]


def test_a_failure_of_the_writer_is_one_message(etl: Etl) -> None:
    """Exit 78 with the column, and nothing of pyarrow's own when its file is closed."""
    for number, column in enumerate([pa.array([1]), pa.array([1.5])]):
        (etl.folder / "in").mkdir(exist_ok=True)
        etl.write(f"in/{number}.parquet", parquet(pa.table({"id": ["a"], "amount": [1.0], "k": column})))
    done = etl("run", "-m", "format_models:Scorer", "-i", "in", "-o", "out.parquet", "--keep", "k")
    assert done.code == 78
    assert len(done.err.splitlines()) == 2
    assert done.err.startswith("model-etl: error: cannot write the column 'k'")


def test_a_column_that_later_files_lack_is_null(etl: Etl) -> None:
    """Also if the first file says that it has no nulls, at any depth."""
    (etl.folder / "in").mkdir()
    inner = pa.struct([pa.field("x", pa.int64(), nullable=False)])
    schema = pa.schema([("id", pa.string()), ("amount", pa.float64()), pa.field("k", inner, nullable=False)])
    etl.write("in/1.parquet", parquet(pa.table({"id": ["a"], "amount": [1.0], "k": [{"x": 1}]}, schema=schema)))
    etl.write("in/2.parquet", parquet(pa.table({"id": ["b"], "amount": [2.0]})))
    done = etl("run", "-m", "format_models:Scorer", "-i", "in", "-o", "out.parquet", "--keep", "k")
    assert (done.code, done.err) == (0, "")
    assert pq.read_table(etl.folder / "out.parquet").column("k").to_pylist() == [{"x": 1}, None]


def test_an_object_without_members_is_refused(etl: Etl) -> None:
    """Parquet has no type for it: exit 78 that names the column."""
    etl.write("in.json", b'{"id":"a","amount":1,"meta":{}}\n')
    done = etl("run", "-m", "format_models:Scorer", "-i", "in.json", "-o", "out.parquet", "--keep", "meta")
    assert done.code == 78
    assert "cannot choose a type for the column 'meta'" in done.err
