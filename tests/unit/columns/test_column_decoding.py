"""Records that are decoded by columns are those that are decoded one by one: values, rejects, texts and documents."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import enum
import io
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Optional

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    create_model,
)

from model_etl.columns.arrow_columns import arrow_columns
from model_etl.columns.column_input import ColumnInput
from model_etl.columns.column_records import ColumnRecords
from model_etl.columns.column_types import column_types
from model_etl.formats import csv_blocks
from model_etl.formats.csv_tsv import CSV, TSV, Delimited
from model_etl.formats.parquet import PARQUET
from model_etl.records.batch import Batch, Source
from model_etl.schema.codecs import InputSchema
from model_etl.schema.columns import records_to_arrays


class Colour(enum.Enum):
    RED = "red"
    ONE = "1"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Point(BaseModel):
    x: int = 0


def odd(value: Any) -> Any:
    """Refuse even numbers, and fail for 3."""
    if value == 3:
        raise KeyError("three")
    if value % 2 == 0:
        raise ValueError("even")
    return value


TYPES: dict[str, Any] = {
    "float": float,
    "positive": Annotated[float, Field(gt=0, le=1e6)],
    "finite": Annotated[float, Field(allow_inf_nan=False)],
    "half": Annotated[float, Field(multiple_of=0.5)],
    "int": int,
    "percent": Annotated[int, Field(ge=0, lt=100)],
    "strict": Annotated[int, Field(strict=True)],
    "bool": bool,
    "str": str,
    "short": Annotated[str, Field(min_length=1, max_length=4)],
    "pattern": Annotated[str, Field(pattern="^[a-z]+$")],
    "literal": Literal["a", "red", "1"],
    "numbers": Literal[1, 2],
    "enum": Colour,
    "int enum": Size,
    "uuid": uuid.UUID,
    "bytes": bytes,
    "decimal": decimal.Decimal,
    "date": datetime.date,
    "datetime": datetime.datetime,
    "aware": AwareDatetime,
    "time": datetime.time,
    "timedelta": datetime.timedelta,
    "int or str": int | str,
    "int or float": int | float,
    "int or bool": int | bool,
    "list": list[int],
    "nested": Point,
    "odd": Annotated[int, AfterValidator(odd)],
    "before": Annotated[float, BeforeValidator(lambda value: value)],
}
CELLS = [
    *("", "1", "2", "3", "0", "-1.5e-3", "007", "+5", "5.", ".5", " 5", "5 ", "1.0", "2.5", "1e2", "1e999", "-1e999"),
    *(
        "NaN",
        "Infinity",
        "-0",
        "-0.0",
        "-0e0",
        "NULL",
        "null",
        "None",
        "0x1F",
        "1_000",
        "1234567890123456789012",
        "12345678",
    ),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "9007199254740993", "9007199254740993.0"),
    *("true", "false", "True", "yes", "a", "red", "RED", "abcde", "é", "ééééé", "a\tb", "[1,2]", '[1,"x"]', '{"x":1}'),
    *("2024-02-29", "2023-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "2024-1-5", " 2024-01-05", "20240105"),
    *("2024-01-05T00:00:00", "2024-01-05 10:20:30.123456", "2024-01-05T10:20:30.1234567", "2024-01-05T24:00:00"),
    *("2024-01-05T10:20:30Z", "2024-01-05T10:20:30+01:00", "10:20:30", "10:20:30.5Z", "P1DT2H", "-P1D", "1704412800"),
    *("12345678-1234-5678-1234-567812345678", "{12345678-1234-5678-1234-567812345678}", "-", "é" * 3),
]
LIKELY: dict[Any, list[str]] = {
    float: ["1.5", "2", "-3e2"],
    int: ["1", "25", "-7"],
    bool: ["true", "false"],
    datetime.date: ["2024-02-29", "1969-12-31"],
    datetime.datetime: ["2024-02-29T10:20:30", "1969-12-31 00:00:00.25"],
    AwareDatetime: ["2024-02-29T10:20:30Z", "1969-12-31T00:00:00+01:00"],
    decimal.Decimal: ["1.50", "-2", "0.10000000000000000000001"],
    uuid.UUID: ["12345678-1234-5678-1234-567812345678"],
    Point: ['{"x":1}', "{}"],
    list[int]: ["[1,2]", "[]"],
}


def default_of(annotation: Any) -> Any:
    """Return a default value of a type; pydantic does not validate it."""
    if annotation in (int, float):
        return 1
    for cell in (*LIKELY.get(annotation, []), *CELLS):
        with contextlib.suppress(ValueError, KeyError):
            return TypeAdapter(annotation).validate_json(json.dumps(cell))
        with contextlib.suppress(ValueError, KeyError):
            return TypeAdapter(annotation).validate_json(cell)
    raise AssertionError(annotation)


def schema_of(annotation: Any) -> Any:
    """Return a schema with required, optional and default fields of a type."""
    fields: dict[str, Any] = {
        "required": (annotation, ...),
        "nullable": (Optional[annotation], ...),  # noqa: UP045
        "optional": (Optional[annotation], None),  # noqa: UP045
        "default": (annotation, default_of(annotation)),
        "absent": (Optional[annotation], None),  # noqa: UP045
    }
    return create_model("Record", **fields)


def refused(batch: Batch) -> list[Any]:
    """Return what is known of the records that were rejected."""
    return [(r.position, r.offset, r.text, r.document, r.stage, r.type_name, r.message, r.code) for r in batch.rejected]


def frame_columns(batch: Batch, schema: Any) -> Any:
    """Return the columns of the records, or why there are none."""
    if not len(batch):
        return []
    try:
        columns = arrow_columns(batch.inputs, column_types(schema))
    except ValueError as exc:
        return str(exc)
    return {
        name: (
            str(getattr(column, "type", "object")),
            list(map(repr, getattr(column, "to_pylist", lambda c=column: c)())),
        )
        for name, column in columns.items()
    }


def arrays(batch: Batch, codec: InputSchema) -> Any:
    """Return the arrays of the records, or why there are none."""
    if not len(batch):
        return []
    try:
        found = records_to_arrays(batch.inputs, codec.field_types)
    except OverflowError as exc:
        return str(exc)
    return {name: (str(array.dtype), list(map(repr, array.tolist()))) for name, array in found.items()}


def assert_alike(schema: Any, typed: list[Batch], plain: list[Batch]) -> list[Batch]:
    """Compare both ways to decode the same records; give the batches that were decoded to columns."""
    fast, slow = ColumnInput(schema, frames=True), InputSchema(schema, attributes=True)
    fast_arrays, slow_arrays = ColumnInput(schema, frames=False), InputSchema(schema, attributes=True, columns=True)
    decoded = []
    for one, other in zip(typed, plain, strict=True):
        new, old = fast.decode_batch(one), slow.decode_batch(other)
        assert refused(new) == refused(old)
        assert list(new.positions) == list(old.positions)
        assert list(new.offsets) == list(old.offsets)
        assert list(new.texts) == list(old.texts)
        assert list(new.documents) == list(old.documents)
        assert frame_columns(new, schema) == frame_columns(old, schema)
        assert arrays(fast_arrays.decode_batch(one), fast) == arrays(slow_arrays.decode_batch(other), slow)
        decoded.append(new)
    return decoded


def plainly(batch: Batch) -> Batch:
    """Return a batch whose documents are a list."""
    return batch.replace(documents=list(batch.documents), texts=list(batch.texts))


@pytest.fixture
def small_blocks() -> Iterator[None]:
    """Read small blocks as columns, too."""
    before = csv_blocks.SMALLEST_BLOCK
    csv_blocks.SMALLEST_BLOCK = 0
    yield
    csv_blocks.SMALLEST_BLOCK = before


def read(form: Delimited, schema: Any, rows: list[list[str]]) -> list[Batch]:
    """Read rows as columns."""
    names = ["id", *list(schema.model_fields)[:-1]]
    quoted = [['"' + cell.replace('"', '""') + '"' if set(cell) & {'"', ","} else cell for cell in row] for row in rows]
    if form is TSV:
        quoted = [[cell.replace("\t", " ") for cell in row] for row in rows]
    lines = [form.delimiter.join(["x", *row]) for row in quoted]
    data = "\n".join([form.delimiter.join(names), *lines, ""]).encode()
    source = Source("in", "0" * 32, form.name, in_columns=True)
    return list(form.read(io.BytesIO(data), source, InputSchema(schema).fields()))


@pytest.mark.parametrize(
    ("annotation", "form"),
    [*((annotation, CSV) for annotation in TYPES.values()), (TYPES["str"], TSV), (TYPES["float"], TSV)],
    ids=[*TYPES, "str in TSV", "float in TSV"],
)
def test_cells_become_what_their_documents_do(small_blocks: None, annotation: Any, form: Delimited) -> None:
    """Each cell of each type, and any mixture of them, gives the same values and rejects."""
    schema = schema_of(annotation)
    likely = st.sampled_from(LIKELY.get(annotation, ["1", "a", "red"]))
    cell = st.sampled_from(CELLS) | likely | likely | likely
    for odd_cell in CELLS:
        batches = read(form, schema, [[odd_cell] * 4, [LIKELY.get(annotation, ["1"])[0]] * 4])
        assert_alike(schema, batches, list(map(plainly, batches)))

    @settings(max_examples=25, deadline=None)
    @given(rows=st.lists(st.lists(cell, min_size=4, max_size=4), min_size=1, max_size=8))
    def compare(rows: list[list[str]]) -> None:
        batches = read(form, schema, rows)
        assert_alike(schema, batches, list(map(plainly, batches)))

    compare()


MIDNIGHTS = {
    "s": ["0001-01-01", "9999-12-31", "1969-12-31", "1970-01-01"],
    "ms": ["0001-01-01", "9999-12-31", "1969-12-31T23:59:59.999", "1970-01-02"],
    "ns": ["1700-02-28", "2024-02-29", "1969-12-31T12:00:00"],
}
VALUES: list[tuple[pa.DataType, list[Any]]] = [
    (pa.float64(), [1.5, 2.0, -0.0, float("nan"), float("inf"), 1e300, 9007199254740993.0, 1e16, None]),
    (pa.float32(), [0.1, 2.0, float("nan"), None]),
    (pa.int8(), [1, 2, 3, -1, None]),
    (pa.int64(), [1, 2, 2**53 + 1, 2**63 - 1, -(2**63), None]),
    (pa.uint64(), [1, 2**64 - 1, None]),
    (pa.bool_(), [True, False, None]),
    (pa.string(), ["1", "a", "red", "", "é" * 5, "2024-02-29", None]),
    (pa.large_string(), ["a", "1", None]),
    (pa.dictionary(pa.int8(), pa.string()), ["a", "red", None]),
    (pa.binary(), [b"a", b"\xff", None]),
    (pa.date32(), [datetime.date(2024, 2, 29), datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None]),
    (pa.timestamp("us"), [datetime.datetime(2024, 2, 29, 1, 2, 3, 4), datetime.datetime(2024, 2, 29), None]),  # noqa: DTZ001
    *(
        (pa.timestamp(unit), [datetime.datetime.fromisoformat(text) for text in MIDNIGHTS[unit]] + [None])
        for unit in ("s", "ms", "ns")
    ),
    (pa.timestamp("ms", "UTC"), [datetime.datetime(2024, 2, 29, 1, tzinfo=datetime.timezone.utc), None]),
    (pa.time64("us"), [datetime.time(1, 2, 3), None]),
    (pa.decimal128(20, 2), [decimal.Decimal("1.50"), decimal.Decimal("2.00"), None]),
    (pa.list_(pa.int64()), [[1, 2], [], None]),
    (pa.struct([("x", pa.int64())]), [{"x": 1}, {"x": None}, None]),
]


@pytest.mark.parametrize("annotation", TYPES.values(), ids=TYPES)
def test_values_become_what_their_documents_do(annotation: Any) -> None:
    """Columns of each type of Parquet give each type of field what the JSON of their rows gives."""
    schema = schema_of(annotation)
    names = list(schema.model_fields)[:-1]
    for kind, values in VALUES:
        chosen = [[*values], [v for v in values if v is not None], *([value] for value in values)]
        for column in chosen:
            table = pa.table([pa.array(column, kind)] * len(names), names)
            file = io.BytesIO()
            pq.write_table(table, file)
            source = Source("in", "0" * 32, "parquet", in_columns=True)
            batches = list(PARQUET.read(file, source, InputSchema(schema).fields()))
            assert_alike(schema, batches, list(map(plainly, batches)))


PLAIN = ["float", "int", "bool", "decimal", "uuid", "date", "datetime", "aware", "odd"]


@pytest.mark.parametrize("name", PLAIN)
def test_regular_cells_need_no_documents(small_blocks: None, name: str) -> None:
    """Their records are columns, and so are those beside a reject; a part of them is one of columns."""
    schema, cell = schema_of(TYPES[name]), LIKELY.get(TYPES[name], ["5"])[0]
    rows = [[cell] * 4, [cell, "", "", ""], ["?"] * 4, [cell] * 4]
    (batch,) = read(CSV, schema, rows)
    decoded = ColumnInput(schema, frames=True).decode_batch(batch)
    assert isinstance(decoded.inputs, ColumnRecords)
    assert [r.position for r in decoded.rejected] == [3]
    assert isinstance(decoded.select([True, False, True]).inputs, ColumnRecords)
    assert [record.required for record in decoded.inputs[1:]] == [record.required for record in decoded.inputs][1:]


def with_check(**config: Any) -> Any:
    """Return a schema that has a configuration."""
    return create_model("Configured", __config__=ConfigDict(**config), c=(str, ...), n=(int, 0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: with_check(extra="forbid"),
        lambda: with_check(extra="allow"),
        lambda: with_check(frozen=True),
        lambda: with_check(str_strip_whitespace=True),
        lambda: with_check(strict=True),
        lambda: create_model("Aliased", c=(str, Field(alias="id")), n=(int, Field(validation_alias="c"))),
        lambda: create_model("Made", c=(list, Field(default_factory=list)), n=(float, Field(default_factory=float))),
    ],
)
def test_rules_of_whole_records_hold(small_blocks: None, make: Callable[[], Any]) -> None:
    """Names, other fields and configurations have the same effect by columns."""
    schema = make()
    for names, row in (
        (b"id,c", b" a ,b"),
        (b"c,n", b" b,7"),
        (b"c", b"  x"),
        (b"id,c,n", b"1,2,"),
        (b"n,c", b"true,1"),
    ):
        source = Source("in", "0" * 32, "csv", in_columns=True)
        batches = list(CSV.read(io.BytesIO(names + b"\n" + row + b"\n" + row), source, InputSchema(schema).fields()))
        assert_alike(schema, batches, list(map(plainly, batches)))
