"""Shapes: what nested values look like by their JSON Schema, for outputs whose columns have types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

ShapeType = Literal["text", "number", "integer", "boolean", "list", "object", "map"]
_SCALARS: dict[str, ShapeType] = {"string": "text", "number": "number", "integer": "integer", "boolean": "boolean"}
_PYTHON_TYPES: dict[type, ShapeType] = {str: "text", float: "number", int: "integer", bool: "boolean"}


@dataclass(frozen=True)
class Shape:
    """What all values of a field look like.

    Attributes:
        type: the type of the values; "map" for an object with any names.
        item: what the items of a list, or the values of a map, look like.
        members: what the members of an object look like, by name.
    """

    type: ShapeType
    item: Shape | None = None
    members: tuple[tuple[str, Shape], ...] = ()


def shape_of(
    declaration: Any, definitions: Mapping[str, Any], *, closed: bool, around: tuple[str, ...] = ()
) -> Shape | None:
    """Return the shape of the values that a JSON Schema describes, or None if they can have several.

    Args:
        declaration: the JSON Schema of the values.
        definitions: the schemas that it refers to, by name.
        closed: whether objects have no other members than those that are declared, unless the schema permits them.
        around: the names of the schemas that it is a part of.
    """
    if not isinstance(declaration, Mapping):
        return None
    if "$ref" in declaration:
        name = str(declaration["$ref"]).rsplit("/", 1)[-1]
        if name in around:  # an object that may hold others like it has no end
            return None
        return shape_of(definitions.get(name), definitions, closed=closed, around=(*around, name))
    options = declaration.get("anyOf") or declaration.get("oneOf") or declaration.get("allOf")
    if options:
        return _only([shape_of(o, definitions, closed=closed, around=around) for o in options if not _is_null(o)])
    if "const" in declaration or "enum" in declaration:
        values = [declaration["const"]] if "const" in declaration else declaration["enum"]
        known = [_PYTHON_TYPES.get(type(value)) for value in values if value is not None]
        return _only([Shape(type_name) if type_name else None for type_name in known])
    types = declaration.get("type", ())
    types = [types] if isinstance(types, str) else types
    return _only([_of_type(t, declaration, definitions, closed=closed, around=around) for t in types if t != "null"])


def _is_null(declaration: Any) -> bool:
    return isinstance(declaration, Mapping) and declaration.get("type") == "null"


def _only(shapes: list[Shape | None]) -> Shape | None:
    """Return the shape that all of some shapes are; None if there is none."""
    different = set(shapes)
    if different == {Shape("number"), Shape("integer")}:
        return Shape("number")
    return different.pop() if len(different) == 1 else None


def _of_type(
    type_name: str,
    declaration: Mapping[str, Any],
    definitions: Mapping[str, Any],
    *,
    closed: bool,
    around: tuple[str, ...],
) -> Shape | None:
    def nested(part: Any) -> Shape | None:
        return shape_of(part, definitions, closed=closed, around=around)

    if type_name == "array":
        parts = [*declaration.get("prefixItems", ())]
        if isinstance(declaration.get("items"), Mapping):
            parts.append(declaration["items"])
        item = _only([nested(part) for part in parts])
        return Shape("list", item) if item else None
    if type_name != "object":
        return Shape(_SCALARS[type_name]) if type_name in _SCALARS else None
    properties, others = declaration.get("properties", {}), declaration.get("additionalProperties")
    if not properties:
        patterns = [*declaration.get("patternProperties", {}).values()]
        item = _only([nested(part) for part in (patterns or [others])])
        return Shape("map", item) if item else None
    if others is not False and (others is not None or not closed):
        return None
    members = [(str(name), nested(part)) for name, part in properties.items()]
    known = tuple((name, shape) for name, shape in members if shape is not None)
    return Shape("object", members=known) if len(known) == len(members) else None
