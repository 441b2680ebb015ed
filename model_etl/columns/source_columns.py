"""Documents that come from the columns of a table, which can be decoded without building the documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pyarrow as pa

    from model_etl.records.json_rows import JsonColumn

Missing = Literal["null", "text", "absent"]


@dataclass(frozen=True)
class SourceColumn:
    """A column of a table, as the file has it.

    Attributes:
        values: its values; the cells of CSV and TSV are text.
        missing: what the document of a record has where the value is null: null, an empty text, or no such field.
        cell_type: the JSON type of the model's field where the values are cells; None where they have types.
        to_json: returns values, none of them null, as a JSON array, as their documents have them.
    """

    values: Any
    missing: Missing
    cell_type: str | None
    to_json: Callable[[pa.Array], bytes]


@runtime_checkable
class TableDocuments(Protocol):
    """The documents of the rows of a table."""

    @property
    def source_names(self) -> Sequence[str]:
        """The names of the columns."""

    def source_column(self, name: str) -> SourceColumn | None:
        """Return a column, or None if there is no such column."""

    def json_column(self, name: str) -> JsonColumn:
        """Return a field of each row, with null where a row has no such field."""

    def documents_at(self, indexes: Sequence[int]) -> Sequence[bytes]:
        """Return the documents of some records, without building all."""
