"""The type of the column of each field, read from the input schema and never from values.

pydantic's core schema holds the type behind every annotation, alias and validator. A field whose values have no type of
Arrow, such as a nested model or a union, has a column of Python objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias

ColumnKind: TypeAlias = Literal[
    "float", "int", "bool", "text", "bytes", "date", "datetime", "aware datetime", "timedelta", "time", "object"
]
_Core: TypeAlias = Mapping[str, Any]

_KINDS: dict[str, ColumnKind] = {
    "float": "float",
    "int": "int",
    "bool": "bool",
    "str": "text",
    "uuid": "text",
    "bytes": "bytes",
    "date": "date",
    "datetime": "datetime",
    "timedelta": "timedelta",
    "time": "time",
}
"""The kinds of columns by the types of pydantic's core schema."""
_VALUE_KINDS: dict[type, ColumnKind] = {str: "text", int: "int", float: "float", bool: "bool"}
_WRAPPERS = ("function-after", "function-before", "function-wrap", "default", "nullable", "definition-ref")
"""The elements of a core schema that contain the schema of the same value."""


@dataclass(frozen=True)
class ColumnType:
    """The column of one field.

    Attributes:
        name: the attribute of the records that has the values.
        kind: what its values are.
        nullable: whether the schema allows None.
        wrapped: whether its values are members of an enumeration or UUIDs, and not those of the column.
    """

    name: str
    kind: ColumnKind
    nullable: bool
    wrapped: bool = False


def column_types(schema: Any) -> tuple[ColumnType, ...]:
    """Return the columns of the records of a pydantic class, in the order of its fields."""
    core: _Core = schema.__pydantic_core_schema__
    definitions = {d["ref"]: d for d in core.get("definitions", ()) if "ref" in d}
    while core["type"] != "model-fields":
        inner = definitions.get(core.get("schema_ref", "")) or core.get("schema")
        if inner is None or core.get("root_model"):
            return tuple(ColumnType(name, "object", nullable=True) for name in schema.model_fields)
        core = inner
    return tuple(_column_type(name, field["schema"], definitions) for name, field in core["fields"].items())


def _column_type(name: str, core: _Core, definitions: Mapping[str, _Core]) -> ColumnType:
    nullable = False
    while core["type"] in _WRAPPERS:
        nullable = nullable or core["type"] == "nullable" or ("default" in core and core["default"] is None)
        core = definitions[core["schema_ref"]] if core["type"] == "definition-ref" else core["schema"]
    kind = _kind(core)
    wrapped = core["type"] in ("enum", "uuid", "literal")  # a literal can be a member of an enumeration
    return ColumnType(name, kind, nullable=nullable or kind == "object", wrapped=wrapped)


def _kind(core: _Core) -> ColumnKind:
    if core["type"] == "literal":
        return _kind_of_values(core["expected"])
    if core["type"] == "enum":
        return _kind_of_values([member.value for member in core["members"]])
    if core["type"] == "datetime" and core.get("tz_constraint") in ("aware", 0):
        return "aware datetime"
    return _KINDS.get(core["type"], "object")


def _kind_of_values(values: list[Any]) -> ColumnKind:
    kinds = {type(value.value if isinstance(value, Enum) else value) for value in values}
    return _VALUE_KINDS.get(kinds.pop(), "object") if len(kinds) == 1 else "object"
