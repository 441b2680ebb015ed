"""Writing Parquet: output records are collected into row groups of Arrow columns."""

from __future__ import annotations

from typing import BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import override

from model_etl.errors import ConfigurationError
from model_etl.formats.base import Writer, column_names
from model_etl.formats.output_layout import Layout
from model_etl.formats.parquet_chunks import ColumnChunk, RowChunk
from model_etl.formats.parquet_documents import part_of_column
from model_etl.formats.parquet_values import CONVERSION_ERRORS, MAX_COLUMNS, as_nullable, column_of_json
from model_etl.records.batch import Batch, Source
from model_etl.schema.fields import Field
from model_etl.schema.schema_parts import SchemaPart
from model_etl.schema.shapes import Shape

ROW_GROUP_RECORDS = 65_536
"""The records that are collected before they are written: files with small row groups are slow to read."""

_SIMPLE_TYPES = {"text": pa.string(), "number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}

_REMEDY = "Write JSON Lines, which holds values of any type."


class ParquetWriter(Writer):
    """Writes one file; the first batch decides the columns and their types.

    Args:
        file: open for writing.
        layout: the layout of the output records.
    """

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file = file
        self._layout = layout
        self._chunks: list[RowChunk | ColumnChunk] = []
        self._positions: list[int] = []
        self._published: Source | None = None
        self._unpublished: Source | None = None
        self._schema: pa.Schema | None = None
        self._writer: pq.ParquetWriter | None = None

    @override
    def write(self, batch: Batch) -> None:
        if not len(batch):
            self._unpublished = self._unpublished or batch.source
            return
        columns = self._layout.table_columns(batch)
        self._chunks.append(RowChunk(self._layout.documents(batch)) if columns is None else ColumnChunk(columns))
        self._positions += batch.positions
        self._published = self._published or batch.source
        if len(self._positions) >= ROW_GROUP_RECORDS:
            self._flush()

    @override
    def finish(self) -> None:
        self._flush()
        if self._writer is None:
            return
        try:
            self._writer.close()
        except pa.ArrowException as exc:
            raise ConfigurationError(f"cannot write Parquet: {exc}", _REMEDY) from exc

    def _choose_schema(self) -> pa.Schema:
        """Return the columns with their types: the output schema's, then the input's, then those of the values."""
        source = self._published or self._unpublished
        names = column_names(self._layout, self._chunks[0].first_names if self._chunks else (), source)
        if len(names) > MAX_COLUMNS:
            raise ConfigurationError(
                f"cannot write {len(names):,} columns; Parquet is written with at most {MAX_COLUMNS:,}", _REMEDY
            )
        input_schema = source.columns if source is not None and isinstance(source.columns, pa.Schema) else None
        of_input = {column.name: column for column in input_schema or ()}
        columns = []
        for name in names:
            field = self._layout.outputs.get(name)
            if field is None and name in of_input:
                columns.append(as_nullable(of_input[name]))
                continue
            field = field or self._layout.inputs.get(name)
            declared = _declared_type(field) if field else None
            columns.append(pa.field(name, self._infer_type(name) if declared is None else declared))
        return pa.schema(columns)

    def _infer_type(self, name: str) -> pa.DataType:
        try:
            texts = [text for chunk in self._chunks for text in chunk.known_texts(name)]
            inferred = pa.array(list(map(msgspec.json.decode, texts))).type
        except CONVERSION_ERRORS as exc:
            message = f"cannot choose a type for the column {name!r} of {self._records}: {exc}"
            raise ConfigurationError(message, _REMEDY) from exc
        if _has_empty_struct(inferred):
            raise ConfigurationError(
                f"cannot choose a type for the column {name!r} of {self._records}: it has objects without members",
                _REMEDY,
            )
        return _without_null(inferred)

    def _flush(self) -> None:
        schema = self._schema = self._schema or self._choose_schema()
        columns = [self._column(field) for field in schema]  # refuses a value before anything is written
        self._require_columns(set(schema.names))
        try:
            if self._writer is None:
                self._writer = _FileWriter(self._file, schema, compression="zstd")
            if self._positions:
                self._writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        except pa.ArrowException as exc:
            raise ConfigurationError(f"cannot write {self._records} as Parquet: {exc}", _REMEDY) from exc
        self._chunks, self._positions = [], []

    def _require_columns(self, known: set[str]) -> None:
        before = 0
        for chunk in self._chunks:
            if (extra := chunk.first_beyond(known)) is not None:
                index, name = extra
                raise ConfigurationError(
                    f"record {self._positions[before + index]} has a field {name!r} that the first record lacks:"
                    " a Parquet file has the same columns in every row",
                    "Write JSON Lines, or choose the columns with --keep.",
                )
            before += len(chunk)

    def _column(self, field: pa.Field) -> pa.Array:
        arrays = [chunk.array(field.name, field.type) for chunk in self._chunks]
        if arrays and all(array is not None for array in arrays):
            return pa.concat_arrays(arrays)
        try:
            texts = [text for chunk in self._chunks for text in chunk.texts(field.name)]
            return column_of_json(texts, field.type, self._part(field.name))
        except CONVERSION_ERRORS as exc:
            message = f"cannot write the column {field.name!r} of {self._records} as {field.type}: {exc}"
            raise ConfigurationError(message, _REMEDY) from exc

    def _part(self, name: str) -> SchemaPart:
        """Return what the model accepts in a kept column, which decided the text of its bytes."""
        return part_of_column(None if name in self._layout.outputs else self._layout.inputs.get(name))

    @property
    def _records(self) -> str:
        return f"the records {self._positions[0]} to {self._positions[-1]}" if self._positions else "no records"


def _declared_type(field: Field) -> pa.DataType | None:
    """Return the type of a field's values by its schema, or None if the schema does not say."""
    return _SIMPLE_TYPES.get(field.type) or (_nested_type(field.shape) if field.shape is not None else None)


def _nested_type(shape: Shape) -> pa.DataType:
    if shape.item is not None:
        item = _nested_type(shape.item)
        return pa.list_(item) if shape.type == "list" else pa.map_(pa.string(), item)
    if shape.type == "object":
        return pa.struct([(name, _nested_type(member)) for name, member in shape.members])
    return _SIMPLE_TYPES[shape.type]


def _without_null(arrow_type: pa.DataType) -> pa.DataType:
    """Return a type that was inferred of values, with text where there were none."""
    if pa.types.is_null(arrow_type):
        return pa.string()
    if pa.types.is_list(arrow_type):
        return pa.list_(_without_null(arrow_type.value_type))
    return (
        pa.struct([(f.name, _without_null(f.type)) for f in arrow_type])
        if pa.types.is_struct(arrow_type)
        else arrow_type
    )


def _has_empty_struct(arrow_type: pa.DataType) -> bool:
    """Return whether a type has objects without members in it, which Parquet does not know."""
    if pa.types.is_struct(arrow_type):
        return arrow_type.num_fields == 0 or any(_has_empty_struct(field.type) for field in arrow_type)
    return pa.types.is_list(arrow_type) and _has_empty_struct(arrow_type.value_type)


class _FileWriter(pq.ParquetWriter):  # type: ignore[misc]  # pyarrow has no types
    """A writer that is not closed when it is collected: after a failure its file is closed before, and discarded."""

    def __del__(self) -> None:
        pass
