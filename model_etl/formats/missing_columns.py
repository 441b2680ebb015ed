"""The fields of a model that a table has no column for, or that no record has, and what it has instead."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from model_etl.errors import printable
from model_etl.formats.table_names import lookalike
from model_etl.schema.fields import Field, Fields

_SHOWN_NAMES = 20
_CLOSE = 0.7


@dataclass(frozen=True)
class MissingColumns:
    """What the names of a table, or of the fields of records, lack.

    Attributes:
        required: the fields without which each record is invalid.
        optional: the fields that will be missing in each record.
        instead: for each of them that resembles a name which is not a field of the model, that name.
        unread: the names that the model does not read.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    instead: Mapping[str, str]
    unread: tuple[str, ...]

    def describe(self, missing: Collection[str], *, plural: bool = False) -> str:
        """Return the end of a sentence about missing fields: "lacks age; it has Age".

        Args:
            missing: `required` or `optional`.
            plural: whether the sentence is about several things.
        """
        verb, pronoun = ("lack", "they have") if plural else ("lacks", "it has")
        instead = [self.instead[name] for name in missing if name in self.instead]
        return f"{verb} {listed(missing)}" + (f"; {pronoun} {listed(instead)}" if instead else "")

    @property
    def remedy(self) -> str:
        """What can be done about the required fields."""
        others = [name for name in self.unread if name not in self.instead.values()]
        also = f" The model does not read {listed(others)}." if others else ""
        return f"Have the input written with these names, or give the fields of the model aliases.{also}"


def missing_columns(names: Iterable[str], fields: Mapping[str, Field]) -> MissingColumns:
    """Return what names lack.

    Args:
        names: of the columns of a table, or of the fields of records.
        fields: the model's input fields by name.
    """
    given = dict.fromkeys(names)
    groups = fields.aliases if isinstance(fields, Fields) and fields.aliases else tuple((name,) for name in fields)
    missing = [group for group in groups if given.keys().isdisjoint(group)]
    unread = tuple(name for name in given if name not in fields)
    required = [group for group in missing if any(fields[name].required for name in group if name in fields)]
    return MissingColumns(
        tuple(group[0] for group in required),
        tuple(group[0] for group in missing if group not in required),
        _resembling(missing, unread),
        unread,
    )


def listed(names: Collection[str]) -> str:
    """Return names in a sentence; a name that is not one word has quotes around it."""
    shown = [printable(name) if name.isidentifier() else repr(name) for name in names]
    if len(shown) > _SHOWN_NAMES:
        return f"{', '.join(shown[:_SHOWN_NAMES])} and {len(shown) - _SHOWN_NAMES} more"
    return ", ".join(shown)


def _resembling(missing: Collection[Sequence[str]], names: Collection[str]) -> dict[str, str]:
    """Return for missing fields the names that resemble theirs, each once: capitals and blanks first, then typos."""
    found: dict[str, str] = {}
    for search in (_lookalike, _close_to):
        for group in missing:
            others = [name for name in names if name not in found.values()]
            if group[0] not in found and (name := search(group, others)) is not None:
                found[group[0]] = name
    return found


def _close_to(group: Sequence[str], names: Sequence[str]) -> str | None:
    lower = {name.casefold(): name for name in names}
    close = [match for name in group for match in difflib.get_close_matches(name.casefold(), lower, 1, _CLOSE)]
    return lower[close[0]] if close else None


def _lookalike(group: Sequence[str], names: Sequence[str]) -> str | None:
    found = lookalike(names, group)
    return found[0] if found else None
