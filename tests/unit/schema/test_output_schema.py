"""Predictions are checked and written as the output schema says."""

# ruff: noqa: DTZ001

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
from typing import Any

import numpy as np
import pytest
from helpers.schemas import (
    FAST,
    Aliased,
    Anything,
    Base,
    Color,
    Dumped,
    Floats,
    Inner,
    NoNumber,
    Renamed,
    Rich,
    Texts,
    Totals,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    RootModel,
)

from model_etl.records.strict_json import NotJsonError, encode_json
from model_etl.schema.codecs import OutputSchema

VALUES = st.sampled_from(
    [0, 1, -1, 100, 2**63, 2**70, True, False, None, 0.0, -0.0, 0.5, 7.0, 1e300, math.nan, math.inf, -math.inf, "", "x",
     "é", "abc", "abcd", "1", "\ud800", "a\n\u2028b", [], {}, (1,), {1}, b"x", object, Color.RED, decimal.Decimal(1),
     np.float64(0.5), np.float32(0.5), np.int64(7), np.bool_(True), np.str_("x"), np.float64("nan"), np.float32("inf"),
     np.array(0.5), np.array([1.0])]
)  # fmt: skip


def by_the_schema(schema: type[BaseModel], output: Any) -> bytes | None:
    """Give what the schema itself makes of an output, None if it or JSON refuses."""
    plain = {k: v.tolist() if isinstance(v, (np.generic, np.ndarray)) else v for k, v in output.items()}
    try:
        dumped = schema.model_validate(plain).model_dump(mode="json", by_alias=True)
        if any(isinstance(v, float) and not math.isfinite(v) for v in dumped.values()):
            return None
        return encode_json(dumped)
    except ValueError:
        return None


@pytest.mark.parametrize("schema", FAST)
@settings(max_examples=100, deadline=None)
@given(outputs=st.lists(st.dictionaries(st.sampled_from(["a", "b", "c", "d", "c-ç", "more"]), VALUES), max_size=4))
@example(outputs=[{"a": 1, "b": 1, "c": 1}, {"a": 0.5, "b": 0.5}, {"a": math.nan, "b": 0.5}])
@example(outputs=[{"a": 1, "b": "x", "c": "é"}, {"a": True}, {"a": 1, "b": "x", "c-ç": math.inf}])
def test_predictions_are_checked_as_the_schema_would(schema, outputs):
    """Fast or slow, a prediction is refused or written exactly as the schema says, and always as strict JSON."""
    encoder = OutputSchema(schema)
    assert encoder._struct is not None
    lines, failed = encoder.encode_batch(outputs)
    assert len(lines) == len(outputs)
    for index, output in enumerate(outputs):
        expected = by_the_schema(schema, output)
        assert (index in failed) == (expected is None)
        assert lines[index] == (expected or b"")
        if expected is None:
            assert failed[index].stage == "output_schema"
        else:
            json.loads(lines[index], parse_constant=pytest.fail)


NOON = datetime.datetime(2020, 1, 1, 12)
RICH = b'{"when":"2020-01-01T12:00:00","color":"red","share":"0.10","parts":[1],"pair":[1,2.0],"inner":{"a":3}}'


@pytest.mark.parametrize(
    ("schema", "output", "line"),
    [
        (Rich, Rich(when=NOON, inner=Inner(a=3)), RICH),
        (Rich, {"when": NOON, "color": Color.RED, "inner": {"a": np.int64(3)}}, RICH),
        (Rich, {"when": "2020-01-01T12:00", "pair": np.array([1, 2]), "parts": [1], "inner": {"a": 3}}, RICH),
        (Renamed, Renamed(**{"in": 1}), b'{"out":1}'),
        (Renamed, {"in": 1}, b'{"out":1}'),
        (Totals, Totals(a=2), b'{"a":2,"twice":4}'),
        (Totals, {"a": 2}, b'{"a":2,"twice":4}'),
        (Aliased, Aliased(**{"a": 1, "c-ç": 0.5}), '{"a":1,"b":"z","c-ç":0.5}'.encode()),
        (Dumped, Dumped(a=1), b'{"A":1}'),
        (RootModel[dict[str, float]], RootModel[dict[str, float]]({"p": 1}), b'{"p":1.0}'),
        (Floats, Floats(a=1, b=1), b'{"a":1.0,"b":1.0,"c":0.5,"d":null}'),
    ],
)
def test_an_output_is_written_as_its_schema_writes_it(schema, output, line):
    """Instances and mappings, dates, enumerations, decimals, aliases and computed fields."""
    lines, failed = OutputSchema(schema).encode_batch([output])
    assert (list(lines), failed) == ([line], {})
    assert OutputSchema(schema).encode(output) == line


@pytest.mark.parametrize(
    ("schema", "output", "said"),
    [
        (Floats, Floats.model_construct(a="x", b=0.5), "a: Input should be a valid number"),
        (Floats, Floats.model_construct(a=1.0, b=2.0), "b: Input should be less than or equal to 1"),
        (Totals, Totals.model_construct(a=-1), "a: Input should be greater"),
        (Floats, {"b": 0.5}, "a: Field required"),
        (Floats, Floats(a=math.nan, b=0), "a is nan"),
        (NoNumber, {"a": 1}, "b is nan"),
        (Anything, {"a": [{"b": math.inf}]}, r"a\[0\].b is inf"),
        (Anything, {"a": np.array([1.0, math.nan])}, r"a\[1\] is nan"),
        (Anything, {"a": object()}, "serialize"),
        (Texts, {"a": "\ud800", "b": "x"}, ""),
        (Texts, ("x",), "valid dictionary"),
        (Texts, None, "valid dictionary"),
        (Inner, Base(a=1), "valid dictionary or instance of Inner"),
        (RootModel[list[int]], [1], "not a mapping"),
    ],
)
def test_an_output_that_the_schema_or_json_refuses_is_a_reject(schema, output, said):
    """NaN, unknown types, text that is no text, values out of bounds: refused, and the neighbour is kept."""
    lines, failed = OutputSchema(schema).encode_batch([output])
    assert lines == [b""]
    assert failed[0].stage == "output_schema"
    assert re.search(said, failed[0].message)


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_one_bad_output_costs_only_itself():
    """The neighbours of a refused output are written."""
    lines, failed = OutputSchema(Floats).encode_batch([{"a": 1, "b": 1}, {"a": math.inf, "b": 1}, {"a": 2, "b": 0}])
    assert (list(failed), lines[1]) == ([1], b"")
    assert [json.loads(lines[i])["a"] for i in (0, 2)] == [1.0, 2.0]


@pytest.mark.parametrize("value", [{0: 1}, {None: 1}, {False: 1}, {"a": {1}}, math.nan, [math.inf], "\ud800", object()])
def test_what_has_no_json_form_is_refused(value):
    """Names that are no text, NaN, sets and unknown types are never written as something else."""
    with pytest.raises(NotJsonError):
        encode_json(value)


def test_numpy_and_enumerations_are_plain_json():
    """Scalars and arrays of numpy, and enumerations of texts and numbers, are written as their values."""
    value = {np.str_("a"): np.arange(2), "b": np.float32(0.5), "c": np.bool_(False), "d": Color.RED, "e": [np.int8(1)]}
    assert encode_json(value) == b'{"a":[0,1],"b":0.5,"c":false,"d":"red","e":[1]}'
    assert encode_json({"a": 2**70}) == b'{"a":1180591620717411303424}'


def test_a_structure_that_holds_itself_is_refused():
    """It has no end, and ends no run."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises(NotJsonError):
        encode_json(value)
