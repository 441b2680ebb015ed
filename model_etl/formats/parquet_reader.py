"""Reading Parquet: a batch keeps its rows as Arrow columns, and builds their JSON when it is accessed."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from typing_extensions import override

from model_etl.columns.source_columns import SourceColumn
from model_etl.errors import DataError, RecordError, UsageError, shortened
from model_etl.formats.base import BATCH_RECORDS, EXCERPT_BYTES, BatchBuilder, LongText
from model_etl.formats.file_signatures import START_BYTES, check_parquet
from model_etl.formats.parquet_batches import bounded_batches
from model_etl.formats.parquet_documents import is_utf8, json_texts, json_values, part_of_column, plain_texts
from model_etl.formats.parquet_problems import find_finer_times, find_problems
from model_etl.formats.parquet_retry import FINER
from model_etl.formats.parquet_sizes import row_sizes
from model_etl.formats.parquet_values import MAX_COLUMNS, has_python_type
from model_etl.formats.table_names import check_table_names, first_duplicate
from model_etl.records.batch import Batch, Source
from model_etl.records.json_rows import JoinedLines, JsonColumn, object_parts
from model_etl.records.lazy_sequences import LazySequence
from model_etl.schema.fields import Field
from model_etl.schema.schema_parts import SchemaPart

if TYPE_CHECKING:
    import numpy as np

    from model_etl.records.arrow_texts import Part

_ENCODER = msgspec.json.Encoder()
_MOST_TIMES = 4
"""The most times the usual records of a batch, whatever the scale of the source is."""


def row_count(file: BinaryIO, source: Source) -> int:
    """Return the number of rows of a file, without reading them.

    Raises:
        DataError: if it is not a complete Parquet file.
    """
    with _damage_translated(source):
        return int(pq.read_metadata(file).num_rows) if file.seek(0, 2) else 0


def read_batches(file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:
    """Yield the rows of a Parquet file.

    Args:
        file: open for reading, seekable.
        source: the input that the rows come from.
        fields: the model's input fields by name.

    Raises:
        UsageError: if the file is not seekable.
        DataError: if it is not a complete Parquet file, or has two columns of one name.
    """
    if not file.seekable():
        raise UsageError("Parquet cannot be read from a pipe", "Give the name of the file.")
    if file.seek(0, 2) == 0:
        return  # an empty file has no records, in this format as in any other
    file.seek(0)
    check_parquet(file.read(START_BYTES), source)
    file.seek(0)
    with _damage_translated(source):
        options = {"coerce_int96_timestamp_unit": "us"}  # nanoseconds end in 2262, without an error
        table = pq.ParquetFile(file, **options)
        if table.metadata.num_columns > MAX_COLUMNS:
            raise too_many_columns(source, table.metadata.num_columns)
        schema = table.schema_arrow
        _require_distinct_names(schema.names, source)
        check_table_names(schema.names, fields, source)
        needed = [name for name in schema.names if name in fields or source.publishes(name)]
        finer = _finer_batches(file, table, needed, source)
    schema_parts = {name: part_of_column(fields.get(name)) for name in schema.names}
    builder = BatchBuilder(dataclasses.replace(source, columns=schema))
    most_rows = BATCH_RECORDS * min(source.scale, _MOST_TIMES)
    batches = bounded_batches(file, table, source.max_record_size, most_rows, **options)
    while True:
        with _damage_translated(source):
            rows, sizes = next(batches, (None, None))
            if rows is None:
                break
            problems = find_problems(rows, {name: schema_parts[name] for name in needed}, any_year=source.any_year)
            exact = find_finer_times(rows, finer.take(rows.num_rows)) if finer is not None else {}
        if not rows.num_rows:
            continue
        documents = RowDocuments(rows, schema_parts)
        if sizes is not None and sizes.max() > source.max_record_size:
            _add_long_rows(builder, documents, sizes, problems, exact)
            yield from builder.take()
        elif problems or exact:
            _add_rows(builder, documents, problems, exact)
            yield from builder.take()
        else:
            yield _lazy_batch(builder, documents)
    if not builder.position:
        yield builder.empty_batch()


@contextlib.contextmanager
def _damage_translated(source: Source) -> Iterator[None]:
    """Translate what pyarrow raises about a file in the block.

    Raises:
        DataError: if the file is damaged, or has a type that pyarrow does not read.
        OSError: if the file system failed.
    """
    try:
        yield
    except MemoryError:
        raise  # Arrow's own is an ArrowException as well
    except (pa.ArrowException, EOFError, OSError, ValueError, OverflowError) as exc:
        if isinstance(exc, OSError) and exc.errno is not None:
            raise  # from the file system; Arrow's own errors about damaged data have no errno
        raise DataError(
            f"cannot read {source.name} as Parquet: {shortened(str(exc))}", "Have the file written again, complete."
        ) from exc


def too_many_columns(source: Source, count: int) -> DataError:
    """Return the error for a file with more columns than `MAX_COLUMNS`."""
    return DataError(
        f"cannot read {source.name}: it has {count:,} columns; Parquet is read with at most {MAX_COLUMNS:,}",
        "Put values of one kind into a list, or convert the file to JSON Lines.",
    )


def _require_distinct_names(names: Sequence[str], source: Source) -> None:
    if (name := first_duplicate(names)) is not None:
        raise DataError(f"cannot read {source.name}: it has two columns {name!r}", "Rename one of them.")


class _FinerTimes:
    """Rows of the same file, in batches of other sizes.

    Args:
        batches: the rows.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._pending: list[pa.RecordBatch] = []

    def take(self, count: int) -> pa.RecordBatch:
        """Return the next rows."""
        while sum(batch.num_rows for batch in self._pending) < count:
            self._pending.append(next(self._batches))
        table = pa.Table.from_batches(self._pending)
        self._pending = table.slice(count).to_batches()
        return table.slice(0, count).combine_chunks().to_batches()[0] if count else table.schema.empty_table()


def _finer_batches(file: BinaryIO, table: pq.ParquetFile, needed: Sequence[str], source: Source) -> _FinerTimes | None:
    """Return the needed columns of type INT96 once more, in nanoseconds; None if there are none."""
    columns = [table.schema.column(i) for i in range(len(table.schema))]
    names = {column.path.split(".")[0] for column in columns if column.physical_type == "INT96"}
    if not names.intersection(needed):
        return None
    return _FinerTimes(
        pq.ParquetFile(file).iter_batches(
            batch_size=BATCH_RECORDS * min(source.scale, _MOST_TIMES), columns=sorted(names.intersection(needed))
        )
    )


def _lazy_batch(builder: BatchBuilder, documents: RowDocuments) -> Batch:
    start = builder.position
    builder.position += len(documents)
    offsets = range(start, builder.position)
    return Batch(builder.source, range(start + 1, builder.position + 1), offsets, documents, documents)


def _add_rows(
    builder: BatchBuilder,
    documents: Sequence[bytes],
    problems: Mapping[int, RecordError],
    exact: Mapping[int, Mapping[str, Any]],
) -> None:
    for index, document in enumerate(documents):
        problem, text = problems.get(index), document
        if times := exact.get(index):
            problem = problem or RecordError("parse", "NotText", f"{next(iter(times))} has {FINER}")
            text = _ENCODER.encode(msgspec.json.decode(document, type=dict[str, msgspec.Raw]) | dict(times))
        if problem is None:
            builder.add(builder.position, document, document)
        else:
            builder.reject(builder.position, text, problem)


def _add_long_rows(
    builder: BatchBuilder,
    documents: RowDocuments,
    sizes: np.ndarray[Any, Any],
    problems: Mapping[int, RecordError],
    exact: Mapping[int, Mapping[str, Any]],
) -> None:
    """Add rows of which some are too long: none of these becomes JSON, but for its short values."""
    for index, size in enumerate(sizes.tolist()):
        if size > builder.source.max_record_size:
            builder.reject_long(builder.position, LongText(documents.short_values(index), size))
            continue
        problem = {0: problems[index]} if index in problems else {}
        times = {0: exact[index]} if index in exact else {}
        _add_rows(builder, documents.row(index), problem, times)


class RowDocuments(JoinedLines):
    """Rows of a table as lines of JSON; a `ColumnSource` and `TableDocuments`.

    Args:
        rows: the rows.
        schema_parts: what the model accepts in each column.

    Attributes:
        rows: the rows.
    """

    def __init__(self, rows: pa.RecordBatch, schema_parts: Mapping[str, SchemaPart]) -> None:
        super().__init__((), rows.num_rows)
        self.rows = rows
        self._schema_parts = schema_parts

    @property
    @override
    def parts(self) -> Sequence[Part]:
        names = self.rows.schema.names
        return object_parts({name: self._json_texts(index) for index, name in enumerate(names)})

    def _json_texts(self, index: int) -> pa.Array:
        return json_texts(self.rows.column(index), self._schema_parts[self.rows.schema.names[index]])

    def json_column(self, name: str) -> JsonColumn:
        """Return a field of each row; null if there is no such column."""
        index = self.rows.schema.get_field_index(name)
        if index < 0:
            return JsonColumn.of_nulls(len(self))
        return JsonColumn(_plain_values(self.rows.column(index)), self._json_texts(index))

    def row(self, index: int) -> RowDocuments:
        """Return one row."""
        return RowDocuments(self.rows.slice(index, 1), self._schema_parts)

    def short_values(self, index: int) -> bytes:
        """Return the JSON of the short values of a row."""
        row = self.rows.slice(index, 1)
        short = [name for name in row.schema.names if row_sizes(row.column(name))[0] <= EXCERPT_BYTES]
        return bytes(RowDocuments(row.select(short), self._schema_parts)[0])

    @property
    def source_names(self) -> Sequence[str]:
        """The names of the columns."""
        names: Sequence[str] = self.rows.schema.names
        return names

    def source_column(self, name: str) -> SourceColumn | None:
        """Return a column, or None if there is no such column."""
        index = self.rows.schema.get_field_index(name)
        if index < 0:
            return None
        schema_part = self._schema_parts[name]
        return SourceColumn(
            self.rows.column(index), "null", None, lambda values: _ENCODER.encode(json_values(values, schema_part))
        )

    def documents_at(self, indexes: Sequence[int]) -> Sequence[bytes]:
        """Return the documents of some records, without building all."""
        return self._taken(indexes) or [self[index] for index in indexes]

    @override
    def _item(self, index: int) -> bytes:
        document: bytes = self.row(index)[:][0]
        return document

    @override
    def selected(self, select: Callable[[Sequence[Any]], list[Any]], count: int) -> LazySequence:
        return self._taken(select(range(len(self)))) or super().selected(select, count)

    def _taken(self, indexes: Sequence[int]) -> RowDocuments | None:
        """Return some rows; None if there are none, or Arrow cannot take values of such a type."""
        try:
            return RowDocuments(self.rows.take(pa.array(indexes, pa.int64())), self._schema_parts) if indexes else None
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            return None

    def __reduce__(self) -> tuple[Any, ...]:
        return RowDocuments, (self.rows, self._schema_parts)

    def read_columns(self, types: Mapping[str, type]) -> dict[str, np.ndarray[Any, Any]] | None:
        """Return some columns as numpy arrays: see `ColumnSource`."""
        columns = {}
        for name, python_type in types.items():
            index = self.rows.schema.get_field_index(name)
            column = self.rows.column(index) if index >= 0 else None
            if column is None or column.null_count or not has_python_type(column.type, python_type):
                return None
            if pa.types.is_floating(column.type) and not pc.all(pc.is_finite(column), min_count=0).as_py():
                return None  # the schema decides
            if python_type is str and not is_utf8(column):
                return None
            values = column.to_numpy(zero_copy_only=False)
            columns[name] = values.astype(python_type) if python_type in (int, float) else values
        return columns


def _plain_values(values: pa.Array) -> pa.Array | None:
    """Return values as `JsonColumn.values` has them; None if they are not of such a type."""
    arrow_type = values.type
    if pa.types.is_float64(arrow_type):
        return values if pc.all(pc.is_finite(values), min_count=0).as_py() else None
    return values if pa.types.is_int64(arrow_type) or pa.types.is_boolean(arrow_type) else plain_texts(values)
