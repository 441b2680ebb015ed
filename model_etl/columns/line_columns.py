"""Decodes documents that are lines of JSON to columns: msgspec's objects of a few thousand lines live at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa

from model_etl.columns.arrow_columns import array_of
from model_etl.columns.column_records import ArrowColumns
from model_etl.columns.column_types import ColumnType
from model_etl.errors import RecordError
from model_etl.records.lazy_sequences import LineBlock

_PART_BYTES = 256 * 1024
_PART_RECORDS = 1000
"""The objects of so many lines stay in the processor's cache."""


class LineColumns:
    """Decodes documents by the msgspec type of a schema, and those that it refuses by the schema itself.

    Args:
        struct: the msgspec type (see `fast_struct_for`).
        columns: the columns of the schema; none of them holds Python objects.
        decode: decodes one document by the schema itself.
    """

    def __init__(
        self, struct: type[msgspec.Struct], columns: Sequence[ColumnType], decode: Callable[[bytes], Any]
    ) -> None:
        by_name = {column.name: dataclasses.replace(column, wrapped=False) for column in columns}
        self._columns = [by_name[name] for name in struct.__struct_fields__]
        self._decoder = msgspec.json.Decoder(struct)
        self._decode_itself = decode

    def decode(self, documents: Sequence[bytes]) -> tuple[ArrowColumns, dict[int, RecordError]] | None:
        """Decode documents.

        Returns:
            The columns of those that the schema accepts, and why it refuses the others, by their indexes; None if it
            refuses all, or a value does not fit its column.
        """
        parts: list[list[pa.Array]] = []
        failed: dict[int, RecordError] = {}
        start = 0
        for part in _parts(documents):
            rows, count = self._rows(part, start, failed)
            start += count
            if not rows:
                continue
            values = zip(self._columns, zip(*rows, strict=True), strict=True)
            try:
                parts.append([array_of(list(column_values), column) for column, column_values in values])
            except ValueError:
                return None
        if not parts:
            return None
        arrays = map(pa.concat_arrays, zip(*parts, strict=True))
        return {column.name: array for column, array in zip(self._columns, arrays, strict=True)}, failed

    def _rows(
        self, part: bytes | Sequence[bytes], start: int, failed: dict[int, RecordError]
    ) -> tuple[list[tuple[Any, ...]], int]:
        """Return the values of the records of a part, and the number of its documents; note those that are refused."""
        lines: Sequence[bytes]
        if isinstance(part, bytes):
            count = part.count(b"\n") + 1
            try:
                records = self._decoder.decode_lines(part)
                if len(records) == count:
                    return list(map(msgspec.structs.astuple, records)), count
            except (ValueError, RecursionError):
                pass
            lines = part.split(b"\n")
        else:
            lines = part
        values = _attributes([column.name for column in self._columns])
        rows: list[tuple[Any, ...]] = []
        for number, line in enumerate(lines, start):
            try:
                try:
                    record = self._decoder.decode(line)
                except (ValueError, RecursionError):
                    record = self._decode_itself(line)
            except RecordError as error:
                failed[number] = error.without_traceback()
            else:
                rows.append(values(record))
        return rows, len(lines)


def _attributes(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    get: Callable[[Any], Any] = attrgetter(*names)
    return get if len(names) > 1 else lambda record: (get(record),)


def _parts(documents: Sequence[bytes]) -> Iterator[bytes | Sequence[bytes]]:
    """Yield a few documents at a time: a part of their block, if each is known to be one of its lines."""
    if not isinstance(documents, LineBlock):
        for start in range(0, len(documents), _PART_RECORDS):
            yield documents[start : start + _PART_RECORDS]
        return
    block, start = documents.block, 0
    while start <= len(block):
        end = block.find(b"\n", start + _PART_BYTES)
        end = len(block) if end < 0 else end
        yield block[start:end]
        start = end + 1
