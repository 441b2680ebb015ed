"""The fields of a model are found one by one, under every name that a record may have for them."""

# ruff: noqa: UP045

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, GetJsonSchemaHandler, RootModel, model_validator
from pydantic import Field as PydanticField
from schema import Optional as OptionalKey
from schema import Schema

from model_etl.schema.codecs import InputSchema
from model_etl.schema.fields import Field, fields_of

NUMBER = Field("number", nullable=True, required=False)
ANYTHING = Field("text", required=False)


class Plain(BaseModel):
    a: Optional[float] = None


class Unknown:
    """A class of which no library knows anything."""


class Raising(str):
    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Return the core schema of text."""
        return handler(str)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> Any:
        """Raise what no library expects."""
        raise RuntimeError("not today")


class WithUnknown(Plain):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    odd: Optional[Unknown] = None


class WithDefault(Plain):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    odd: Any = Unknown()


class WithCallable(Plain):
    odd: Optional[Callable[[], int]] = None


class WithRaising(Plain):
    odd: Raising = Raising("x")


class Inner(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    unknown: Optional[Unknown] = None


class WithNested(Plain):
    odd: Optional[Inner] = None


@pytest.mark.parametrize("schema", [WithUnknown, WithDefault, WithCallable, WithRaising, WithNested])
def test_a_field_that_json_schema_cannot_describe_leaves_the_others_typed(schema: type[BaseModel]) -> None:
    """The cells of the other fields are still numbers, and an empty cell is still null."""
    fields = InputSchema(schema).fields()
    assert fields["a"] == NUMBER
    assert list(fields) == ["a", "odd"]


def test_an_older_schema_is_described_field_by_field_too() -> None:
    """A member whose description fails does not cost the types of the others."""

    class Failing(Schema):  # type: ignore[misc]
        def json_schema(self, *args: Any, **options: Any) -> Any:
            if "odd" in map(str, self.schema):
                raise RuntimeError("not today")
            return super().json_schema(*args, **options)

    fields = InputSchema(Failing({"a": float, OptionalKey("b"): bool, "odd": object})).fields()
    assert fields == {"a": Field("number"), "b": Field("boolean", required=False), "odd": ANYTHING}


class Renamed(BaseModel):
    by_alias: Optional[float] = PydanticField(None, alias="A")
    by_choice: Optional[float] = PydanticField(None, validation_alias=AliasChoices("b", "B", AliasPath("c", 0)))
    by_path: Optional[float] = PydanticField(None, validation_alias=AliasPath("d", 1))


class Populated(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    a: Optional[float] = PydanticField(None, alias="A")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (Renamed, {"A": NUMBER, "b": NUMBER, "B": NUMBER, "c": "json", "d": "json"}),
        (Populated, {"A": NUMBER, "a": NUMBER}),
    ],
)
def test_a_field_has_its_type_under_each_of_its_names(schema: type[BaseModel], expected: dict[str, Any]) -> None:
    """An alias is read like the name itself; the attribute's name only if records may have it."""
    fields = InputSchema(schema).fields()
    found = {name: field.type if field.type == "json" else field for name, field in fields.items()}
    assert found == expected


class Open(Plain):
    model_config = ConfigDict(extra="allow")


class Closed(Plain):
    model_config = ConfigDict(extra="forbid")


class Before(Plain):
    @model_validator(mode="before")
    @classmethod
    def lower(cls, data: Any) -> Any:
        """Return the record with other names."""
        return {name.lower(): value for name, value in data.items()}


class After(Plain):
    @model_validator(mode="after")
    def same(self) -> After:
        """Return the record as it is."""
        return self


class OwnInit(Plain):
    def __init__(self, **data: Any) -> None:
        super().__init__(a=data.get("A"))


class Recursive(Plain):
    kid: Optional[Recursive] = None


class Root(RootModel[dict[str, float]]):
    pass


@pytest.mark.parametrize(
    ("schema", "others"),
    [
        (Plain, "ignored"),
        (After, "ignored"),
        (Recursive, "ignored"),
        (Closed, "refused"),
        (Open, "read"),
        (Before, "read"),
        (OwnInit, "read"),
        (Root, "read"),
        (Schema({"a": float}), "refused"),
        (Schema({"a": float}, ignore_extra_keys=True), "read"),
        (Schema({str: float}), "read"),
        (Schema(lambda record: True), "read"),
    ],
)
def test_a_model_that_may_read_other_fields_is_known(schema: Any, others: str) -> None:
    """A record without a declared field makes sense only for a model that reads fields which it does not declare."""
    assert InputSchema(schema).fields().others == others


def test_fields_of_a_json_schema() -> None:
    """Types come from the JSON Schema alone where there is no class."""
    assert fields_of({"properties": {"a": {"type": ["number", "null"]}}}) == {"a": NUMBER}
