"""What a JSON Schema says is what is checked; what is drafted from a sample describes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from helpers.command import Etl
from pydantic import ValidationError

from model_etl.artefacts.draft import SchemaDraft
from model_etl.artefacts.fields import schema_class
from model_etl.artefacts.schema_file import read_schema_file
from model_etl.errors import ConfigurationError


def schema_of(path: Path, properties: Any, required: Any = None, **more: Any) -> Any:
    """Return the pydantic class of a schema."""
    required = list(properties) if required is None else required
    path.write_text(json.dumps({"type": "object", "properties": properties, "required": required, **more}))
    schema = read_schema_file(str(path))
    return schema_class("Input", schema.fields, closed=schema.closed)


@pytest.mark.parametrize(
    ("declaration", "good", "bad"),
    [
        ({"type": "number"}, [1, 1.5, -2e300], ["x", None, [1]]),
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 5}, [0, 4.9], [-0.1, 5]),
        ({"type": "integer", "maximum": 3}, [3, -4], [4, 1.5]),
        ({"type": ["integer", "null"], "multipleOf": 5}, [None, 10], [11]),
        ({"type": "boolean"}, [True, False], [None, 3]),
        ({"type": "string", "minLength": 1, "maxLength": 3}, ["a", "abc"], ["", "abcd", 1]),
        ({"type": "string", "pattern": "^a+$"}, ["aa"], ["b"]),
        ({"type": "string", "enum": ["a", "b"]}, ["a"], ["c", None]),
        ({"enum": ["a", None]}, ["a", None], ["b"]),
        ({"const": 3}, [3], [4]),
        ({"type": "string", "format": "date"}, ["2020-02-29"], ["2021-02-29", "x"]),
        ({"type": "string", "format": "date-time"}, ["2020-02-29T10:00:00Z"], ["2020-02-29T10:00:00"]),
        ({"type": "string", "format": "date-time-local"}, ["2020-02-29T10:00:00"], ["2020-02-29T10:00:00Z"]),
        ({"type": ["number", "integer", "null"], "description": "d", "x-missing": 0.5}, [1, None], ["a"]),
    ],
)
def test_each_keyword_is_checked(declaration: Any, good: Any, bad: Any, tmp_path: Path) -> None:
    """A value that the schema refuses is refused, and no other."""
    schema = schema_of(tmp_path / "s.json", {"odd name (x)": declaration})
    for value in good:
        assert schema.model_validate_json(json.dumps({"odd name (x)": value}))
    for value in bad:
        with pytest.raises(ValidationError, match=r"odd name \(x\)"):
            schema.model_validate_json(json.dumps({"odd name (x)": value}))


def test_names_that_python_does_not_have(tmp_path: Path) -> None:
    """Any name is a name of a field: with spaces, of methods, of keywords, empty."""
    names = ["", "a b", "class", "copy", "model_dump", "_x", "json", "ä", "field_0_", "a"]
    schema = schema_of(tmp_path / "s.json", {name: {"type": "integer"} for name in names})
    record = {name: number for number, name in enumerate(names)}
    assert schema.model_validate(record).model_dump(by_alias=True) == record


def test_required_default_and_closed(tmp_path: Path) -> None:
    """A field that may lack has its default or null; other fields are refused only if the schema says so."""
    properties = {"a": {"type": "integer"}, "b": {"type": ["string", "null"]}, "c": {"type": "integer", "default": 3}}
    schema = schema_of(tmp_path / "s.json", properties, ["a"])
    assert schema.model_validate({"a": 1, "z": 1}).model_dump() == {"a": 1, "b": None, "c": 3}
    closed = schema_of(tmp_path / "s.json", properties, ["a"], additionalProperties=False)
    with pytest.raises(ValidationError, match="Extra inputs"):
        closed.model_validate({"a": 1, "z": 1})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "is not the JSON Schema of an object"),
        ('{"properties": {}}', "it has no properties"),
        ('{"type": "array", "properties": {"a": {"type": "number"}}}', "does not describe objects"),
        ('{"properties": {"a": {"type": "number"}}, "required": ["b"]}', "requires 'b', which its properties lack"),
        ('{"properties": {"a": {"type": "number"}}, "required": "a"}', "is not a list of names"),
        ('{"properties": {"a": {"type": "number"}}, "oneOf": []}', "the keyword 'oneOf', which cannot be checked"),
        ('{"properties": {"a": {"type": "number"}}, "additionalProperties": {}}', "neither true nor false"),
        ('{"properties": {"a": 1}}', "'a' of .* is not an object"),
        ('{"properties": {"a": {}}, "required": ["a"]}', "has the type null, not one of"),
        ('{"properties": {"a": {"type": "object"}}, "required": ["a"]}', 'has the type "object", not one of'),
        ('{"properties": {"a": {"type": ["string", "number"]}}, "required": ["a"]}', "2 types beside null, not one"),
        ('{"properties": {"a": {"type": "number"}}}', "neither has a default nor may be null"),
        ('{"properties": {"a": {"type": "number", "not": {}}}, "required": ["a"]}', "'not', which cannot be checked"),
        ('{"properties": {"a": {"type": "string", "format": "email"}}, "required": ["a"]}', 'format "email"'),
        ('{"properties": {"a": {"type": "string", "minimum": 1}}, "required": ["a"]}', "minimum, which a string"),
        ('{"properties": {"a": {"type": "number", "minimum": "1"}}, "required": ["a"]}', 'minimum "1", which is not'),
        ('{"properties": {"a": {"type": "string", "pattern": "("}}, "required": ["a"]}', "pattern .* not valid"),
        ('{"properties": {"a": {"type": "number", "enum": [1]}}, "required": ["a"]}', "enum, which a number"),
        ('{"properties": {"a": {"type": "string", "enum": []}}, "required": ["a"]}', "an enum without values"),
        ('{"properties": {"a": {"type": "integer", "default": "x"}}}', 'default "x", which is not a integer'),
    ],
)  # fmt: skip
def test_a_schema_that_cannot_be_checked_is_refused(content: str, words: str, tmp_path: Path) -> None:
    """What would be ignored is an error, which names the property and the keyword."""
    (tmp_path / "s.json").write_text(content)
    with pytest.raises(ConfigurationError, match=words):
        read_schema_file(str(tmp_path / "s.json"))


def test_no_schema(tmp_path: Path) -> None:
    """A schema that is not there is exit code 78."""
    with pytest.raises(ConfigurationError, match="cannot read the schema"):
        read_schema_file(str(tmp_path / "s.json"))


SAMPLE = """id,zip,age,income,name,opened,seen,paid,empty
1,0123,30,1500.5,ann,2020-01-01,2020-01-01T10:00:00Z,true,
2,9999,,12,bob,2020-01-02,2020-01-01T10:00:00+01:00,false,
3,1234,31,1e3,"",,2020-02-28T10:00:00Z,,
"""
EXPECTED = {
    "id": {"type": "integer", "x-range": [1, 3]},
    "zip": {"type": "string", "x-values": ["0123", "1234", "9999"]},
    "age": {"type": ["integer", "null"], "x-missing": 0.3333, "x-range": [30, 31]},
    "income": {"type": "number", "x-range": [12, 1500.5]},
    "name": {"type": ["string", "null"], "x-missing": 0.3333, "x-values": ["ann", "bob"]},
    "opened": {
        "type": ["string", "null"], "format": "date", "x-missing": 0.3333, "x-range": ["2020-01-01", "2020-01-02"]
    },
    "seen": {"type": "string", "format": "date-time", "x-range": ["2020-01-01T10:00:00+01:00", "2020-02-28T10:00:00Z"]},
    "paid": {"type": ["boolean", "null"], "x-missing": 0.3333},
    "empty": {"type": ["string", "null"], "x-missing": 1.0},
}  # fmt: skip


def test_a_draft_describes_the_sample(etl: Etl) -> None:
    """Types, missing shares, ranges and values of a table come out as JSON Schema, which `--schema` takes."""
    etl.write("sample.csv", SAMPLE)
    result = etl("schema", "--from", "sample.csv")
    assert (result.code, result.err) == (0, "")
    drafted = json.loads(result.out)
    jsonschema.Draft202012Validator.check_schema(drafted)
    assert drafted["properties"] == EXPECTED
    assert drafted["required"] == ["id", "zip", "income", "seen"]
    etl.write("schema.json", result.out)
    assert len(read_schema_file(str(etl.folder / "schema.json")).fields) == len(EXPECTED)
    assert etl("schema", "--from", "none.csv").code == 66
    etl.write("none.json", "")
    assert etl("schema", "--from", "none.json").code == 65


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2"], {"type": "string", "x-values": ["1", "2"]}),
        ([1, 2.5], {"type": "number", "x-range": [1, 2.5]}),
        ([1, None], {"type": ["integer", "null"], "x-missing": 0.5, "x-range": [1, 1]}),
        ([2**70], {"type": "number", "x-range": [2.0**70, 2.0**70]}),
        ([True, 1], {"type": "string", "x-values": ["True"]}),
        (["2020-01-01", "2020-13-01"], {"type": "string", "x-values": ["2020-01-01", "2020-13-01"]}),
        ([str(n) for n in range(30)], {"type": "string"}),
        (["2020-01-01T00:00:00", "2020-01-02 00:00"], {"type": "string", "format": "date-time-local",
                                                       "x-range": ["2020-01-01T00:00:00", "2020-01-02 00:00"]}),
    ],
)  # fmt: skip
def test_types_of_json(values: Any, expected: Any) -> None:
    """What JSON has as a text stays a text; numbers, dates and times are recognised."""
    draft = SchemaDraft()
    for value in values:
        draft.add(json.dumps({"a": value}).encode())
    assert draft.json_schema()["properties"]["a"] == expected


def test_nested_fields_are_left_out(etl: Etl) -> None:
    """Lists and objects have no column: a warning names them."""
    etl.write("in.json", [{"a": 1, "b": [1]}, {"a": 2, "c": {"d": 1}}])
    result = etl("schema", "--from", "in.json", "--limit", "1")
    assert (result.code, list(json.loads(result.out)["properties"])) == (0, ["a"])
    assert "left out, because they hold lists or objects: b" in result.err
