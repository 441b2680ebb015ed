"""The parts of an input schema: which values a pydantic class accepts where, as far as conversions have to know it.

They are read from pydantic's core schema. A part that cannot be read (a type of the user's own) accepts nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

_WRAPPERS = {"nullable", "default", "definitions", "model", "dataclass", "function-after", "json-or-python"}
_VALIDATORS = {"function-before", "function-wrap"}
_ARRAYS = {"list", "set", "frozenset", "generator"}
_TIMES = ("datetime", "time", "timedelta", "date")
"""The types that pydantic reads without the digits after microseconds, also a date from a time of midnight."""


@dataclasses.dataclass(eq=False)
class SchemaPart:
    """What a pydantic class accepts as one value of a record: a whole record, a member, or an item.

    Attributes:
        types: the core types of the scalars that it accepts, such as "decimal" or "str".
        bytes_in_json: how the text of bytes is read: "utf8", "base64" or "hex".
        members: the parts of an object's members, by name in the record.
        items: the part of an array's items, or of the values of an object with any names.
        positions: the parts of the items of a tuple, if each has its own.
        has_any_names: whether it accepts an object with any names.
        same: other parts, whose values are accepted too; they make recursive classes finite.
        validated: whether a validator of the user sees the value before pydantic does.
    """

    types: set[str] = dataclasses.field(default_factory=set)
    bytes_in_json: str = "utf8"
    members: dict[str, SchemaPart] = dataclasses.field(default_factory=dict)
    items: SchemaPart | None = None
    positions: list[SchemaPart] = dataclasses.field(default_factory=list)
    has_any_names: bool = False
    same: list[SchemaPart] = dataclasses.field(default_factory=list)
    validated: bool = False

    def all(self) -> list[SchemaPart]:
        """Return this part and those that are the same."""
        found = [self]
        for part in found:
            found += [other for other in part.same if not any(other is known for known in found)]
        return found

    def accepts(self, *types: str) -> bool:
        """Return whether a scalar of one of these core types is accepted."""
        return any(not part.types.isdisjoint(types) for part in self.all())

    def member(self, name: str) -> SchemaPart | None:
        """Return the part of an object's member, or None if it is unknown."""
        for part in self.all():
            found = part.members.get(name) or part.items
            if found is not None:
                return found
        return None

    def item(self, position: int | None = None) -> SchemaPart | None:
        """Return the part of an array's items, or of the item at a position, or None if it is unknown."""
        for part in self.all():
            if position is not None and position < len(part.positions):
                return part.positions[position]
            if part.items is not None:
                return part.items
        return None

    def below(self) -> Iterator[SchemaPart]:
        """Yield this part and all that are in it, each once."""
        seen: set[int] = set()
        waiting = [self]
        while waiting:
            part = waiting.pop()
            if id(part) not in seen:
                seen.add(id(part))
                yield part
                waiting += [*part.members.values(), *part.same, *([part.items] if part.items else [])]

    def holds(self, *types: str) -> bool:
        """Return whether a scalar of one of these core types is accepted, here or in a part of it."""
        return any(not part.types.isdisjoint(types) for part in self.below())

    @property
    def accepts_times(self) -> bool:
        """Whether a scalar with at most microseconds is accepted."""
        return self.accepts(*_TIMES)

    @property
    def holds_times(self) -> bool:
        """Whether values with at most microseconds are accepted, here or in a part of it."""
        return self.holds(*_TIMES)


def schema_part_of(schema: Any) -> SchemaPart:
    """Return the part of the schema that whole records belong to: all of it."""
    root = SchemaPart()
    _Builder().fill(root, getattr(schema, "__pydantic_core_schema__", {}), {})
    return root


class _Builder:
    def __init__(self) -> None:
        self._definitions: dict[str, Mapping[str, Any]] = {}
        self._shared: dict[str, SchemaPart] = {}

    def fill(
        self, part: SchemaPart, core: Mapping[str, Any], config: Mapping[str, Any], *, validated: bool = False
    ) -> None:
        """Add to a part what a core schema accepts.

        Args:
            part: it is changed.
            core: the core schema.
            config: the settings of the class around it.
            validated: whether a validator of the user sees the value first.
        """
        core_type = core.get("type", "")
        part.validated |= validated
        config = core.get("config") or config
        for definition in core.get("definitions", ()):
            self._definitions[definition["ref"]] = definition
        if core_type == "definition-ref":
            part.same.append(self._shared_part(core["schema_ref"], config, validated=validated))
        elif core_type in _WRAPPERS or core_type in _VALIDATORS:
            inner = core.get("json_schema") or core.get("schema") or {}
            self.fill(part, inner, config, validated=validated or core_type in _VALIDATORS)
        elif core_type in ("lax-or-strict", "chain"):
            inner = core["lax_schema"] if core_type == "lax-or-strict" else core["steps"][0]
            self.fill(part, inner, config, validated=validated)
        elif core_type in ("union", "tagged-union"):
            choices = core["choices"].values() if core_type == "tagged-union" else core["choices"]
            for choice in choices:
                self.fill(part, choice[0] if isinstance(choice, tuple) else choice, config, validated=validated)
        elif core_type in ("model-fields", "typed-dict", "dataclass-args"):
            self._fill_members(part, core["fields"], config, validated=validated)
        elif core_type in _ARRAYS or core_type in ("tuple", "dict"):
            self._fill_items(part, core, config, validated=validated)
        else:
            part.types.add(core_type)
            if core_type == "bytes":
                part.bytes_in_json = config.get("val_json_bytes", "utf8")

    def _shared_part(self, ref: str, config: Mapping[str, Any], *, validated: bool) -> SchemaPart:
        if ref not in self._shared:
            self._shared[ref] = SchemaPart()
            self.fill(self._shared[ref], self._definitions.get(ref, {}), config, validated=validated)
        return self._shared[ref]

    def _fill_members(self, part: SchemaPart, fields: Any, config: Mapping[str, Any], *, validated: bool) -> None:
        named = fields.items() if isinstance(fields, Mapping) else [(field["name"], field) for field in fields]
        for name, field in named:
            for alias in {name, *_aliases(field.get("validation_alias"))}:
                member = part.members.setdefault(alias, SchemaPart())
                self.fill(member, field["schema"], config, validated=validated)

    def _fill_items(
        self, part: SchemaPart, core: Mapping[str, Any], config: Mapping[str, Any], *, validated: bool
    ) -> None:
        items: Any = core.get("values_schema") if core["type"] == "dict" else core.get("items_schema")
        part.items = part.items or SchemaPart()
        part.has_any_names |= core["type"] == "dict"
        for item in items if isinstance(items, (list, tuple)) else [items or {"type": "any"}]:
            self.fill(part.items, item, config, validated=validated)
        if core["type"] == "tuple" and core.get("variadic_item_index") is None:
            part.positions += [SchemaPart() for _ in items[len(part.positions) :]]
            for position, item in zip(part.positions, items, strict=False):
                self.fill(position, item, config, validated=validated)


def _aliases(alias: Any) -> list[str]:
    """Return the names under which a record may have a field: an alias is a name, a path, or a list of paths."""
    if isinstance(alias, str):
        return [alias]
    if isinstance(alias, (list, tuple)):
        paths = [alias] if alias and isinstance(alias[0], str) else alias
        return [path[0] for path in paths if len(path) == 1 and isinstance(path[0], str)]
    return []
