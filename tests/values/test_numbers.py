"""Numbers keep their digits from JSON to the model."""

# ruff: noqa: UP007, UP045

from __future__ import annotations

import decimal
from typing import Any, Optional, Union

import pytest
from helpers.parquet_cells import D
from pydantic import BaseModel, Field, create_model, field_validator

from model_etl.errors import RecordError
from model_etl.schema.codecs import InputSchema

LONG = "1.234567890123456789"


class Tree(BaseModel):
    amount: decimal.Decimal
    kids: list[Tree] = Field(default_factory=list)


class Before(BaseModel):
    c: decimal.Decimal

    @field_validator("c", mode="before")
    @classmethod
    def rounded(cls, value: Any) -> Any:
        """Return a float rounded; text, as from CSV, as it is."""
        return round(value, 2) if isinstance(value, float) else value


def read(annotation: Any, text: str) -> Any:
    """Return what a field gets of a JSON text."""
    schema = create_model("Record", c=(annotation, ...))
    return InputSchema(schema, attributes=True).decode(f'{{"c":{text}}}'.encode()).c


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        (decimal.Decimal, LONG, D(LONG)),
        (decimal.Decimal, "1.10", D("1.10")),
        (decimal.Decimal, "1E-30", D("1E-30")),
        (decimal.Decimal, "-0.0", D("-0.0")),
        (decimal.Decimal, "123456789012345678901234567890", D(123456789012345678901234567890)),
        (Optional[decimal.Decimal], LONG, D(LONG)),
        (Union[int, decimal.Decimal], LONG, D(LONG)),
        (Union[str, decimal.Decimal], "1.5", D("1.5")),
        (Union[str, decimal.Decimal], f'"{LONG}"', LONG),
        (list[decimal.Decimal], f"[{LONG},1]", [D(LONG), D(1)]),
        (dict[str, decimal.Decimal], f'{{"x":{LONG}}}', {"x": D(LONG)}),
        (tuple[str, decimal.Decimal], f'["x",{LONG}]', ("x", D(LONG))),
        (Tree, f'{{"amount":1.5,"kids":[{{"amount":{LONG}}}]}}', Tree(amount=D("1.5"), kids=[Tree(amount=D(LONG))])),
        (float, LONG, float(LONG)),
        (int, "9007199254740993", 9007199254740993),
        (int, "9007199254740993.0", 9007199254740993),
        (int, "123456789012345678901234567890", 123456789012345678901234567890),
        (int, "5.0", 5),
    ],
    ids=str,
)
def test_a_number_of_json_keeps_its_digits(annotation: Any, text: str, expected: Any) -> None:
    """A Decimal gets them all, as from CSV, however deep it lies; a float gets the nearest float."""
    value = read(annotation, text)
    assert repr(value) == repr(expected)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (Union[str, decimal.Decimal], LONG),
        (int, "9007199254740993.5"),
        (int, "1e-400"),
        (int, "0.5"),
    ],
    ids=str,
)
def test_a_number_that_would_be_another_is_refused(annotation: Any, text: str) -> None:
    """A fraction is no integer, however close."""
    with pytest.raises(RecordError) as caught:
        read(annotation, text)
    assert caught.value.stage == "input_schema"


def test_a_validator_sees_the_number_that_it_expects() -> None:
    """Before pydantic: a float as in a plain session, unless that would lose digits."""
    codec = InputSchema(Before)
    assert str(codec.decode(b'{"c":1.5}').c) == "1.5"
    assert str(codec.decode(f'{{"c":{LONG}}}'.encode()).c) == LONG
