"""Each kind of field reads each type of Parquet: the exact value, or a reject that says why."""

# ruff: noqa: UP007, UP045

from __future__ import annotations

import datetime
import decimal
import enum
import io
import math
import uuid
from typing import Annotated, Any, Literal, Optional, Union

import pyarrow as pa
import pytest
from helpers.parquet_cells import D, parquet
from pydantic import BaseModel, ConfigDict, Field, create_model

from model_etl.formats import FORMATS
from model_etl.records.batch import Source
from model_etl.schema.codecs import InputSchema

Date, DateTime, Time, Delta = datetime.date, datetime.datetime, datetime.time, datetime.timedelta
UTC = datetime.timezone.utc


class Color(enum.Enum):
    RED = "red"


class Inner(BaseModel):
    amount: decimal.Decimal
    raw: bytes = b""
    name: str = ""


class Coded(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64")
    raw: bytes
    name: str


LONG = D("1.234567890123456789")
DECIMAL = pa.decimal128(38, 18)
INNER = pa.struct([("amount", DECIMAL), ("raw", pa.binary()), ("name", pa.binary())])
CODED = pa.struct([("raw", pa.binary()), ("name", pa.binary())])
us, ns = pa.timestamp("us"), pa.timestamp("ns")

READ: list[tuple[pa.DataType, Any, Any, Any]] = [
    (pa.int8(), -128, int, -128),
    (pa.uint64(), 2**64 - 1, int, 2**64 - 1),
    (pa.int64(), 2**53 + 1, decimal.Decimal, D(2**53 + 1)),
    (pa.int64(), 1, bool, True),
    (pa.int64(), 3, float, 3.0),
    (pa.float16(), 0.5, float, 0.5),
    (pa.float32(), 0.1, float, 0.10000000149011612),
    (pa.float64(), math.inf, float, math.inf),
    (pa.float64(), 0.1, decimal.Decimal, D("0.1")),
    (pa.float64(), 2.0, int, 2),
    (DECIMAL, LONG, decimal.Decimal, LONG),
    (DECIMAL, LONG, Optional[decimal.Decimal], LONG),
    (DECIMAL, LONG, Union[int, decimal.Decimal], LONG),
    (DECIMAL, LONG, float, float(LONG)),
    (pa.decimal128(20, 2), D("9007199254740993.00"), int, 9007199254740993),
    (pa.decimal256(76, 0), D(10**76 - 1), decimal.Decimal, D(10**76 - 1)),
    (pa.list_(DECIMAL), [LONG, None], list[Optional[decimal.Decimal]], [LONG, None]),
    (INNER, {"amount": LONG, "raw": b"r", "name": b"n"}, Inner, Inner(amount=LONG, raw=b"r", name="n")),
    (pa.string(), "red", Color, Color.RED),
    (pa.large_string(), "red", Literal["red"], "red"),
    (pa.string_view(), "red", str, "red"),
    (pa.dictionary(pa.int8(), pa.string()), "red", str, "red"),
    (pa.dictionary(pa.int32(), pa.binary()), b"red", str, "red"),
    (pa.binary(), b"red", str, "red"),
    (pa.binary(), b"red", bytes, b"red"),
    (pa.binary(), b"red", Color, Color.RED),
    (pa.binary(), b"2024-01-01", Date, Date(2024, 1, 1)),
    (pa.large_binary(), b"\xc3\xa9", str, "é"),
    (pa.binary_view(), b"red", str, "red"),
    (pa.binary(3), b"red", Union[int, str], "red"),
    (pa.list_(pa.binary()), [b"red"], list[str], ["red"]),
    (pa.map_(pa.string(), DECIMAL), [("k", LONG)], dict[str, decimal.Decimal], {"k": LONG}),
    (CODED, {"raw": b"\xff\xfb", "name": b"n"}, Coded, Coded.model_construct(raw=b"\xff\xfb", name="n")),
    (pa.date32(), -719_162, Date, Date(1, 1, 1)),
    (pa.date32(), 2_932_896, Date, Date(9999, 12, 31)),
    (pa.date32(), 0, DateTime, DateTime(1970, 1, 1)),
    (pa.date32(), 0, str, "1970-01-01"),
    (pa.time64("us"), 1, Time, Time(0, 0, 0, 1)),
    (pa.time64("ns"), 1000, Time, Time(0, 0, 0, 1)),
    (us, 253_402_300_799_999_999, DateTime, DateTime(9999, 12, 31, 23, 59, 59, 999999)),
    (us, -1, DateTime, DateTime(1969, 12, 31, 23, 59, 59, 999999)),
    (ns, 1000, DateTime, DateTime(1970, 1, 1, 0, 0, 0, 1)),
    (ns, 1, str, "1970-01-01 00:00:00.000000001"),
    (pa.timestamp("us", "Europe/Berlin"), 0, DateTime, DateTime(1970, 1, 1, tzinfo=UTC)),
    (pa.list_(us), [0], list[DateTime], [DateTime(1970, 1, 1)]),
    (pa.duration("us"), -1, Delta, Delta(microseconds=-1)),
    (pa.duration("ns"), 1000, Delta, Delta(microseconds=1)),
    (pa.duration("s"), 90_061, Optional[Delta], Delta(seconds=90_061)),
]
REFUSED: list[tuple[pa.DataType, Any, Any, str]] = [
    (pa.int64(), 2, bool, "valid boolean"),
    (pa.int64(), 1, str, "valid string"),
    (pa.float64(), 0.5, int, "valid integer"),
    (pa.float64(), math.nan, int, "valid integer"),
    (pa.float64(), math.nan, decimal.Decimal, "finite number"),
    (DECIMAL, LONG, Union[str, decimal.Decimal], "more digits than a float"),
    (pa.decimal128(20, 2), D("9007199254740993.50"), int, "valid integer"),
    (pa.binary(), b"\xff", str, "not UTF-8"),
    (pa.binary(), b"\xff", bytes, "not UTF-8"),
    (pa.list_(pa.binary()), [b"\xff"], list[str], "not UTF-8"),
    (pa.date32(), 2**31 - 1, Date, "outside of the years"),
    (us, 2**63 - 1, DateTime, "infinity"),
    (us, 2**63 - 1, str, "infinity"),
    (pa.list_(us), [2**63 - 1], list[DateTime], "infinity"),
    (us, 1, Date, "zero time"),
    (ns, 1, DateTime, "part of a microsecond"),
    (ns, 1, Date, "part of a microsecond"),
    (pa.list_(ns), [1], list[Date], "part of a microsecond"),
    (ns, 1, Optional[DateTime], "part of a microsecond"),
    (pa.list_(ns), [1], list[DateTime], "part of a microsecond"),
    (pa.time64("ns"), 1, Time, "part of a microsecond"),
    (pa.duration("ns"), 1, Delta, "part of a microsecond"),
    (pa.duration("s"), 2**63 - 1, Delta, "duration"),
    (pa.list_(pa.int64()), [1], str, "valid string"),
    (pa.map_(pa.string(), pa.int64()), [("k", 1), ("k", 2)], dict[str, int], "object"),
    (pa.map_(pa.int64(), pa.int64()), [(1, 1)], dict[str, int], "object"),
]


def decoded(column: pa.Array, annotation: Any, way: dict[str, bool]) -> tuple[list[Any], list[str]]:
    """Read a column as the field of a model; return the values and the reasons of rejects."""
    schema = create_model("Record", c=(annotation, ...))
    codec = InputSchema(schema, **way)
    source = Source("in.parquet", "0" * 32, "parquet")
    values: list[Any] = []
    reasons: list[str] = []
    for batch in FORMATS["parquet"].read(io.BytesIO(parquet(pa.table({"c": column}))), source, codec.fields()):
        result = codec.decode_batch(batch)
        values += [record.c for record in result.inputs]
        reasons += [reject.message for reject in result.rejected]
    return values, reasons


WAYS = [{}, {"attributes": True}, {"attributes": True, "columns": True}]
"""For a model with predict, predict_batch and predict_columns."""


@pytest.mark.parametrize(("kind", "value", "annotation", "expected"), READ, ids=str)
def test_a_field_gets_the_exact_value(kind: pa.DataType, value: Any, annotation: Any, expected: Any) -> None:
    """However the model is called, and of the right type."""
    for way in WAYS:
        values, reasons = decoded(pa.array([value], kind), annotation, way)
        assert reasons == []
        assert values == [expected]
        own = values[0].item() if hasattr(values[0], "dtype") else values[0]
        assert type(own) is type(expected)


@pytest.mark.parametrize(("kind", "value", "annotation", "reason"), REFUSED, ids=str)
def test_a_field_that_cannot_hold_the_value_rejects_the_record(
    kind: pa.DataType, value: Any, annotation: Any, reason: str
) -> None:
    """It never gets another value, and the reject says why and can be tried again."""
    for way in WAYS:
        values, reasons = decoded(pa.array([value], kind), annotation, way)
        assert values == []
        assert len(reasons) == 1
        assert reason in reasons[0]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()], ids=str)
def test_nan_is_for_the_schema_to_decide(kind: pa.DataType, way: dict[str, bool]) -> None:
    """A plain float takes it, as from CSV; one with allow_inf_nan=False or a bound does not."""
    column = pa.array([1.0, math.nan, -math.inf], kind)
    values, reasons = decoded(column, float, way)
    assert (str([float(v) for v in values]), reasons) == ("[1.0, nan, -inf]", [])
    for strict in (Annotated[float, Field(allow_inf_nan=False)], Annotated[float, Field(ge=-5, le=5)]):
        values, reasons = decoded(column, strict, way)
        assert (values, len(reasons)) == ([1.0], 2)


def test_a_uuid_is_read() -> None:
    """Of the logical type UUID, as one."""
    if not hasattr(pa, "uuid"):
        pytest.skip("this pyarrow has no UUID type")
    known = uuid.UUID(int=5)
    column = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([known.bytes], pa.binary(16)))
    assert decoded(column, uuid.UUID, {}) == ([known], [])
