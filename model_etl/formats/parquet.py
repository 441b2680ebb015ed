"""Apache Parquet, by pyarrow (https://parquet.apache.org). A record's text and document are its row as JSON.

JSON has no dates, decimals or bytes, so on their way through the chain dates and times are text as Arrow writes them,
durations are ISO 8601, decimals are numbers with all their digits, and bytes are base64. A Parquet output gets a kept
column's own type back.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from model_etl.errors import ConfigurationError, DataError, RecordError, UsageError
from model_etl.formats.base import BATCH_RECORDS, BatchBuilder, Writer, column_names
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Batch, Source
from model_etl.records.lazy_sequences import LazySequence
from model_etl.records.strict_json import NotJsonError, refuse_not_finite
from model_etl.schema.fields import Field

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 65_536
"""Rows that are gathered before they are written: small row groups make slow files."""


class Parquet:
    """Rows of a Parquet file."""

    name = "parquet"
    suffixes = (".parquet", ".pq")
    compressible = False  # it has compression of its own
    media_type = "application/vnd.apache.parquet"

    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:  # noqa: ARG002
        """See `Format.read`."""
        import pyarrow as pa  # noqa: PLC0415  imported by runs that need it
        import pyarrow.parquet as pq  # noqa: PLC0415

        if not file.seekable():
            raise UsageError("Parquet cannot be read from a pipe", "Give the name of the file.")
        if file.seek(0, 2) == 0:
            return  # a file of no bytes has no records, in this format as in any
        file.seek(0)
        try:
            table = pq.ParquetFile(file)
            _check_names(table.schema_arrow.names, source)
            builder = BatchBuilder(Source(source.name, source.identity, source.format, columns=table.schema_arrow))
            for rows in table.iter_batches(batch_size=BATCH_RECORDS):
                if rows.num_rows and _is_plain(rows):
                    yield _lazy_batch(builder, rows)
                    continue
                _add_rows(builder, _jsonable(rows))
                yield from builder.take()
        except (pa.ArrowException, EOFError, OSError, ValueError) as exc:
            if isinstance(exc, OSError) and exc.errno is not None:
                raise  # of the file system; Arrow's own word on damaged data has no number
            raise DataError(f"cannot read {source.name} as Parquet: {exc}", "Have it written again, whole.") from exc

    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:  # noqa: ARG002
        """See `Format.document`."""
        return text

    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        """See `Format.writer`."""
        return _ParquetWriter(file, layout)


def _check_names(names: Sequence[str], source: Source) -> None:
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise DataError(f"cannot read {source.name}: it has two columns {twice[0]!r}", "Rename one of them.")


_ENCODER = msgspec.json.Encoder(decimal_format="number")


def _add_rows(builder: BatchBuilder, rows: pa.RecordBatch) -> None:
    for row in rows.to_pylist():
        number = builder.position
        try:
            document = _ENCODER.encode(row)
            # msgspec writes NaN as null, which would be another value.
            if b"null" in document:
                refuse_not_finite(row)
            builder.add(number, document, document)
        except NotJsonError as exc:
            text = repr(row).encode("utf-8", "backslashreplace")
            why = f"{exc}, which is no value that JSON can hold; use null where a value is missing"
            builder.reject(number, text, RecordError("parse", "NotJSON", why))


class _Rows(LazySequence):
    """Rows of a table as lines of JSON, made when somebody asks for one.

    Args:
        rows: with values that JSON can hold, of types that it has.
    """

    def __init__(self, rows: pa.RecordBatch) -> None:
        super().__init__(rows.num_rows)
        self._rows = rows

    def _made(self) -> list[bytes]:
        return [_ENCODER.encode(row) for row in self._rows.to_pylist()]

    def __reduce__(self) -> tuple[Any, ...]:
        return _Rows, (self._rows,)

    def arrays(self, kinds: Mapping[str, type]) -> dict[str, Any] | None:
        """Give some columns as numpy arrays.

        Args:
            kinds: the wanted columns, and of what Python type their values must be.

        Returns:
            Arrays of float64, int64, bool or objects; None if a column is missing, has nulls or other values.
        """
        found = {}
        for name, kind in kinds.items():
            place = self._rows.schema.get_field_index(name)
            column = self._rows.column(place) if place >= 0 else None
            if column is None or column.null_count or not _holds(column.type, kind):
                return None
            values = column.to_numpy(zero_copy_only=False)
            found[name] = values.astype(kind) if kind in (int, float) else values
        return found


def _holds(column: pa.DataType, kind: type) -> bool:
    """Tell whether all values of a column are of a Python type, as its JSON would be."""
    import pyarrow as pa  # noqa: PLC0415

    is_kind = pa.types
    integer = is_kind.is_integer(column) and not is_kind.is_uint64(column)
    if kind is float:
        return bool(integer or is_kind.is_float32(column) or is_kind.is_float64(column))
    if kind is int:
        return bool(integer)
    return bool(is_kind.is_boolean(column) if kind is bool else is_kind.is_string(column))


def _is_plain(rows: pa.RecordBatch) -> bool:
    """Tell whether JSON can hold every value, as far as that is quickly told.

    Raises:
        pyarrow.ArrowInvalid: if a text is not UTF-8.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    rows.validate(full=True)
    is_kind = pa.types
    for column in rows.columns:
        kind = column.type
        if is_kind.is_float32(kind) or is_kind.is_float64(kind):
            if not pc.all(pc.is_finite(column), min_count=0).as_py():
                return False
        elif not (is_kind.is_integer(kind) or is_kind.is_boolean(kind) or is_kind.is_string(kind) or _as_text(kind)):
            return False
    return True


def _lazy_batch(builder: BatchBuilder, rows: pa.RecordBatch) -> Batch:
    start, lines = builder.position, _Rows(_jsonable(rows))
    builder.position += len(lines)
    offsets = range(start, builder.position)
    return Batch(builder.source, range(start + 1, builder.position + 1), offsets, lines, lines)


def _jsonable(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Turn columns of types that JSON lacks into text."""
    import pyarrow as pa  # noqa: PLC0415

    columns = [c.cast(pa.string()) if _as_text(c.type) else c for c in rows.columns]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def _as_text(kind: pa.DataType) -> bool:
    import pyarrow as pa  # noqa: PLC0415

    return bool(pa.types.is_temporal(kind)) and not pa.types.is_duration(kind)


class _ParquetWriter:
    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file = file
        self._layout = layout
        self._rows: list[dict[str, msgspec.Raw]] = []
        self._positions: list[int] = []
        self._schema: pa.Schema | None = None
        self._writer: Any = None

    def write(self, batch: Batch) -> None:
        if not len(batch):
            return
        decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
        self._rows += [decode(document) for document in self._layout.documents(batch)]
        self._positions += batch.positions
        if self._schema is None:
            self._schema = self._typed(column_names(self._layout, self._rows[0], batch.source), batch.source)
        if len(self._rows) >= ROW_GROUP:
            self._flush()

    def finish(self) -> None:
        if self._schema is None:
            self._schema = self._typed([*self._layout.keep, *self._layout.outputs], None)
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _typed(self, names: Sequence[str], source: Source | None) -> pa.Schema:
        """Choose the columns' types: the model's word, then the input file's, then what the first rows hold."""
        import pyarrow as pa  # noqa: PLC0415

        simple = {"text": pa.string(), "number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}
        own = source.columns if source is not None and source.format == "parquet" else None
        fields = []
        for name in names:
            field = self._layout.outputs.get(name)
            if field is None and own is not None and name in own.names:
                fields.append(own.field(name))
                continue
            field = field or self._layout.inputs.get(name)
            kind = simple.get(field.kind) if field else None
            fields.append(pa.field(name, kind if kind is not None else self._guess(name)))
        return pa.schema(fields)

    def _guess(self, name: str) -> pa.DataType:
        import pyarrow as pa  # noqa: PLC0415

        values = [msgspec.json.decode(row[name]) for row in self._rows if name in row]
        try:
            kind = pa.array(values).type
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as exc:
            first, last = self._positions[0], self._positions[-1]
            raise _unfit(f"cannot choose a type for the column {name!r} of the records {first} to {last}", exc) from exc
        return pa.string() if pa.types.is_null(kind) else kind

    def _flush(self) -> None:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        assert self._schema is not None
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd")
        if not self._rows:
            return
        known = set(self._schema.names)
        for row, position in zip(self._rows, self._positions, strict=True):
            if extra := next((name for name in row if name not in known), None):
                raise ConfigurationError(
                    f"record {position} has a field {extra!r} that the first record has not:"
                    " a Parquet file has the same columns in every row",
                    "Write JSON Lines, or choose the columns with --keep.",
                )
        columns = [self._column(field) for field in self._schema]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._rows, self._positions = [], []

    def _column(self, field: pa.Field) -> pa.Array:
        import pyarrow as pa  # noqa: PLC0415

        raw = [row.get(field.name) for row in self._rows]
        try:
            return _array([None if r is None or bytes(r) == b"null" else bytes(r) for r in raw], field.type)
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as exc:
            first, last = self._positions[0], self._positions[-1]
            what = f"cannot write the column {field.name!r} of the records {first} to {last} as {field.type}"
            raise _unfit(what, exc) from exc


def _unfit(what: str, why: Exception) -> ConfigurationError:
    return ConfigurationError(f"{what}: {why}", "Write JSON Lines, which holds values of any kind.")


def _array(texts: Sequence[bytes | None], kind: pa.DataType) -> pa.Array:
    """Make a column of JSON texts; the reverse of `_jsonable` and the encoder."""
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_decimal(kind):
        return pa.array([None if t is None else decimal.Decimal(t.decode().strip('"')) for t in texts], kind)
    if pa.types.is_nested(kind):  # json gives decimals all their digits
        nested = (None if t is None else json.loads(t, parse_float=decimal.Decimal) for t in texts)
        return pa.array([_restored(value, kind) for value in nested], kind)
    values = [None if t is None else msgspec.json.decode(t) for t in texts]
    if pa.types.is_time(kind):  # Arrow reads no times alone
        days = [None if v is None else f"1970-01-01 {v}" for v in values]
        return pa.array(days, pa.string()).cast(pa.timestamp(kind.unit)).cast(kind)
    if _as_text(kind):
        return pa.array(values, pa.string()).cast(kind)
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    if not all(map(_number_check(kind), values)):
        raise TypeError(_NO_NUMBER)
    return pa.array([_restored(v, kind) for v in values] if _is_python(kind) else values, kind)


_NO_NUMBER = "a value is no number that it can hold"


def _number_check(kind: pa.DataType) -> Callable[[Any], bool]:
    """Give a test for values that Arrow would make others without a word: true a 1, a fraction an integer."""
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_integer(kind):
        return lambda value: not isinstance(value, (float, decimal.Decimal)) or value == int(value)
    if pa.types.is_floating(kind):
        return lambda value: not isinstance(value, (bool, str)) and (type(value) is not int or float(value) == value)
    return lambda _: True


def _is_python(kind: pa.DataType) -> bool:
    """Tell whether a value of this type goes through Python objects that JSON lacks."""
    import pyarrow as pa  # noqa: PLC0415

    return bool(pa.types.is_temporal(kind)) or "binary" in str(kind)


def _restored(value: Any, kind: pa.DataType) -> Any:
    """Give the Python object that the encoder made a JSON value of."""
    import pyarrow as pa  # noqa: PLC0415

    if value is None:
        return None
    if not isinstance(value, dict if pa.types.is_struct(kind) else list) and pa.types.is_nested(kind):
        raise TypeError(f"Expected {kind}, got {type(value).__name__}")
    if pa.types.is_struct(kind):
        types = {field.name: field.type for field in kind}
        if extra := next((name for name in value if name not in types), None):
            raise ValueError(f"a value has a field {extra!r} that those before have not")
        return {name: _restored(item, types[name]) for name, item in value.items()}
    if pa.types.is_map(kind):
        return [(_restored(k, kind.key_type), _restored(v, kind.item_type)) for k, v in value]
    if pa.types.is_nested(kind):
        return [_restored(item, kind.value_type) for item in value]
    if "binary" in str(kind):
        return base64.b64decode(value)
    if not _number_check(kind)(value):
        raise TypeError(_NO_NUMBER)
    if pa.types.is_floating(kind):
        return float(value)
    is_kind = pa.types
    python = (
        (is_kind.is_timestamp, datetime.datetime),
        (is_kind.is_date, datetime.date),
        (is_kind.is_time, datetime.time),
        (is_kind.is_duration, datetime.timedelta),
    )
    wanted = next((made for is_one, made in python if is_one(kind)), None)
    return msgspec.convert(value, wanted) if wanted else value


PARQUET = Parquet()
