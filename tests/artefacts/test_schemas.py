"""What a JSON Schema says is what is checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

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
        ({"type": ["number", "integer", "null"], "description": "d", "x-note": 0.5}, [1, None], ["a"]),
        (
            {"type": "string", "format": "date-time", "x-time-zone": True},
            ["2020-02-29T10:00:00Z"],
            ["2020-02-29T10:00"],
        ),
        ({"type": "string", "format": "date-time", "x-time-zone": False}, ["2020-02-29 10:00"], ["2020-02-29T10:00Z"]),
        ({"type": "string", "format": "date-time-local", "x-time-zone": False}, ["2020-02-29T10:00"], ["2020"]),
        ({"type": "integer", "x-sample": {"minimum": 5, "maximum": 6}}, [4, 7], ["a"]),
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
        ('{"properties": {"a": {"type": "string", "format": "date", "x-time-zone": true}}, "required": ["a"]}',
         'x-time-zone, which contradicts its format "date"'),
        ('{"properties": {"a": {"type": "string", "format": "date-time-local", "x-time-zone": true}}}',
         'x-time-zone, which contradicts its format "date-time-local"'),
        ('{"properties": {"a": {"type": "string", "format": "date-time", "x-time-zone": 1}}, "required": ["a"]}',
         "x-time-zone 1, neither true nor false"),
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
