"""What pandas gives is written like what numpy gives; skipped without pandas, which no test requires."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from pydantic import create_model
from schema import Schema

from model_etl.schema.codecs import OutputSchema
from model_etl.schema.columns import Table

pd = pytest.importorskip("pandas")

OLDER = OutputSchema(Schema({"v": object}))
NEWER = OutputSchema(create_model("Output", v=(Any, ...)))
EXACT = "2020-01-01T00:00:00.123456789"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (pd.Timestamp(EXACT), f'"{EXACT}"'),
        (pd.Timestamp("2020-01-01T00:00:00.123456"), '"2020-01-01T00:00:00.123456"'),
        (pd.Timestamp("2020-01-01", tz="Europe/Berlin"), '"2020-01-01T00:00:00+01:00"'),
        (pd.NaT, "null"),
        (pd.NA, "null"),
        (pd.Timedelta(5, "ns"), '"PT0.000000005S"'),
        (pd.Timedelta(1, "D"), '"P1D"'),
        (pd.Series([1, None], dtype="Int64"), "[1,null]"),
        (pd.Series(pd.to_datetime([EXACT, None])), f'["{EXACT}",null]'),
        (pd.Categorical(["a"]), '["a"]'),
    ],
    ids=str,
)
def test_a_value_has_one_form(value: Any, text: str) -> None:
    """For models of both generations."""
    for schema in (OLDER, NEWER):
        assert schema.encode({"v": value}).decode() == f'{{"v":{text}}}'


@pytest.mark.parametrize("value", [pd.Period("2020-01"), pd.DataFrame({"a": [1]})], ids=["period", "frame"])
def test_a_value_without_a_form_names_its_field(value: Any) -> None:
    """It is a reject."""
    for schema in (OLDER, NEWER):
        _, failed = schema.encode_batch([{"v": value}])
        assert "v" in failed[0].message.partition(":")[2]


def test_nanoseconds_are_not_cut_off_by_a_field() -> None:
    """A datetime of pydantic takes a timestamp of microseconds, and refuses a finer one; a column fares alike."""
    schema = OutputSchema(create_model("Output", v=(datetime.datetime | None, ...)))
    column = pd.Series(pd.to_datetime([EXACT, "2020-01-01T00:00:00.000001", None]))
    lines, failed = schema.encode_batch(Table({"v": column}, dict))
    assert list(lines) == [b"", b'{"v":"2020-01-01T00:00:00.000001"}', b'{"v":null}']
    assert list(failed) == [0]
