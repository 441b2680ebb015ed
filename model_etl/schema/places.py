"""Places: what a pydantic class accepts at each place of a record, as far as conversions have to know it.

It is read from pydantic's core schema. Where a place cannot be known (a type of the user's own), it accepts nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

_WRAPPERS = {"nullable", "default", "definitions", "model", "dataclass", "function-after", "json-or-python"}
_VALIDATORS = {"function-before", "function-wrap"}
_ARRAYS = {"list", "set", "frozenset", "generator"}
_TIMES = {"datetime", "time", "timedelta"}


@dataclasses.dataclass(eq=False)
class Place:
    """What may stand at one place of a record.

    Attributes:
        types: the core types of scalar values there, such as "decimal" or "str".
        bytes_in_json: how the text of bytes is read there: "utf8", "base64" or "hex".
        members: the places of an object's members, by name in the record.
        items: the place of an array's items, or of the values of an object with any names.
        positions: the places of the items of a tuple, if each has its own.
        has_any_names: whether an object with any names may stand there.
        same: other places whose values are accepted here too; they make recursive classes finite.
        validated: whether a validator of the user sees the value before pydantic does.
    """

    types: set[str] = dataclasses.field(default_factory=set)
    bytes_in_json: str = "utf8"
    members: dict[str, Place] = dataclasses.field(default_factory=dict)
    items: Place | None = None
    positions: list[Place] = dataclasses.field(default_factory=list)
    has_any_names: bool = False
    same: list[Place] = dataclasses.field(default_factory=list)
    validated: bool = False

    def all(self) -> list[Place]:
        """Return this place and those that are the same."""
        found = [self]
        for place in found:
            found += [other for other in place.same if not any(other is known for known in found)]
        return found

    def accepts(self, *types: str) -> bool:
        """Return whether a scalar of one of some core types may stand here."""
        return any(not place.types.isdisjoint(types) for place in self.all())

    def member(self, name: str) -> Place | None:
        """Return the place of an object's member, or None if it is unknown."""
        for place in self.all():
            found = place.members.get(name) or place.items
            if found is not None:
                return found
        return None

    def item(self, position: int | None = None) -> Place | None:
        """Return the place of an array's items, or of the one at a position, or None if it is unknown."""
        for place in self.all():
            if position is not None and position < len(place.positions):
                return place.positions[position]
            if place.items is not None:
                return place.items
        return None

    def below(self) -> Iterator[Place]:
        """Yield this place and all that are in it, each once."""
        seen: set[int] = set()
        waiting = [self]
        while waiting:
            place = waiting.pop()
            if id(place) not in seen:
                seen.add(id(place))
                yield place
                waiting += [*place.members.values(), *place.same, *([place.items] if place.items else [])]

    def holds(self, *types: str) -> bool:
        """Return whether a scalar of one of some core types may stand here or below."""
        return any(not place.types.isdisjoint(types) for place in self.below())

    @property
    def holds_times(self) -> bool:
        """Whether values with at most microseconds may stand here or below."""
        return self.holds(*_TIMES)


def place_of(schema: Any) -> Place:
    """Return the place of whole records of a pydantic class."""
    root = Place()
    _Builder().fill(root, getattr(schema, "__pydantic_core_schema__", {}), {})
    return root


class _Builder:
    def __init__(self) -> None:
        self._definitions: dict[str, Mapping[str, Any]] = {}
        self._shared: dict[str, Place] = {}

    def fill(
        self, place: Place, core: Mapping[str, Any], config: Mapping[str, Any], *, validated: bool = False
    ) -> None:
        """Add to a place what a core schema accepts.

        Args:
            place: the place.
            core: the core schema.
            config: the settings of the class around it.
            validated: whether a validator of the user sees the value first.
        """
        kind = core.get("type", "")
        place.validated |= validated
        config = core.get("config") or config
        for definition in core.get("definitions", ()):
            self._definitions[definition["ref"]] = definition
        if kind == "definition-ref":
            place.same.append(self._shared_place(core["schema_ref"], config, validated=validated))
        elif kind in _WRAPPERS or kind in _VALIDATORS:
            inner = core.get("json_schema") or core.get("schema") or {}
            self.fill(place, inner, config, validated=validated or kind in _VALIDATORS)
        elif kind in ("lax-or-strict", "chain"):
            inner = core["lax_schema"] if kind == "lax-or-strict" else core["steps"][0]
            self.fill(place, inner, config, validated=validated)
        elif kind in ("union", "tagged-union"):
            choices = core["choices"].values() if kind == "tagged-union" else core["choices"]
            for choice in choices:
                self.fill(place, choice[0] if isinstance(choice, tuple) else choice, config, validated=validated)
        elif kind in ("model-fields", "typed-dict", "dataclass-args"):
            self._fill_members(place, core["fields"], config, validated=validated)
        elif kind in _ARRAYS or kind in ("tuple", "dict"):
            self._fill_items(place, core, config, validated=validated)
        else:
            place.types.add(kind)
            if kind == "bytes":
                place.bytes_in_json = config.get("val_json_bytes", "utf8")

    def _shared_place(self, ref: str, config: Mapping[str, Any], *, validated: bool) -> Place:
        if ref not in self._shared:
            self._shared[ref] = Place()
            self.fill(self._shared[ref], self._definitions.get(ref, {}), config, validated=validated)
        return self._shared[ref]

    def _fill_members(self, place: Place, fields: Any, config: Mapping[str, Any], *, validated: bool) -> None:
        named = fields.items() if isinstance(fields, Mapping) else [(field["name"], field) for field in fields]
        for name, field in named:
            for alias in {name, *_aliases(field.get("validation_alias"))}:
                member = place.members.setdefault(alias, Place())
                self.fill(member, field["schema"], config, validated=validated)

    def _fill_items(self, place: Place, core: Mapping[str, Any], config: Mapping[str, Any], *, validated: bool) -> None:
        items: Any = core.get("values_schema") if core["type"] == "dict" else core.get("items_schema")
        place.items = place.items or Place()
        place.has_any_names |= core["type"] == "dict"
        for item in items if isinstance(items, (list, tuple)) else [items or {"type": "any"}]:
            self.fill(place.items, item, config, validated=validated)
        if core["type"] == "tuple" and core.get("variadic_item_index") is None:
            place.positions += [Place() for _ in items[len(place.positions) :]]
            for position, item in zip(place.positions, items, strict=False):
                self.fill(position, item, config, validated=validated)


def _aliases(alias: Any) -> list[str]:
    """Return the names under which a record may have a field: an alias is a name, a path, or a list of paths."""
    if isinstance(alias, str):
        return [alias]
    if isinstance(alias, (list, tuple)):
        paths = [alias] if alias and isinstance(alias[0], str) else alias
        return [path[0] for path in paths if len(path) == 1 and isinstance(path[0], str)]
    return []
