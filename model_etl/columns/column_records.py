"""Records that were decoded to columns; the records themselves are made for whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, overload

import numpy as np
import pyarrow as pa
from typing_extensions import override

from model_etl.records.lazy_sequences import LazySequence, SelectedItems

ArrowColumns: TypeAlias = Mapping[str, Any]
"""Arrow arrays by the names of fields; a list of Python objects where the kind of column is "object"."""


class ColumnRecords(LazySequence):
    """Validated records as Arrow columns.

    Args:
        columns: the columns, at least one.
        documents: the documents of the records.
        decode: decodes documents that the schema accepts to records.
        schema: their pydantic class.
    """

    def __init__(
        self,
        columns: ArrowColumns,
        documents: Sequence[bytes],
        decode: Callable[[Sequence[bytes]], list[Any]],
        schema: Any,
    ) -> None:
        super().__init__(len(documents))
        self.columns = columns
        self.schema = schema
        self.immutable = not any(isinstance(column, list) for column in columns.values())
        self._documents = documents
        self._decode = decode

    @override
    def _build(self) -> list[Any]:
        return self._decode(self._documents)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> Any: ...

    def __getitem__(self, index: int | slice) -> Any:
        if not isinstance(index, slice):
            return self._all[index]
        count = len(range(*index.indices(len(self))))
        documents = SelectedItems(lambda items: list(items[index]), self._documents, count)
        columns = {name: column[index] for name, column in self.columns.items()}
        return ColumnRecords(columns, documents, self._decode, self.schema)

    @override
    def selected(self, select: Callable[[Sequence[Any]], list[Any]], count: int) -> ColumnRecords:
        indexes = select(range(len(self)))
        columns = taken(self.columns, np.asarray(indexes, np.int64))
        return ColumnRecords(columns, SelectedItems(select, self._documents, count), self._decode, self.schema)


def taken(columns: ArrowColumns, indexes: np.ndarray[Any, Any]) -> ArrowColumns:
    """Return the values of some records."""
    arrow_indexes = pa.array(indexes)
    return {
        name: [column[i] for i in indexes] if isinstance(column, list) else column.take(arrow_indexes)
        for name, column in columns.items()
    }
