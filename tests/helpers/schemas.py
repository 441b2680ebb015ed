"""Schemas whose records are decoded fast, schemas with ways of their own, and a batch of documents."""

# ruff: noqa: D102, UP045

# ruff: noqa: D102, UP045

from __future__ import annotations

import datetime
import decimal
import enum
import math
from typing import Annotated, Any, Generic, Literal, Optional, TypeVar

import numpy as np
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from model_etl.records.batch import Batch, Source


class Floats(BaseModel):
    a: float
    b: float = Field(ge=0, le=1)
    c: float = Field(0.5, gt=-1.5, lt=1e300)
    d: Optional[Annotated[float, Field(ge=-1)]] = None


class Finite(BaseModel):
    a: float = Field(allow_inf_nan=False)
    b: Optional[float]


class Ints(BaseModel):
    a: int
    b: int = Field(ge=0, lt=100)
    c: Annotated[int, Field(gt=-(2**63), le=2**63 - 1)] = 7
    d: Optional[Annotated[int, Field(le=5)]] = None


class Texts(BaseModel):
    a: str
    b: str = Field(min_length=1, max_length=3)
    c: Literal["x", "é", ""] = "x"
    d: Optional[Annotated[str, Field(min_length=2)]] = None


class Others(BaseModel):
    a: bool
    b: bool = False
    c: Optional[bool] = None
    d: Optional[Literal["x"]] = None


class Aliased(BaseModel):
    x: int = Field(alias="a")
    y: str = Field("z", alias="b")
    z: float = Field(alias="c-ç")


class Defaults(BaseModel):
    a: float = 3
    b: Optional[str] = None
    c: bool = True
    d: int = 2**40


FAST = [Floats, Finite, Ints, Texts, Others, Aliased, Defaults]


def batch(documents: list[bytes]) -> Batch:
    """Make a batch that was read."""
    count = len(documents)
    return Batch(Source("in", "0" * 32, "ldjson"), range(1, count + 1), range(count), documents, documents)


T = TypeVar("T")


class Color(str, enum.Enum):
    RED = "red"


class Inner(BaseModel):
    a: int


class Base(BaseModel):
    a: int


class Validated(Base):
    @field_validator("a")
    @classmethod
    def check(cls, value: int) -> int:
        return value + 1


class Whole(Base):
    @model_validator(mode="after")
    def check(self) -> Whole:
        return self


class Before(Base):
    @model_validator(mode="before")
    @classmethod
    def check(cls, value: Any) -> Any:
        return value


class Strict(Base):
    model_config = ConfigDict(strict=True)


class Stripped(Base):
    model_config = ConfigDict(str_strip_whitespace=True)


class Forbidding(Base):
    model_config = ConfigDict(extra="forbid")


class Allowing(Base):
    model_config = ConfigDict(extra="allow")


class Populated(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    b: int = Field(alias="a")


class Computed(Base):
    @computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        return 2 * self.a


class Custom(Base):
    def __init__(self, **data: Any) -> None:
        super().__init__(**{**data, "a": data["a"] + 1})


class PostInit(Base):
    def model_post_init(self, context: Any) -> None:
        self.a += 1


class Serialized(Base):
    @field_serializer("a")
    def write(self, value: int) -> str:
        return str(value)


class Dumped(Base):
    @model_serializer
    def write(self) -> dict[str, Any]:
        return {"A": self.a}


class Boxed(BaseModel, Generic[T]):
    a: T


class Pattern(BaseModel):
    a: Annotated[str, Field(pattern="^1$", coerce_numbers_to_str=True)]


class Multiple(BaseModel):
    a: int = Field(multiple_of=1)


class StrictField(BaseModel):
    a: StrictInt


class After(BaseModel):
    a: Annotated[int, AfterValidator(lambda v: v)]


class Factory(Base):
    b: list[int] = Field(default_factory=list)


class Nested(Base):
    b: Optional[Inner] = None


class Union(BaseModel):
    a: int | str


class Choices(BaseModel):
    b: int = Field(validation_alias=AliasChoices("a", "b"))


class IntLiteral(BaseModel):
    a: Literal[1]


class Whenever(Base):
    b: Optional[datetime.datetime] = None


class Colored(Base):
    b: Color = Color.RED


class Anything(BaseModel):
    a: Any


class TwoBounds(BaseModel):
    a: int = Field(ge=0, gt=-1)


class Beyond(BaseModel):
    a: int = Field(le=2**63)


class AtTheEnd(BaseModel):
    a: int = Field(lt=-(2**63) + 2**64, gt=-(2**63))


class NoNumber(BaseModel):
    a: int
    b: float = math.nan


class Excluded(Base):
    b: int = Field(1, exclude=True)


OWN_WAYS = [
    Validated, Whole, Before, Strict, Stripped, Forbidding, Allowing, Populated, Computed, Custom, PostInit,
    Serialized, Dumped, Boxed[int], Pattern, Multiple, StrictField, After, Factory, Nested, Union, Choices, IntLiteral,
    Whenever, Colored, Anything, TwoBounds, Beyond, AtTheEnd, NoNumber, Excluded,
]  # fmt: skip


class Rich(BaseModel):
    when: datetime.datetime
    color: Color = Color.RED
    share: decimal.Decimal = decimal.Decimal("0.10")
    parts: set[int] = {1}
    pair: tuple[int, float] = (1, 2.0)
    inner: Optional[Inner] = None


class Renamed(BaseModel):
    a: int = Field(validation_alias="in", serialization_alias="out")
    b: int = Field(2, exclude=True)


class Totals(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int = Field(ge=0)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        return 2 * self.a


class Arbitrary(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    a: int
    hidden: np.ndarray | None = None
