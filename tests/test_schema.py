"""A model's schemas decide what is a record and what is a prediction, however fast they are applied."""

# ruff: noqa: D102, DTZ001, UP045

from __future__ import annotations

import datetime
import decimal
import enum
import json
import math
import re
from typing import Annotated, Any, Generic, Literal, Optional, TypeVar

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StrictInt,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from model_etl.errors import RecordError
from model_etl.records.batch import Batch, Source
from model_etl.records.strict_json import NotJsonError, encode_json, parse_object
from model_etl.schema.codecs import InputSchema, OutputSchema
from model_etl.schema.fast_struct import fast_struct_for


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

ODD = [
    "0", "-0", "1", "-1", "7.0", "0.1", "-0.0", "1E2", "1e400", "-1e400", "1e-400", "5e-324", "1e300", "100", "99", "5",
    "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616",
    "123456789012345678901234567890", "0.1234567890123456789", "1.7976931348623157e308", "1.7976931348623159e308",
    "2.2250738585072011e-308", "true", "false", "null", '"true"', '"1"', '"1.5"', '"nan"', '""', '"x"', '"\\u00e9"',
    '"é"', '"ab"', '"abc"', '"abcd"', '"😀😀😀"', '"\\ud83d\\ude00"', '"\\ud800"', '"a\\u0000b"', '"e\u0301"', "NaN",
    "Infinity", "-Infinity",
    "01", "1.", ".5", "+1", "1e", "-", "tru", "[]", "[1]", "{}", '{"a":1}', "[1,]", '"', '"\\q"', '"\x01"',
]  # fmt: skip
NAMES = ["a", "b", "c", "d", "c-ç", "x", "y", "\\u0061", "more", ""]


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Make a document: mostly an object with the fields of the schemas, sometimes anything but that."""
    values = st.sampled_from(ODD) | st.integers().map(str) | st.floats().map(json.dumps) | st.text().map(json.dumps)
    fields = draw(st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=4))
    most = [("a", draw(values)), ("b", draw(values)), ("c", draw(values))] if draw(st.booleans()) else []
    blank = draw(st.sampled_from(["", " ", "\t", "\r"]))
    text = "{" + ",".join(f'{blank}"{name}"{blank}:{blank}{value}' for name, value in [*most, *fields]) + blank + "}"
    end = draw(st.sampled_from([None, None, None, -1, 3]))
    return (text[:end] + draw(st.sampled_from(["", "", "", " ", "{}", "x", ","]))).encode("utf-8", "surrogatepass")


def seen(record: Any, schema: type[BaseModel]) -> dict[str, tuple[type, str]]:
    """Give the values of a record so that 1, 1.0 and True, and 0.0 and -0.0, are different."""
    return {name: (type(getattr(record, name)), repr(getattr(record, name))) for name in schema.model_fields}


def batch(documents: list[bytes]) -> Batch:
    """Make a batch that was read."""
    count = len(documents)
    return Batch(Source("in", "0" * 32, "ldjson"), range(1, count + 1), range(count), documents, documents)


@pytest.mark.parametrize("schema", FAST)
@settings(max_examples=100, deadline=None)
@given(documents=st.lists(texts(), min_size=1, max_size=4))
@example(documents=[b'{"a":1,"b":1,"c":1}', b'{"a":1.0,"b":0,"c":-1}', b'{"a":true,"b":true}'])
@example(documents=[b'{"a":"x","a":1,"b":1}', b'{"a":1,"a":"x","b":1}', b'{"a":1,"b":1,"b":null,"d":null}'])
@example(documents=[b'{"a":1,"b":1}{"a":1,"b":1}', b'{"a":"e","b":"abc","c":"\\u00e9"}', b"[1]", b'{"a":NaN,"b":1}'])
def test_the_fast_decoder_accepts_only_what_the_schema_accepts(schema, documents):
    """What the fast decoder lets through, the model's own schema accepts with the same values; nothing is lost."""
    fast = InputSchema(schema, attributes=True)
    assert fast._fast is not None
    decoded = fast.decode_batch(batch(documents))
    accepted = dict(zip(decoded.positions, decoded.inputs, strict=True))
    for position, record in accepted.items():
        assert seen(record, schema) == seen(schema.model_validate_json(documents[position - 1]), schema)
    rejected = {r.position for r in decoded.rejected}
    assert sorted([*accepted, *rejected]) == list(range(1, len(documents) + 1))
    slow = InputSchema(schema).decode_batch(batch(documents))
    assert set(slow.positions) <= set(accepted)  # and it refuses none that the schema accepts
    for r in decoded.rejected:
        assert r.stage in ("parse", "input_schema")
        assert r.message


@pytest.mark.parametrize("schema", FAST)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_valid_is_decoded_fast(schema, data):
    """Ordinary records take the fast way: the schema itself is not asked."""
    kinds = {
        Floats: {"a": st.floats(allow_nan=False, allow_infinity=False), "b": st.floats(0, 1)},
        Finite: {"a": st.floats(allow_nan=False, allow_infinity=False), "b": st.none() | st.integers()},
        Ints: {"a": st.integers(), "b": st.integers(0, 99), "d": st.none() | st.integers(max_value=5)},
        Texts: {"a": st.text(), "b": st.text(min_size=1, max_size=3), "c": st.sampled_from(["x", "é", ""])},
        Others: {"a": st.booleans(), "c": st.none() | st.booleans()},
        Aliased: {"a": st.integers(), "b": st.text(), "c-ç": st.floats(-1, 1)},
        Defaults: {"b": st.none() | st.text()},
    }  # fmt: skip
    document = json.dumps(data.draw(st.fixed_dictionaries(kinds[schema]))).encode()
    fast = InputSchema(schema, attributes=True)._fast
    assert fast is not None
    assert seen(fast(document), schema) == seen(schema.model_validate_json(document), schema)


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


@pytest.mark.parametrize("schema", OWN_WAYS)
def test_schemas_with_ways_of_their_own_are_asked_themselves(schema):
    """What has no exact counterpart is decoded by the schema, with its own values and its own refusals."""
    assert fast_struct_for(schema) is None
    decoded = InputSchema(schema, attributes=True).decode_batch(batch([b'{"a":1}', b'{"a":[2]}', b"{}", b'{"a":"1"}']))
    accepted = dict(zip(decoded.positions, decoded.inputs, strict=True))
    for position, document in enumerate(decoded_texts := [b'{"a":1}', b'{"a":[2]}', b"{}", b'{"a":"1"}'], 1):
        try:
            expected = schema.model_validate_json(document)
        except Exception:  # noqa: BLE001  whatever it raises
            assert position not in accepted
        else:
            assert type(accepted[position]) is schema
            assert accepted[position] == expected or "nan" in repr(expected)
    assert len(accepted) + len(decoded.rejected) == len(decoded_texts)


def test_a_reject_says_which_field_and_not_its_value():
    """The reason names the field as it is in the record, and repeats nothing of what may be private."""
    with pytest.raises(RecordError) as caught:
        InputSchema(Aliased).decode(b'{"a":"secret","c-\xc3\xa7":1}')
    assert caught.value.stage == "input_schema"
    assert caught.value.message.startswith("a: Input should be a valid integer")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (b'{"a":NaN}', "InvalidJSON"),
        (b'{"a":1} x', "InvalidJSON"),
        (b'{"a":1}{"a":2}', "InvalidJSON"),
        (b'{"a":"\\ud800"}', "InvalidJSON"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "InvalidJSON"),
        (b"[1]", "NotAnObject"),
        (b"null", "NotAnObject"),
        (b'"x"', "NotAnObject"),
        (b"1", "NotAnObject"),
        (b"", "InvalidJSON"),
    ],
)
@pytest.mark.parametrize("schema", [Base, Validated])
def test_what_is_no_object_is_a_parse_reject(document, kind, schema):
    """A record must be one strict JSON object, whatever the schema would make of it."""
    decoded = InputSchema(schema, attributes=True).decode_batch(batch([b'{"a":1}', document, b'{"a":3}']))
    assert list(decoded.positions) == [1, 3]
    assert [(r.position, r.stage, r.type_name, r.text) for r in decoded.rejected] == [(2, "parse", kind, document)]
    assert decoded.rejected[0].document is None


@settings(max_examples=100, deadline=None)
@given(st.integers(), st.integers(0, 30))
def test_whole_numbers_of_any_size_are_exact(number, zeros):
    """Big integers reach a model digit by digit, with and without a schema."""
    number *= 10**zeros
    assert parse_object(b'{"a":%d}' % number) == {"a": number}
    assert InputSchema(Base, attributes=True).decode_batch(batch([b'{"a":%d}' % number])).inputs[0].a == number


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


class Arbitrary(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    a: int
    hidden: np.ndarray | None = None


def test_a_schema_that_json_schema_cannot_describe_still_works():
    """Its records are decoded; what the fields are stays unknown."""
    schema = InputSchema(Arbitrary)
    assert schema.fields() == {}
    assert schema.decode(b'{"a":1}').a == 1
