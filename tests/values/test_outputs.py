"""What a model returns is written exactly, in its documented form, or rejected with the name of the field."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, create_model
from schema import Schema

from model_etl.schema.codecs import OutputSchema
from model_etl.schema.columns import Table

DateTime, Delta = datetime.datetime, datetime.timedelta
EXACT = 1_577_934_245_123_456_789


class Level(enum.Enum):
    LOW = 1


def older(value: Any) -> str:
    """Return the JSON of a value that a model of the older generation returned."""
    return OutputSchema(Schema({"v": object})).encode({"v": value}).decode()


def newer(value: Any, annotation: Any = Any) -> str:
    """Return the JSON of a value in a field of pydantic."""
    schema = create_model("Output", v=(annotation, ...))
    return OutputSchema(schema).encode({"v": value}).decode()


FORMS: list[tuple[Any, str]] = [
    (np.datetime64(5, "Y"), '"1975-01-01"'),
    (np.datetime64(5, "M"), '"1970-06-01"'),
    (np.datetime64(5, "W"), '"1970-02-05"'),
    (np.datetime64(5, "D"), '"1970-01-06"'),
    (np.datetime64(5, "h"), '"1970-01-01T05:00:00"'),
    (np.datetime64(5, "m"), '"1970-01-01T00:05:00"'),
    (np.datetime64(5, "s"), '"1970-01-01T00:00:05"'),
    (np.datetime64(5, "ms"), '"1970-01-01T00:00:00.005000"'),
    (np.datetime64(5, "us"), '"1970-01-01T00:00:00.000005"'),
    (np.datetime64(5000, "ns"), '"1970-01-01T00:00:00.000005"'),
    (np.datetime64(EXACT, "ns"), '"2020-01-02T03:04:05.123456789"'),
    (np.datetime64(5, "ps"), '"1970-01-01T00:00:00.000000000005"'),
    (np.datetime64(2**63 - 1, "s"), '"+292277026596-12-04T15:30:07"'),
    (np.datetime64("NaT", "ns"), "null"),
    (np.timedelta64("NaT", "s"), "null"),
    (np.timedelta64(2, "W"), '"P14D"'),
    (np.timedelta64(5, "s"), '"PT5S"'),
    (np.timedelta64(-5, "ms"), '"-PT0.005S"'),
    (np.timedelta64(1500, "ns"), '"PT0.0000015S"'),
    (np.timedelta64(2**60, "D"), '"P1152921504606846976D"'),
    (np.array([EXACT, 0], "M8[ns]"), '["2020-01-02T03:04:05.123456789","1970-01-01T00:00:00"]'),
    (np.array([[1, 2]]), "[[1,2]]"),
    (np.array([np.datetime64(1, "ns"), None], object), '["1970-01-01T00:00:00.000000001",null]'),
    (np.float16(0.1), "0.0999755859375"),
    (np.float32(0.1), "0.10000000149011612"),
    (np.longdouble(0.5), "0.5"),
    (np.int64(2**62 + 1), str(2**62 + 1)),
    (np.uint64(2**64 - 1), str(2**64 - 1)),
    (np.bool_(True), "true"),
    (np.str_("x"), '"x"'),
    (2**70, str(2**70)),
    (decimal.Decimal("1.10"), '"1.10"'),
    (Level.LOW, "1"),
    (uuid.UUID(int=5), '"00000000-0000-0000-0000-000000000005"'),
    (datetime.date(1, 1, 1), '"0001-01-01"'),
    (DateTime(9999, 12, 31, tzinfo=datetime.timezone.utc), '"9999-12-31T00:00:00Z"'),
    (datetime.time(1, 2, 3, 4), '"01:02:03.000004"'),
    ({3, 1, 2}, "[1,2,3]"),
]


@pytest.mark.parametrize(("value", "text"), FORMS, ids=lambda v: repr(v)[:50])
def test_a_value_has_one_form(value: Any, text: str) -> None:
    """For models of both generations."""
    assert older(value) == f'{{"v":{text}}}'
    assert newer(value) == f'{{"v":{text}}}'


REFUSED = [
    np.timedelta64(5, "M"),
    np.int64(5).view("m8"),  # without a unit
    np.longdouble(1) / 3,
    np.array([1.0, np.nan]),
    np.float32("inf"),
    1j,
    range(3),
    datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone(Delta(seconds=1172))),
]


@pytest.mark.parametrize("value", REFUSED, ids=lambda v: repr(v)[:20])
def test_a_value_without_a_form_is_rejected(value: Any) -> None:
    """The message names the field."""
    schemas = [Schema({"v": object}), create_model("Output", v=(Any, ...))]
    if isinstance(value, (complex, datetime.datetime)):
        del schemas[isinstance(value, complex)]  # pydantic has a text for complex numbers, ISO 8601 one for any offset
    for schema in schemas:
        lines, failed = OutputSchema(schema).encode_batch([{"v": value}])
        assert list(lines) == [b""]
        assert "v" in failed[0].message.partition(":")[2]


@pytest.mark.parametrize(
    ("value", "annotation", "text"),
    [
        (np.datetime64(5000, "ns"), DateTime, '"1970-01-01T00:00:00.000005"'),
        (np.datetime64(5, "D"), datetime.date, '"1970-01-06"'),
        (np.datetime64("NaT", "s"), DateTime | None, "null"),
        (np.timedelta64(5, "s"), Delta, '"PT5S"'),
        (np.timedelta64(5000, "ns"), Delta, '"PT0.000005S"'),
        (b"red", bytes, '"red"'),
        (np.bytes_(b"red"), bytes, '"red"'),
        (decimal.Decimal("1.10"), decimal.Decimal, '"1.10"'),
        (np.float32(0.1), float, "0.10000000149011612"),
    ],
    ids=str,
)
def test_a_field_of_pydantic_writes_its_own_form(value: Any, annotation: Any, text: str) -> None:
    """Numpy's values are taken for Python's."""
    assert newer(value, annotation) == f'{{"v":{text}}}'


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (np.datetime64(5, "ns"), DateTime),
        (np.timedelta64(5, "ns"), Delta),
        (np.datetime64("NaT", "s"), DateTime),
        (np.datetime64(5, "ns"), int),
        (b"\xff", bytes),
    ],
    ids=str,
)
def test_a_field_that_cannot_hold_it_rejects_the_output(value: Any, annotation: Any) -> None:
    """Nanoseconds are not cut off, and never an integer; bytes that are no text name their field."""
    schema: type[BaseModel] = create_model("Output", v=(annotation, ...))
    lines, failed = OutputSchema(schema).encode_batch([{"v": value}])
    assert list(lines) == [b""]
    assert "v: " in failed[0].message


def test_columns_are_written_like_records() -> None:
    """An array of predict_columns has the values of predict_batch, times included."""
    schema = create_model("Output", v=(Any, ...))
    for column in (np.array([EXACT, 0], "M8[ns]"), np.array([1, 2], "m8[ns]"), np.array([0.1, 0.2], "f4")):
        lines, failed = OutputSchema(schema).encode_batch(Table({"v": column}, dict))
        assert failed == {}
        assert [line.decode() for line in lines] == [newer(value) for value in column]
