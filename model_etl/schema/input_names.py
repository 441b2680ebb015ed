"""The names under which a record may have the fields of a schema, and what becomes of fields with other names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Others = Literal["ignored", "refused", "read"]
"""What becomes of other fields; "read" also where a schema does not say."""

_Core = Mapping[str, Any]
"""A part of a pydantic core schema (https://docs.pydantic.dev/latest/api/pydantic_core_schema/)."""


@dataclass(frozen=True)
class InputNames:
    """The names of a schema's fields in records.

    Attributes:
        aliases: for each field, its names in records; an alias path counts by its first part.
        paths: the names that are only the first part of a path, so that their values are nested.
        others: what becomes of fields with other names.
    """

    aliases: tuple[tuple[str, ...], ...] = ()
    paths: frozenset[str] = frozenset()
    others: Others = "read"

    @cached_property
    def all(self) -> frozenset[str]:
        """All names."""
        return frozenset(name for names in self.aliases for name in names)


def pydantic_names(schema: Any) -> InputNames:
    """Return the names in the records of a pydantic class."""
    core: _Core = getattr(schema, "__pydantic_core_schema__", {})
    definitions = {definition["ref"]: definition for definition in core.get("definitions", ())}
    config: _Core = {}
    others: Others = "ignored"
    while core.get("type") in ("definitions", "definition-ref", "function-after", "model"):
        config = core.get("config") or config
        if core.get("custom_init"):
            others = "read"
        core = definitions.get(core["schema_ref"], {}) if core["type"] == "definition-ref" else core["schema"]
    if core.get("type") != "model-fields":
        return InputNames()  # a validator of the user comes first, or a record is not an object with fields
    behaviour = core.get("extra_behavior") or config.get("extra_fields_behavior") or "ignore"
    if behaviour != "ignore" and others == "ignored":
        others = "refused" if behaviour == "forbid" else "read"
    found = [list(_names(name, field.get("validation_alias"), config)) for name, field in core["fields"].items()]
    aliases = tuple(tuple(dict.fromkeys(name for name, _ in names)) for names in found)
    whole = {name for names in found for name, is_path in names if not is_path}
    return InputNames(aliases, frozenset(name for names in aliases for name in names) - whole, others)


def _names(name: str, alias: Any, config: _Core) -> Iterator[tuple[str, bool]]:
    """Yield the names of a field in records, and whether each is only the first part of a path."""
    if alias is None or config.get("validate_by_name") or config.get("populate_by_name"):
        yield name, False
    if isinstance(alias, str):
        yield alias, False
    elif alias:  # a path, or a list of paths
        for path in [alias] if isinstance(alias[0], str) else alias:
            yield path[0], len(path) > 1
