"""Reading Parquet: a batch keeps its rows as Arrow columns, and builds their JSON when it is accessed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from typing_extensions import override

from model_etl.errors import DataError, RecordError, UsageError
from model_etl.formats.base import BATCH_RECORDS, BatchBuilder
from model_etl.formats.parquet_values import has_python_type, is_text_in_json, with_json_types
from model_etl.records.batch import Batch, Source
from model_etl.records.lazy_sequences import LazySequence
from model_etl.records.strict_json import NotJsonError, refuse_not_finite

if TYPE_CHECKING:
    import numpy as np

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def read_batches(file: BinaryIO, source: Source) -> Iterator[Batch]:
    """Yield the rows of a Parquet file.

    Args:
        file: open for reading, seekable.
        source: the input that the rows come from.

    Raises:
        UsageError: if the file is not seekable.
        DataError: if it is not a complete Parquet file, or has two columns of one name.
    """
    if not file.seekable():
        raise UsageError("Parquet cannot be read from a pipe", "Give the name of the file.")
    if file.seek(0, 2) == 0:
        return  # an empty file has no records, in this format as in any other
    file.seek(0)
    try:
        table = pq.ParquetFile(file, coerce_int96_timestamp_unit="us")  # as Spark means them; nanoseconds end in 2262
        int96_names = [column.name for column in _leaf_columns(table) if column.physical_type == "INT96"]
        int96_columns = pq.ParquetFile(file).iter_batches(batch_size=BATCH_RECORDS, columns=int96_names)
        schema = table.schema_arrow
        _require_distinct_names(schema.names, source)
        builder = BatchBuilder(Source(source.name, source.identity, source.format, columns=schema))
        for rows in table.iter_batches(batch_size=BATCH_RECORDS):
            if int96_names:
                _refuse_nanoseconds(rows, next(int96_columns), source)
            if rows.num_rows and _every_row_has_json(rows):
                yield _lazy_batch(builder, rows)
                continue
            _add_rows(builder, with_json_types(rows))
            yield from builder.take()
    except (pa.ArrowException, EOFError, OSError, ValueError) as exc:
        if isinstance(exc, OSError) and exc.errno is not None:
            raise  # from the file system; Arrow's own errors about damaged data have no errno
        raise DataError(
            f"cannot read {source.name} as Parquet: {exc}", "Have the file written again, complete."
        ) from exc


def _leaf_columns(table: pq.ParquetFile) -> list[pq.ColumnSchema]:
    return [table.schema.column(number) for number in range(len(table.schema))]


def _refuse_nanoseconds(rows: pa.RecordBatch, in_nanoseconds: pa.RecordBatch, source: Source) -> None:
    """Refuse INT96 timestamps that microseconds cannot hold.

    Args:
        rows: the rows, with INT96 as timestamps in microseconds.
        in_nanoseconds: the columns of INT96, as timestamps in nanoseconds; beyond the years 1677 to 2262 they wrap.
        source: the file.

    Raises:
        DataError: if a timestamp has nanoseconds.
    """
    for name, column in zip(in_nanoseconds.schema.names, in_nanoseconds.columns, strict=True):
        if not pa.types.is_timestamp(column.type):
            continue  # nested
        whole = pc.multiply(rows.column(name).cast(pa.int64()), 1000)  # wraps in the same way
        if pc.any(pc.not_equal(column.cast(pa.int64()), whole), min_count=0).as_py():
            raise DataError(
                f"cannot read {source.name} as Parquet: the INT96 timestamps of the column {name!r} have nanoseconds,"
                " which would be lost",
                "Write the column as TIMESTAMP(NANOS), or rounded to microseconds.",
            )


def _require_distinct_names(names: Sequence[str], source: Source) -> None:
    if duplicates := [name for i, name in enumerate(names) if name in names[:i]]:
        raise DataError(f"cannot read {source.name}: it has two columns {duplicates[0]!r}", "Rename one of them.")


def _every_row_has_json(rows: pa.RecordBatch) -> bool:
    """Return True if JSON can hold every value; False if the rows have to be checked one by one.

    Raises:
        pyarrow.ArrowInvalid: if a text is not UTF-8.
    """
    rows.validate(full=True)
    types = pa.types
    for column in rows.columns:
        if types.is_float32(column.type) or types.is_float64(column.type):
            if not pc.all(pc.is_finite(column), min_count=0).as_py():
                return False
        elif not any(
            has_json(column.type) for has_json in (types.is_integer, types.is_boolean, types.is_string, is_text_in_json)
        ):
            return False
    return True


def _lazy_batch(builder: BatchBuilder, rows: pa.RecordBatch) -> Batch:
    start, documents = builder.position, RowDocuments(with_json_types(rows))
    builder.position += len(documents)
    offsets = range(start, builder.position)
    return Batch(builder.source, range(start + 1, builder.position + 1), offsets, documents, documents)


def _add_rows(builder: BatchBuilder, rows: pa.RecordBatch) -> None:
    for row in rows.to_pylist():
        number = builder.position
        try:
            document = _ENCODER.encode(row)
            if b"null" in document:  # msgspec writes NaN as null, which is another value
                refuse_not_finite(row)
            builder.add(number, document, document)
        except NotJsonError as exc:
            text = repr(row).encode("utf-8", "backslashreplace")
            reason = f"{exc}, which JSON cannot represent; use null where a value is missing"
            builder.reject(number, text, RecordError("parse", "NotJSON", reason))


class RowDocuments(LazySequence):
    """Rows of a table as lines of JSON; a `ColumnSource`.

    Args:
        rows: with values that JSON can hold, of types that it has.
    """

    def __init__(self, rows: pa.RecordBatch) -> None:
        super().__init__(rows.num_rows)
        self._rows = rows

    @override
    def _build(self) -> list[bytes]:
        return [_ENCODER.encode(row) for row in self._rows.to_pylist()]

    def __reduce__(self) -> tuple[Any, ...]:
        return RowDocuments, (self._rows,)

    def read_columns(self, types: Mapping[str, type]) -> dict[str, np.ndarray[Any, Any]] | None:
        """Return some columns as numpy arrays: see `ColumnSource`."""
        columns = {}
        for name, python_type in types.items():
            index = self._rows.schema.get_field_index(name)
            column = self._rows.column(index) if index >= 0 else None
            if column is None or column.null_count or not has_python_type(column.type, python_type):
                return None
            values = column.to_numpy(zero_copy_only=False)
            columns[name] = values.astype(python_type) if python_type in (int, float) else values
        return columns
