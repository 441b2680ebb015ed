"""Dialect: how a table of text is written, where that differs from CSV and TSV as their standards have them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

DecimalSeparator = Literal[".", ","]


@dataclass(frozen=True)
class Dialect:
    """How a table of text is written; None and an empty value stand for what the format has.

    Attributes:
        delimiter: the character between two cells.
        encoding: the encoding of its bytes, as Python names it.
        null_values: texts of cells that have no value, beside the empty text.
        decimal: the character before the decimals of a number.
        no_header: whether the first row is a record, so that no row names the columns.
    """

    delimiter: str | None = None
    encoding: str | None = None
    null_values: tuple[str, ...] = ()
    decimal: DecimalSeparator | None = None
    no_header: bool = False

    def __bool__(self) -> bool:
        """Return whether anything is set."""
        return bool(self.as_members())

    @property
    def reads_cells(self) -> bool:
        """Whether cells are read in another way than their text alone gives."""
        return bool(self.null_values) or self.decimal == ","

    def over(self, other: Dialect) -> Dialect:
        """Return these settings, and those of another dialect where this one has none."""
        return Dialect(**{**other.as_members(), **self.as_members()})

    def as_members(self) -> dict[str, Any]:
        """Return what is set, by name."""
        return {name: value for name, value in vars(self).items() if value}


PLAIN = Dialect()
"""That of tables which are as the standards of their formats have them."""
FIELD_NAMES = tuple(item.name for item in dataclasses.fields(Dialect))
"""The names of the settings, which are those of their options."""
