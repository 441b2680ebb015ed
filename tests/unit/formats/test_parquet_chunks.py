"""Columns that Arrow casts from JSON have the values that their JSON has."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_etl.formats.parquet_chunks import ColumnChunk
from model_etl.formats.parquet_values import CONVERSION_ERRORS, column_of_json
from model_etl.records.json_rows import JsonColumn

NUMBER = st.from_regex(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?([eE][-+]?[0-9]{1,3})?", fullmatch=True)
TEXTS = st.lists(st.one_of(st.just("null"), NUMBER, st.sampled_from(["true", "false", '"1"', "-0"])), min_size=1)


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.bool_(), pa.string(), pa.large_string()], ids=str)
def test_cast_columns_have_the_values_of_their_json(kind: pa.DataType) -> None:
    """Also -0, large integers and numbers beyond the largest float; what is not sure is left to the JSON."""

    @settings(max_examples=200, deadline=None)
    @given(texts=TEXTS)
    @example(texts=["-0", "0.0", "-0.0"])
    @example(texts=["-0"])
    @example(texts=["9007199254740993", "123456789012345678"])
    @example(texts=["1e999"])
    @example(texts=["true", "null", "false"])
    @example(texts=["null"])
    def compare(texts: list[str]) -> None:
        array = ColumnChunk({"x": JsonColumn(texts=pa.array(texts))}).array("x", kind)
        if array is None:
            return
        try:
            expected = column_of_json([None if text == "null" else text.encode() for text in texts], kind)
        except CONVERSION_ERRORS as exc:
            raise AssertionError(f"{texts} has no column of {kind}") from exc
        assert array.equals(expected)
        if kind == pa.float64():
            signs = [[v is not None and math.copysign(1, v) for v in a.to_pylist()] for a in (array, expected)]
            assert signs[0] == signs[1]

    compare()
