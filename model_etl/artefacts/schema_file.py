"""The JSON Schema of `--schema`: what an artefact does not say about its records.

Each keyword is translated or refused: one that was ignored would be a check that a user relies on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_etl.artefacts.fields import FieldSpec
from model_etl.errors import ConfigurationError, printable
from model_etl.schema.draft import ZONED

_TOP = {"type", "properties", "required", "additionalProperties"}
_ANNOTATIONS = {"$schema", "$id", "$comment", "title", "description", "examples", "deprecated", "readOnly", "writeOnly"}
_BOUNDS = {
    "minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt", "multipleOf": "multiple_of",
    "minLength": "min_length", "maxLength": "max_length", "pattern": "pattern",
}  # fmt: skip
_NUMERIC = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf")
_LENGTHS = ("minLength", "maxLength")
_FORMATS = {"date": "date", "date-time": "datetime", "date-time-local": "datetime-local"}
_TYPES = ("number", "integer", "boolean", "string")
_VALUE_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


@dataclass(frozen=True)
class SchemaFile:
    """A JSON Schema of records.

    Attributes:
        path: of the file.
        fields: of the records, in the order of the file.
        closed: whether records with other fields are refused.
    """

    path: str
    fields: Sequence[FieldSpec]
    closed: bool = False


def read_schema_file(path: str) -> SchemaFile:
    """Read a JSON Schema of an object with fields of numbers, booleans, texts, dates and times.

    Raises:
        ConfigurationError: if the file cannot be read, is not JSON, or has a keyword that cannot be checked.
    """
    try:
        schema = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise ConfigurationError(f"cannot read the schema {path}: {exc.strerror}", "Check --schema.") from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f"{path} is not JSON: {exc}", "Check --schema.") from exc
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict) or not schema["properties"]:
        raise ConfigurationError(f"{path} is not the JSON Schema of an object: it has no properties", _DRAFT)
    _refuse_unknown(schema, _TOP, path)
    if schema.get("type", "object") != "object":
        raise ConfigurationError(f"{path} does not describe objects, but {schema['type']}", _DRAFT)
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise ConfigurationError(f"required in {path} is not a list of names", _DRAFT)
    if unknown := [name for name in required if name not in schema["properties"]]:
        raise ConfigurationError(
            f"{path} requires {', '.join(map(repr, unknown))}, which its properties lack", "Correct the names."
        )
    others = schema.get("additionalProperties", True)
    if not isinstance(others, bool):
        raise ConfigurationError(f"additionalProperties in {path} is neither true nor false", "Write one of them.")
    fields = [
        _Property(path, name, declaration).field(required=name in required)
        for name, declaration in schema["properties"].items()
    ]
    return SchemaFile(path, fields, closed=not others)


_DRAFT = "See docs/models.md; `model-etl schema --from FILE` drafts a schema."


def _refuse_unknown(declaration: Mapping[str, Any], known: set[str], subject: str) -> None:
    for keyword in declaration:
        if keyword not in known | _ANNOTATIONS and not keyword.startswith("x-"):
            raise ConfigurationError(
                f"{subject} has the keyword {keyword!r}, which cannot be checked",
                "Remove it, or write a class with schemas of its own: docs/extending.md.",
            )


class _Property:
    """One property of a JSON Schema.

    Args:
        path: of the file.
        name: of the property.
        declaration: its schema.
    """

    def __init__(self, path: str, name: str, declaration: Any) -> None:
        self._subject = f"the property {printable(name)!r} of {path}"
        if not isinstance(declaration, dict):
            raise self._error("is not an object", _DRAFT)
        self._name = name
        self._declaration: Mapping[str, Any] = declaration
        self._types = self._read_types()

    def _error(self, cause: str, remedy: str) -> ConfigurationError:
        return ConfigurationError(f"{self._subject} {cause}", remedy)

    def _read_types(self) -> set[str]:
        declared = self._declaration.get("type")
        values = self._declaration.get("enum", [self._declaration["const"]] if "const" in self._declaration else None)
        if declared is None and isinstance(values, list):
            declared = sorted({_VALUE_TYPES.get(type(value), "object") for value in values})
        types = [declared] if isinstance(declared, str) else declared
        if not isinstance(types, list) or not types or not {*map(str, types)} <= {*_TYPES, "null"}:
            raise self._error(
                f"has the type {json.dumps(declared)}, not one of {', '.join(_TYPES)}, with or without null",
                'Write for example "type": ["number", "null"].',
            )
        return {*types}

    def field(self, *, required: bool) -> FieldSpec:
        """Return the field."""
        nullable = "null" in self._types
        types = self._types - {"null"}
        if types == {"integer", "number"}:
            types = {"number"}
        if len(types) != 1:
            raise self._error(f"has {len(types)} types beside null, not one", "Give it the one type of its column.")
        field_type = self._format(types.pop())
        _refuse_unknown(self._declaration, {"type", "enum", "format", "default", "const", *_BOUNDS}, self._subject)
        default = self._declaration.get("default")
        if not (required or nullable) and "default" not in self._declaration:
            # A column needs a value for each record.
            raise self._error(
                "is not required, but neither has a default nor may be null",
                'Add it to "required", or "null" to its types, or a "default".',
            )
        spec = FieldSpec(
            self._name, field_type, nullable, required, self._values(field_type), self._bounds(field_type), default,
            self._description(),
        )  # fmt: skip
        if "default" in self._declaration and not (nullable and default is None):
            self._check_value("default", default, field_type)
        return spec

    def _description(self) -> str | None:
        description = self._declaration.get("description")
        return description if isinstance(description, str) else None

    def _format(self, field_type: str) -> str:
        declared = self._declaration.get("format")
        if declared is None:
            return field_type
        if field_type != "string" or declared not in _FORMATS:
            raise self._error(
                f"has the format {json.dumps(declared)}, which cannot be checked", f"Use {', '.join(_FORMATS)} or none."
            )
        return self._with_zone(_FORMATS[declared])

    def _with_zone(self, field_type: str) -> str:
        """Return the type of a date or a time, as x-time-zone says of a date-time that a draft has."""
        zoned = self._declaration.get(ZONED)
        if zoned is None:
            return field_type
        if not isinstance(zoned, bool):
            raise self._error(f"has {ZONED} {json.dumps(zoned)}, neither true nor false", "Write one of them.")
        if field_type == "date" or (zoned and field_type == "datetime-local"):
            raise self._error(
                f"has {ZONED}, which contradicts its format {json.dumps(self._declaration['format'])}",
                f'Write "format": "date-time", or remove {ZONED}.',
            )
        return field_type if zoned else "datetime-local"

    def _values(self, field_type: str) -> tuple[Any, ...] | None:
        declaration = self._declaration
        values = [declaration["const"]] if "const" in declaration else declaration.get("enum")
        if values is None:
            return None
        if not isinstance(values, list) or not (values := [value for value in values if value is not None]):
            raise self._error("has an enum without values", "Give it values, or remove enum.")
        if field_type not in ("string", "integer", "boolean"):
            raise self._error(
                f"has an enum, which a {field_type} cannot have", "Use minimum and maximum, or another type."
            )
        for value in values:
            self._check_value("enum", value, field_type)
        return tuple(values)

    def _bounds(self, field_type: str) -> Mapping[str, Any]:
        bounds: dict[str, Any] = {}
        for keyword, name in _BOUNDS.items():
            if keyword not in self._declaration:
                continue
            value = self._declaration[keyword]
            numeric = keyword in _NUMERIC
            fits = field_type in ("number", "integer") if numeric else field_type == "string"
            if not fits:
                raise self._error(f"has {keyword}, which a {field_type} cannot have", f"Remove {keyword}.")
            if not self._is_bound(keyword, value):
                raise self._error(f"has {keyword} {json.dumps(value)}, which is not valid", f"Correct {keyword}.")
            bounds[name] = value
        return bounds

    def _is_bound(self, keyword: str, value: Any) -> bool:
        if keyword == "pattern":
            try:
                return isinstance(value, str) and re.compile(value) is not None
            except re.error:
                return False
        if keyword in _LENGTHS:
            return type(value) is int and value >= 0
        finite = type(value) in (int, float) and math.isfinite(value)
        return finite and (keyword != "multipleOf" or value > 0)

    def _check_value(self, keyword: str, value: Any, field_type: str) -> None:
        fits = {"integer": (int,), "number": (int, float), "boolean": (bool,)}.get(field_type, (str,))
        if type(value) not in fits or field_type.startswith("date"):
            raise self._error(f"has {keyword} {json.dumps(value)}, which is not a {field_type}", f"Correct {keyword}.")
