"""The values of records that a model has predicted, by which records that it may refuse are found without asking it.

Records that a model refuses have something in common more often than not: an infinite number, a category that it has
never seen, a missing value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

_MOST_TEXTS = 1000
"""A column with more distinct texts has ever new ones, which says nothing."""

Trait: TypeAlias = tuple[str, str]
"""A field, and in which way its value differs from all values that were predicted."""


class KnownValues:
    """The values of predicted records.

    Args:
        names: the fields, as attributes of the records; there may be none.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._columns = {name: _KnownColumn() for name in names}

    def learn(self, records: Sequence[Any], indexes: Sequence[int]) -> None:
        """Add the values of records that were predicted."""
        for name, column in self._columns.items():
            column.learn(values_of(records, name, indexes))

    def traits(self, records: Sequence[Any], indexes: Sequence[int]) -> dict[int, set[Trait]]:
        """Return the traits of those records that have any, by their indexes; none before a record was learnt."""
        return self.with_traits(records, indexes, None)

    def with_traits(
        self, records: Sequence[Any], indexes: Sequence[int], wanted: set[Trait] | None
    ) -> dict[int, set[Trait]]:
        """Return the same for records that have one of some traits; of all traits if `wanted` is None."""
        found: dict[int, set[Trait]] = {}
        names = self._columns if wanted is None else dict(wanted)
        for name, column in self._columns.items():
            if name not in names or not column.is_known:
                continue
            values = values_of(records, name, indexes)
            odd = column.odd(values)
            if not odd:
                continue
            for index, value in zip(indexes, values, strict=True):
                trait = (name, odd.get(value, ""))
                if trait[1] and (wanted is None or trait in wanted):
                    found.setdefault(index, set()).add(trait)
        return found


class _KnownColumn:
    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._low, self._high = math.inf, -math.inf
        self._texts: set[str] = set()
        self._is_telling = True

    @property
    def is_known(self) -> bool:
        return bool(self._kinds) and self._is_telling

    def learn(self, values: Sequence[Any]) -> None:
        try:
            distinct = set(values)
        except TypeError:  # lists and other values that have no hash
            self._is_telling = False
        if not self._is_telling:
            return
        self._kinds.update(map(_type_name, distinct))
        if numbers := [value for value in distinct if _type_name(value) == "number"]:
            self._low, self._high = min(self._low, *numbers), max(self._high, *numbers)
        if len(self._texts) <= _MOST_TEXTS:
            self._texts.update(value for value in distinct if type(value) is str)

    def odd(self, values: Sequence[Any]) -> dict[Any, str]:
        """Return the trait of each of some values that has one."""
        try:
            traits = {value: self._trait(value) for value in set(values)}
        except TypeError:
            return {}
        return {value: trait for value, trait in traits.items() if trait}

    def _trait(self, value: Any) -> str:
        type_name = _type_name(value)
        if type_name not in self._kinds:
            return type_name
        if type_name == "number":
            return "below" if value < self._low else "above" if value > self._high else ""
        is_new_text = type_name == "str" and len(self._texts) <= _MOST_TEXTS and value not in self._texts
        return "new" if is_new_text else ""


def _type_name(value: Any) -> str:
    if type(value) is float and not math.isfinite(value):
        return str(value)
    return "number" if type(value) in (int, float) else type(value).__name__


def values_of(records: Sequence[Any], name: str, indexes: Sequence[int]) -> Sequence[Any]:
    """Return the values of a field in some records, whose indexes rise; from columns, if the records are columns."""
    if not indexes:
        return []  # Arrow takes no indexes without a type
    columns: Mapping[str, Any] | None = getattr(records, "columns", None)
    if not indexes:
        return []  # which Arrow does not take for indexes
    if columns is None:
        return list(map(attrgetter(name), map(records.__getitem__, indexes)))
    column = columns[name]
    if isinstance(column, list):
        return [column[index] for index in indexes]
    if len(indexes) < len(column):
        column = column.take(list(indexes))
    values: list[Any] = column.tolist() if hasattr(column, "tolist") else column.to_pylist()
    return values
