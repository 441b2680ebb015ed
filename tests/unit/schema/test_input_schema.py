"""Records are decoded as the input schema says, fast or slow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers.schemas import (
    FAST,
    OWN_WAYS,
    Aliased,
    Arbitrary,
    Base,
    Defaults,
    Finite,
    Floats,
    Ints,
    Others,
    Texts,
    Validated,
    batch,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
)

from model_etl.errors import RecordError
from model_etl.records.strict_json import parse_object
from model_etl.schema.codecs import InputSchema
from model_etl.schema.fast_struct import fast_struct_for
from model_etl.schema.fields import Field

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


def test_a_schema_that_json_schema_cannot_describe_still_works():
    """Its records are decoded; the field that it cannot describe may be anything, the others keep their types."""
    schema = InputSchema(Arbitrary)
    assert schema.fields() == {"a": Field("integer"), "hidden": Field("text", nullable=True, required=False)}
    assert schema.decode(b'{"a":1}').a == 1
