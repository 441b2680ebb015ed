"""What a JSON Schema says of the fields of a record: the kinds that text cells and columns need to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

FieldKind = Literal["text", "number", "integer", "boolean", "json"]


@dataclass(frozen=True)
class Field:
    """What a text cell for this field of a record means.

    Attributes:
        kind: which kind of JSON value it takes ("json": a nested one, or several kinds).
        nullable: whether null is one of its values.
        required: whether a record without it is invalid.
    """

    kind: FieldKind
    nullable: bool = False
    required: bool = True


def fields_of(schema: Mapping[str, Any]) -> dict[str, Field]:
    """Give the fields of an object's JSON Schema by name, in the schema's order."""
    definitions = schema.get("$defs") or schema.get("definitions") or {}
    if "$ref" in schema:  # a model that refers to itself
        schema = definitions.get(str(schema["$ref"]).rsplit("/", 1)[-1], {})
    required = schema.get("required", ())
    fields = {}
    for name, declared in schema.get("properties", {}).items():
        kinds = _json_types(declared, definitions)
        nullable = "null" in kinds
        kinds.discard("null")
        kind: FieldKind = "json"
        if "string" in kinds or not kinds:
            kind = "text"
        elif kinds == {"integer"}:
            kind = "integer"
        elif kinds <= {"number", "integer"}:
            kind = "number"
        elif kinds == {"boolean"}:
            kind = "boolean"
        fields[name] = Field(kind, nullable, name in required)
    return fields


def _json_types(declared: Mapping[str, Any], definitions: Mapping[str, Any]) -> set[str]:
    if "$ref" in declared:
        target = definitions.get(str(declared["$ref"]).rsplit("/", 1)[-1], {})
        return {"object"} if target.get("properties") else _json_types(target, definitions)
    if "anyOf" in declared or "oneOf" in declared or "allOf" in declared:
        options = [*declared.get("anyOf", ()), *declared.get("oneOf", ()), *declared.get("allOf", ())]
        return set().union(*(_json_types(o, definitions) for o in options))
    values = [declared["const"]] if "const" in declared else declared.get("enum", ())
    if values:
        return {_type_name(v) for v in values}
    said = declared.get("type", ())
    return {said} if isinstance(said, str) else set(said)


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "integer" if isinstance(value, int) else "number" if isinstance(value, float) else "object"
