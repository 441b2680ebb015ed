"""The fields of a record by its JSON Schema, for formats that have text cells or typed columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from model_etl.schema.input_names import InputNames, Others
from model_etl.schema.schema_parts import SchemaPart
from model_etl.schema.shapes import Shape, shape_of

FieldType = Literal["text", "number", "integer", "boolean", "json"]


@dataclass(frozen=True)
class Field:
    """The declaration of one field.

    Attributes:
        type: the JSON type of its values; "json" for nested values and for several types.
        nullable: whether null is one of its values.
        required: whether a record without the field is invalid.
        shape: what its values look like if they are nested, and if the schema tells; otherwise None.
        schema_part: the values that the model accepts, if the schema is a pydantic class.
    """

    type: FieldType
    nullable: bool = False
    required: bool = True
    shape: Shape | None = field(default=None, compare=False, repr=False)
    schema_part: SchemaPart | None = field(default=None, compare=False, repr=False)

    @property
    def kind(self) -> FieldType:
        """The same as `type`, under its earlier name."""
        return self.type


class Fields(dict[str, Field]):
    """The input fields of a model by name, with aliases; a format asks whether a table has any of them.

    Attributes:
        others: what becomes of a record's other fields; "read" also where the schema does not say.
        aliases: for each field, its names in records; empty if the schema does not say.
        in_order: one name for each field, in the order of the schema.
    """

    others: Others = "read"
    aliases: tuple[tuple[str, ...], ...] = ()
    in_order: tuple[str, ...] = ()


def input_fields(schema: Mapping[str, Any], names: InputNames, schema_part: SchemaPart | None = None) -> Fields:
    """Return the input fields of a model.

    Args:
        schema: the JSON Schema of its records.
        names: the names of its fields in records.
        schema_part: what the model accepts, if its schema is a pydantic class.
    """
    declared = fields_of(schema)
    fields = Fields({name: declared[name] for name in declared if not names.aliases or name in names.all})
    fields.others = names.others
    fields.aliases = names.aliases
    fields.in_order = tuple(aliases[0] for aliases in names.aliases) or tuple(declared)
    for aliases in names.aliases:
        known = next((declared[name] for name in aliases if name in declared), Field("text", required=False))
        for name in aliases:
            fields.setdefault(name, known)
            if name in names.paths:
                fields[name] = dataclasses.replace(known, type="json", shape=None)
    if schema_part is None:
        return fields
    for name, declaration in fields.items():
        fields[name] = dataclasses.replace(declaration, schema_part=schema_part.member(name))
    return fields


def fields_of(schema: Mapping[str, Any], *, outputs: bool = False) -> dict[str, Field]:
    """Return the fields of an object's JSON Schema by name, in the schema's order.

    Args:
        schema: the JSON Schema.
        outputs: whether it describes what a model returns: nothing that it does not declare.
    """
    definitions = schema.get("$defs") or schema.get("definitions") or {}
    if "$ref" in schema:  # a model that refers to itself
        schema = definitions.get(str(schema["$ref"]).rsplit("/", 1)[-1], {})
    required = frozenset(schema.get("required", ()))
    fields = {}
    for name, declaration in schema.get("properties", {}).items():
        types = _json_types(declaration, definitions)
        field_type = _field_type(types - {"null"})
        shape = shape_of(declaration, definitions, closed=outputs) if field_type == "json" else None
        fields[name] = Field(field_type, "null" in types, name in required, shape)
    return fields


def _field_type(types: set[str]) -> FieldType:
    if "string" in types or not types:
        return "text"
    if types == {"integer"}:
        return "integer"
    if types <= {"number", "integer"}:
        return "number"
    return "boolean" if types == {"boolean"} else "json"


def _json_types(declaration: Mapping[str, Any], definitions: Mapping[str, Any]) -> set[str]:
    """Return the names of the JSON types that a schema allows; empty if it does not restrict them."""
    if "$ref" in declaration:
        target = definitions.get(str(declaration["$ref"]).rsplit("/", 1)[-1], {})
        return {"object"} if target.get("properties") else _json_types(target, definitions)
    if "anyOf" in declaration or "oneOf" in declaration or "allOf" in declaration:
        options = [*declaration.get("anyOf", ()), *declaration.get("oneOf", ()), *declaration.get("allOf", ())]
        return set().union(*(_json_types(o, definitions) for o in options))
    values = [declaration["const"]] if "const" in declaration else declaration.get("enum", ())
    if values:
        return {_type_name(v) for v in values}
    types = declaration.get("type", ())
    return {types} if isinstance(types, str) else set(types)


def _type_name(value: Any) -> str:
    """Return the name of the JSON type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "integer" if isinstance(value, int) else "number" if isinstance(value, float) else "object"
