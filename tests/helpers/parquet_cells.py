"""One value of each type of Parquet, with its only form in documents: a table that the tests walk."""

from __future__ import annotations

import decimal
import io
import json
import math
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

D = decimal.Decimal
UUID = bytes(range(16))
BEYOND = "a date outside of the years 1 to 9999"
READS_MISSING_FIXED_SIZE_LISTS = int(pa.__version__.partition(".")[0]) >= 26
"""Whether pyarrow reads a Parquet column of lists of a fixed size, some of which are null; older ones refuse it."""


class Cell(NamedTuple):
    """A value as Arrow stores it (times as whole numbers), its JSON, and why text cannot publish it."""

    type: pa.DataType
    value: Any
    json: str
    problem: str = ""

    @property
    def label(self) -> str:
        """Return the name of the test's parameter."""
        return f"{self.type}-{self.json}"[:70]

    def array(self) -> pa.Array:
        """Return the value in a column of its own, with a null after it."""
        if isinstance(self.type, pa.BaseExtensionType):
            return pa.ExtensionArray.from_storage(self.type, pa.array([self.value, None], self.type.storage_type))
        return pa.array([self.value, None], self.type)


def parquet(table: pa.Table, **options: Any) -> bytes:
    """Return a table as a file."""
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def same(left: Any, right: Any) -> bool:
    """Return whether two columns have the same type and values; NaN is itself, and -0.0 is not 0.0."""

    def storage(column: Any) -> Any:
        chunk = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        chunk = chunk.chunk(0) if isinstance(chunk, pa.ChunkedArray) else chunk
        return chunk.storage if isinstance(chunk, pa.ExtensionArray) else chunk

    return left.type == right.type and str(storage(left)) == str(storage(right))


def _integers() -> list[Cell]:
    signed = [(pa.int8(), 7), (pa.int16(), 15), (pa.int32(), 31), (pa.int64(), 63)]
    unsigned = [(pa.uint8(), 8), (pa.uint16(), 16), (pa.uint32(), 32), (pa.uint64(), 64)]
    cells = [Cell(kind, value, str(value)) for kind, bits in signed for value in (0, -(2**bits), 2**bits - 1)]
    return cells + [Cell(kind, value, str(value)) for kind, bits in unsigned for value in (0, 2**bits - 1)]


def _floats() -> list[Cell]:
    cells = [Cell(pa.float64(), 0.1, "0.1"), Cell(pa.float64(), 5e-324, "5e-324"), Cell(pa.float64(), -0.0, "-0.0")]
    cells += [Cell(pa.float32(), 0.1, "0.10000000149011612"), Cell(pa.float16(), 0.1, "0.0999755859375")]
    for kind in (pa.float16(), pa.float32(), pa.float64()):
        for value, text in ((math.nan, '"NaN"'), (math.inf, '"Infinity"'), (-math.inf, '"-Infinity"')):
            cells.append(Cell(kind, value, text))
    return cells


def _decimals() -> list[Cell]:
    cells = [
        Cell(pa.decimal128(38, 18), D("1.234567890123456789"), "1.234567890123456789"),
        Cell(pa.decimal128(20, 10), D("1E-10"), "0.0000000001"),
        Cell(pa.decimal128(20, 2), D("-0.10"), "-0.10"),
        Cell(pa.decimal128(38, 0), D(10**38 - 1), "9" * 38),
        Cell(pa.decimal256(76, 0), D(10**76 - 1), "9" * 76),
    ]
    if hasattr(pa, "decimal32"):
        cells += [Cell(pa.decimal32(9, 2), D("1.10"), "1.10"), Cell(pa.decimal64(18, 2), D("1.10"), "1.10")]
    return cells


def _texts() -> list[Cell]:
    cells = [
        Cell(kind(), value, json.dumps(value, ensure_ascii=False)) for kind in _TEXTS for value in ("", 'é\n"\\😀')
    ]
    cells += [Cell(kind, b"\x00\xff", '"AP8="') for kind in (pa.binary(), pa.large_binary(), pa.binary(2))]
    cells += [Cell(pa.binary_view(), b"red", '"cmVk"'), Cell(pa.binary(), b"", '""')]
    cells += [Cell(pa.string(), "", '""'), Cell(pa.bool_(), True, "true"), Cell(pa.null(), None, "null")]
    if hasattr(pa, "uuid"):
        cells.append(Cell(pa.uuid(), UUID, '"00010203-0405-0607-0809-0a0b0c0d0e0f"'))
    if hasattr(pa, "bool8"):
        cells.append(Cell(pa.bool8(), 1, "true"))
    return cells


_TEXTS = (pa.string, pa.large_string, pa.string_view)


def _times() -> list[Cell]:
    return [
        Cell(pa.date32(), -719_162, '"0001-01-01"'),
        Cell(pa.date32(), 2_932_896, '"9999-12-31"'),
        Cell(pa.date32(), 2**31 - 1, '"+5881580-07-11"', BEYOND),
        Cell(pa.date32(), -719_163, '"0000-12-31"', BEYOND),
        Cell(pa.time32("ms"), 86_399_999, '"23:59:59.999"'),
        Cell(pa.time64("us"), 1, '"00:00:00.000001"'),
        Cell(pa.time64("ns"), 1, '"00:00:00.000000001"'),
        Cell(pa.time64("us"), 86_400_000_000, '"24:00:00.000000"', "a time outside of the day"),
        Cell(pa.timestamp("ms"), -1, '"1969-12-31 23:59:59.999"'),
        Cell(pa.timestamp("us"), 253_402_300_799_999_999, '"9999-12-31 23:59:59.999999"'),
        Cell(pa.timestamp("us"), -62_135_596_800_000_000, '"0001-01-01 00:00:00.000000"'),
        Cell(pa.timestamp("ns"), 2**63 - 1, '"2262-04-11 23:47:16.854775807"'),
        Cell(pa.timestamp("us"), 2**63 - 1, '"+294247-01-10 04:00:54.775807"', BEYOND),
        Cell(pa.timestamp("us"), -(2**63), '"-290308-12-21 19:59:05.224192"', BEYOND),
        Cell(pa.timestamp("ms"), 2**63 - 1, '"+292278994-08-17 07:12:55.807"', BEYOND),
        Cell(pa.timestamp("us", "UTC"), 0, '"1970-01-01 00:00:00.000000Z"'),
        Cell(pa.timestamp("us", "Europe/Berlin"), 0, '"1970-01-01 01:00:00.000000+0100"'),
        Cell(pa.timestamp("us", "+02:00"), 0, '"1970-01-01 02:00:00.000000+0200"'),
        Cell(pa.timestamp("us", "No/Where"), 0, '"1970-01-01 00:00:00.000000Z"'),
        Cell(pa.timestamp("us", "UTC"), 2**63 - 1, '"+294247-01-10 04:00:54.775807Z"', BEYOND),
        Cell(pa.duration("s"), 90_061, '"P1DT3661S"'),
        Cell(pa.duration("ms"), -1, '"-PT0.001S"'),
        Cell(pa.duration("us"), 0, '"P0D"'),
        Cell(pa.duration("ns"), 1, '"PT0.000000001S"'),
        Cell(pa.duration("s"), 2**63 - 1, '"P106751991167300DT55807S"'),
    ]


def _nested() -> list[Cell]:
    day, moment = pa.date32(), pa.timestamp("us")
    struct = pa.struct(
        [("b", pa.binary()), ("f", pa.float32()), ("t", pa.timestamp("ns")), ("d", pa.decimal128(20, 18))]
    )
    row = {"b": b"\xff", "f": math.nan, "t": 1, "d": D("1.234567890123456789")}
    row_json = '{"b":"/w==","f":"NaN","t":"1970-01-01 00:00:00.000000001","d":1.234567890123456789}'
    inner = pa.struct([("x", pa.list_(pa.struct([("y", pa.time64("us"))])))])
    return [
        Cell(pa.dictionary(pa.int32(), pa.string()), "a", '"a"'),
        Cell(pa.list_(pa.int64()), [1, None], "[1,null]"),
        Cell(pa.large_list(moment), [0], '["1970-01-01 00:00:00.000000"]'),
        Cell(pa.list_(day, 2), [0, None], '["1970-01-01",null]'),
        Cell(pa.list_(moment), [2**63 - 1], '["+294247-01-10 04:00:54.775807"]', BEYOND),
        Cell(pa.list_(pa.float64()), [math.inf], '["Infinity"]'),
        Cell(pa.list_(pa.duration("ns")), [1], '["PT0.000000001S"]'),
        Cell(struct, row, row_json),
        Cell(pa.struct([("t", moment)]), {"t": -(2**63)}, '{"t":"-290308-12-21 19:59:05.224192"}', BEYOND),
        Cell(inner, {"x": [{"y": 1}, None]}, '{"x":[{"y":"00:00:00.000001"},null]}'),
        Cell(pa.map_(pa.string(), pa.binary()), [("k", b"\xff")], '[["k","/w=="]]'),
        Cell(pa.map_(pa.int64(), moment), [(1, 2**63 - 1)], '[[1,"+294247-01-10 04:00:54.775807"]]', BEYOND),
        Cell(pa.list_(pa.list_(pa.decimal128(3, 1))), [[D("1.0")], []], "[[1.0],[]]"),
    ]


def _views() -> list[Cell]:
    """Return nested values whose types are rare."""
    return [
        Cell(pa.list_view(pa.int64()), [1, None], "[1,null]"),
        Cell(pa.list_(pa.string_view()), ["a"], '["a"]'),
        Cell(pa.list_(pa.float16()), [0.5, math.nan], '[0.5,"NaN"]'),
        Cell(pa.list_(pa.dictionary(pa.int32(), pa.string())), ["a", None], '["a",null]'),
        Cell(pa.list_(pa.map_(pa.string(), pa.int64())), [[("k", 1)], None], '[[["k",1]],null]'),
        Cell(pa.struct([('a"b', pa.int64())]), {'a"b': 1}, '{"a\\"b":1}'),
    ]


CELLS = [
    cell
    for cell in (*_views(), *_integers(), *_floats(), *_decimals(), *_texts(), *_times(), *_nested())
    if READS_MISSING_FIXED_SIZE_LISTS or not pa.types.is_fixed_size_list(cell.type)
]
