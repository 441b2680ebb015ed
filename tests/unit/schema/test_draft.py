"""A drafted schema accepts its sample, and keeps what else was seen apart from the rules."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal

import pytest

from model_etl.schema.draft import draft_schema

NAN = float("nan")
CELLS = [
    (["1", "2", "+3"], {"type": "integer", "x-sample": {"minimum": 1, "maximum": 3}}),
    (["1", "2.5", "1e3"], {"type": "number", "x-sample": {"minimum": 1.0, "maximum": 1000.0}}),
    (["-1", "", "2"], {"type": ["integer", "null"], "x-sample": {"missing": 0.333, "minimum": -1, "maximum": 2}}),
    (["", ""], {"type": ["string", "null"], "x-sample": {"missing": 1.0}}),
    (["true", "False"], {"type": "boolean"}),
    (["007", "110"], {"type": "string", "x-sample": {"longest": 3}}),  # codes, whose zeros are a part of them
    (["0", "10"], {"type": "integer", "x-sample": {"minimum": 0, "maximum": 10}}),
    (["9223372036854775808"], {"type": "string", "x-sample": {"longest": 19}}),
    (["9" * 5000], {"type": "string", "x-sample": {"longest": 5000}}),
    (["1e999", "1"], {"type": "string", "x-sample": {"longest": 5}}),
    (["nan", "1"], {"type": "string", "x-sample": {"longest": 3}}),
    (["1_000", "1"], {"type": "string", "x-sample": {"longest": 5}}),
    (["b", "a", "b", "a"], {"type": "string", "x-sample": {"categories": ["a", "b"]}}),
    (["Ann", "Bo", "Cy"], {"type": "string", "x-sample": {"longest": 3}}),  # names of people stay out of the schema
    (
        ["2024-02-29", "2023-01-01"],
        {"type": "string", "format": "date", "x-sample": {"minimum": "2023-01-01", "maximum": "2024-02-29"}},
    ),
    (["2023-02-29", "2023-01-01"], {"type": "string", "x-sample": {"longest": 10}}),  # not of the calendar
    (["0000-01-01"], {"type": "string", "x-sample": {"longest": 10}}),
    (["29.02.2024"], {"type": "string", "x-sample": {"longest": 10}}),
    (
        ["2024-01-01 10:00", "2024-01-01T10:00:00.5"],
        {
            "type": "string",
            "format": "date-time",
            "x-time-zone": False,
            "x-sample": {"minimum": "2024-01-01 10:00", "maximum": "2024-01-01T10:00:00.5"},
        },
    ),
    (
        ["2024-01-01T10:00:00Z", "2024-01-01T10:00:00+01:00"],
        {
            "type": "string",
            "format": "date-time",
            "x-time-zone": True,
            "x-sample": {"minimum": "2024-01-01T10:00:00+01:00", "maximum": "2024-01-01T10:00:00Z"},
        },
    ),
    (["2024-01-01T10:00:00Z", "2024-01-01T10:00:00"], {"type": "string", "x-sample": {"longest": 20}}),
    (["2024-01-01T24:00:00"], {"type": "string", "x-sample": {"longest": 19}}),
    (
        [*map(str, range(19)), "NA"],
        {"type": "string", "x-sample": {"longest": 2, "not_numbers": ["NA"]}},
    ),
]  # fmt: skip
VALUES = [
    ([1, 2], {"type": "integer", "x-sample": {"minimum": 1, "maximum": 2}}),
    ([1, 2.5], {"type": "number", "x-sample": {"minimum": 1, "maximum": 2.5}}),
    ([1.0, NAN], {"type": ["number", "null"], "x-sample": {"missing": 0.5, "minimum": 1.0, "maximum": 1.0}}),
    ([Decimal("1.5")], {"type": "number", "x-sample": {"minimum": 1.5, "maximum": 1.5}}),
    ([float("inf"), 1.0], {"type": "number", "x-sample": {"minimum": 1.0}}),
    ([True, False], {"type": "boolean"}),
    ([True, 1], {"type": ["boolean", "integer"]}),
    (["1", "2"], {"type": "string", "x-sample": {"longest": 1}}),  # a text of JSON is a text
    (["", ""], {"type": "string", "x-sample": {"categories": [""]}}),
    ([1, "a", None], {"type": ["integer", "string", "null"], "x-sample": {"missing": 0.333}}),
    ([[1, 2], []], {"type": "array", "items": {"type": "integer"}, "x-sample": {"longest": 2}}),
    (
        [{"x": 1}, {}],
        {
            "type": "object",
            "properties": {
                "x": {"type": ["integer", "null"], "x-sample": {"missing": 0.5, "minimum": 1, "maximum": 1}},
            },
            "required": [],
        },
    ),
    (
        [datetime.date(2024, 1, 2)],
        {"type": "string", "format": "date", "x-sample": {"minimum": "2024-01-02", "maximum": "2024-01-02"}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "declared"), CELLS, ids=[str(cells)[:40] for cells, _ in CELLS])
def test_the_type_of_a_column_of_texts(cells, declared) -> None:
    """The cells of a column of CSV get the type that all of them have, and no value is a bound."""
    schema = draft_schema({"x": cells}, texts=True)
    assert schema["properties"]["x"] == declared
    assert schema["required"] == ([] if "missing" in declared.get("x-sample", {}) else ["x"])


@pytest.mark.parametrize(("values", "declared"), VALUES, ids=[str(values)[:40] for values, _ in VALUES])
def test_the_type_of_values(values, declared) -> None:
    """Values of JSON and of frames keep their own types, and the schema is JSON."""
    schema = draft_schema([{"x": value} for value in values])
    assert schema["properties"]["x"] == declared
    json.dumps(schema, allow_nan=False)


def test_a_field_that_a_record_lacks_may_be_missing() -> None:
    """A field that only some records have is not required, whatever the order of the records."""
    schema = draft_schema([{"a": 1}, {"a": 2, "b": 3}])
    assert schema["required"] == ["a"]
    assert schema["properties"]["b"]["type"] == ["integer", "null"]
    assert schema["x-sample"] == {"records": 2}


def test_a_rare_gap_is_not_rounded_away() -> None:
    """A field that one of many records lacks is not required, and its share is above zero."""
    schema = draft_schema({"x": [*range(99_999), None]})
    assert schema["properties"]["x"]["x-sample"]["missing"] == 1e-05
    assert schema["required"] == []


def test_texts_that_mean_missing_can_be_named() -> None:
    """With the texts that stand for no value, a column of numbers is one."""
    schema = draft_schema({"x": ["1", "NA", ""]}, texts=True, null_texts=("", "NA"))
    assert schema["properties"]["x"]["type"] == ["integer", "null"]


@pytest.mark.parametrize(
    ("cells", "declared"),
    [
        (["1,5", "2", "-3e2"], {"type": "string", "x-sample": {"longest": 4}}),  # a run reads no such exponent
        (["1,5", "2"], {"type": "number", "x-sample": {"minimum": 1.5, "maximum": 2.0}}),
        (["1", "2"], {"type": "integer", "x-sample": {"minimum": 1, "maximum": 2}}),
        (["1.500", "2.000"], {"type": "string", "x-sample": {"longest": 5}}),
        (["1,2,3", "01,5"], {"type": "string", "x-sample": {"longest": 5}}),
        ([*["1,5"] * 19, "NA"], {"type": "string", "x-sample": {"categories": ["1,5", "NA"], "not_numbers": ["NA"]}}),
    ],
)
def test_numbers_with_commas(cells, declared) -> None:
    """With a decimal comma, those cells are numbers that a run reads as numbers."""
    assert draft_schema({"x": cells}, texts=True, decimal=",")["properties"]["x"] == declared


def test_values_of_numpy_and_pandas_are_plain_ones() -> None:
    """The columns of a data frame can be a sample."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"i": [1, 2], "f": [1.5, None], "t": pd.to_datetime(["2024-01-01", None]), "s": ["a", None]})
    properties = draft_schema({str(name): list(frame[name]) for name in frame})["properties"]
    assert [declared["type"] for declared in properties.values()] == [
        "integer", ["number", "null"], ["string", "null"], ["string", "null"],
    ]  # fmt: skip
    assert properties["t"]["format"] == "date-time"


@pytest.mark.parametrize("sample", [[], {}, {"x": []}, [{}]])
def test_an_empty_sample_is_refused(sample) -> None:
    """Nothing can be drafted from nothing."""
    with pytest.raises(ValueError, match="the"):
        draft_schema(sample)
