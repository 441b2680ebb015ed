"""Output records that wait for their row group: as JSON objects, or as columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from model_etl.records.json_rows import JsonColumn

_Texts = Sequence["bytes | None"]

_SURE_VALUES = {
    pa.bool_(): r"^(?:true|false)$",
    pa.int64(): r"^(?:0|-?[1-9][0-9]{0,17})$",
    pa.float64(): r"^(?:0|-?[1-9][0-9]{0,14}|-?(?:0|[1-9][0-9]{0,14})\.[0-9]+)$",
}
"""The JSON of values that Arrow casts to a type as it is read from JSON: `-0` is the integer 0 there, for example."""


class RowChunk:
    """Records as JSON objects.

    Args:
        documents: the records, at least one.
    """

    def __init__(self, documents: Iterable[bytes]) -> None:
        decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
        self._rows = [decode(document) for document in documents]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def first_names(self) -> Collection[str]:
        """The names of the first record."""
        return self._rows[0]

    def first_beyond(self, known: set[str]) -> tuple[int, str] | None:
        """Return the index of the first record with a name that is not known, and the name; None if there is none."""
        for index, row in enumerate(self._rows):
            if not known.issuperset(row):
                return index, next(name for name in row if name not in known)
        return None

    def known_texts(self, name: str) -> Iterable[msgspec.Raw]:
        """Return the JSON of a member in the records that have it."""
        return [row[name] for row in self._rows if name in row]

    def texts(self, name: str) -> _Texts:
        """Return the JSON of a member in each record, or None for null."""
        values = [row.get(name) for row in self._rows]
        return [None if value is None or bytes(value) == b"null" else bytes(value) for value in values]

    def array(self, name: str, arrow_type: pa.DataType) -> pa.Array | None:  # noqa: ARG002
        """Return None: the values of a member are not an array."""
        return None


class ColumnChunk:
    """Records as columns.

    Args:
        columns: the columns by name, at least one with at least one value.
    """

    def __init__(self, columns: Mapping[str, JsonColumn]) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    @property
    def first_names(self) -> Collection[str]:
        """The names of the first record."""
        return self._columns

    def first_beyond(self, known: set[str]) -> tuple[int, str] | None:
        """Return 0 and the first name that is not known; None if there is none."""
        return next(((0, name) for name in self._columns if name not in known), None)

    def known_texts(self, name: str) -> Iterable[bytes]:
        """Return the JSON of a member in the records that have it."""
        return [text.encode() for text in self._columns[name].texts.to_pylist()] if name in self._columns else []

    def texts(self, name: str) -> _Texts:
        """Return the JSON of a member in each record, or None for null."""
        if name not in self._columns:
            return [None] * len(self)
        return [None if text == b"null" else text for text in self.known_texts(name)]

    def array(self, name: str, arrow_type: pa.DataType) -> pa.Array | None:
        """Return the values of a member as an array; None if that needs the JSON of each."""
        column = self._columns.get(name)
        if column is None:
            return None
        if arrow_type == pa.large_string():
            array = self.array(name, pa.string())
            return array if array is None else array.cast(arrow_type)
        if column.values is not None:
            return column.values if column.values.type == arrow_type else None
        is_null = pc.equal(column.texts, "null")
        if arrow_type == pa.string():
            if not pc.all(pc.or_(column.is_text, is_null)).as_py():
                return None
            return pc.if_else(is_null, pa.scalar(None, pa.string()), column.cells)
        texts = pc.if_else(is_null, pa.scalar(None, pa.string()), column.texts)
        pattern = _SURE_VALUES.get(arrow_type)
        if pattern is None or not pc.all(pc.match_substring_regex(texts, pattern), min_count=0).as_py():
            return None
        return texts.cast(arrow_type)
