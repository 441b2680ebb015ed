"""JSON Lines that are decoded to columns become what they do record by record: values, rejects, texts, documents."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import pytest
from pydantic import BaseModel, Field
from test_column_decoding import CELLS, LIKELY, TYPES, assert_alike, plainly, schema_of

from model_etl.columns.column_input import ColumnInput
from model_etl.columns.column_records import ColumnRecords
from model_etl.formats.json_array import JSON_ARRAY
from model_etl.formats.json_lines import LDJSON
from model_etl.records.batch import Batch, Source

VALUES = [
    *map(json.dumps, CELLS),
    *("1", "0", "-0", "-0.0", "1.0", "2.5", "1e2", "1E400", "-1e400", "NaN", "Infinity", "nul", "01", "+1", ".5"),
    *("null", "true", "false", "9007199254740993", "9007199254740993.0", "9223372036854775808", "-9223372036854775809"),
    *("0.1000000000000000055511151231257827", "1" * 5000, '"\\ud800"', '"\\u0000"', '"\xff"', '"a', "[1,2]", '[1,"x"]'),
    *('{"x":1}', '{"x":"a"}', "[" * 300 + "]" * 300, "5,5", '1,"required":2', '1,"required":"x"', " 1 ", "\t1"),
]
"""The text of a member's value, or of what is wrong there."""
LINES = [
    *(b"", b" ", b"{}", b"[]", b"1", b"null", b"{", b"}", b"{}{}", b"{} {}", b'{"required":1}x', b' {"required":1}'),
    *(b'{"required":1,}', b'{"other":[{}]}', b'{"\\u0072equired":1}', b"\xff", b"\xef\xbb\xbf{}", b'{"required":1}\r'),
]
"""Whole lines."""


def read(lines: list[bytes]) -> list[Batch]:
    """Read lines of JSON."""
    source = Source("in", "0" * 32, "ldjson", in_columns=True)
    return list(LDJSON.read(io.BytesIO(b"\n".join([*lines, b""])), source, {}))


def line(*values: str | None) -> bytes:
    """Return a record; a value that is None is absent."""
    names = ("required", "nullable", "optional", "default")
    members = [f'"{name}":{value}' for name, value in zip(names, values, strict=True) if value is not None]
    return ("{" + ",".join(['"id":"x"', *members]) + "}").encode("latin-1" if "\xff" in str(values) else "utf-8")


def likely(annotation: Any) -> str:
    """Return the JSON of a value that a type accepts."""
    cell = LIKELY.get(annotation, ["1"])[0]
    plain = annotation in LIKELY and cell[0] in "{[-0123456789tf" and not set(cell) & {":", "T"} and cell.count("-") < 2
    return cell if plain or cell[0] in "{[" else json.dumps(cell)


@pytest.mark.parametrize("annotation", TYPES.values(), ids=TYPES)
def test_lines_become_what_they_do_one_by_one(annotation: Any) -> None:
    """Each value of each type, alone, beside a good record, and in any mixture, gives the same values and rejects."""
    schema, chance, good = schema_of(annotation), random.Random(0), likely(annotation)
    files = [[line(value, value, value, value), line(good, good, "null", None)] for value in VALUES]
    files += [[line(good, good, None, None), other, line(good, "null", good, good)] for other in LINES]
    for _ in range(25):
        choices = [*VALUES, None, *[good] * len(VALUES)]
        files.append([line(*chance.choices(choices, k=4)) for _ in range(chance.randint(1, 6))])
    for lines in files:
        batches = read(lines)
        assert_alike(schema, batches, list(map(plainly, batches)))


class Mixed(BaseModel):
    """A record with a text, a number and another name than its field's."""

    text: str | None = None
    number: float = Field(alias="n", gt=0)
    count: int = 3


def test_regular_lines_are_columns_beside_rejects_and_parts() -> None:
    """Several parts of a block, with refused records in one of them, become the columns of the accepted records."""
    lines = [b'{"text":"%d","n":%d.5,"extra":[]}' % (number, number) for number in range(20_000)]
    lines[7], lines[15_000], lines[15_001] = b'{"n":-1}', b'{"n":"2.5"}', b"nonsense"
    source = Source("in", "0" * 32, "ldjson", scale=12, in_columns=True)
    for end in (b"\n", b"\n\n"):
        (batch,) = LDJSON.read(io.BytesIO(end.join([*lines, b""])), source, {})
        (decoded,) = assert_alike(Mixed, [batch], [plainly(batch)])
        assert isinstance(decoded.inputs, ColumnRecords)
        assert [reject.position for reject in decoded.rejected] == [8, 15_002]
        assert decoded.inputs[14_998].number == 14_999.5
        assert decoded.inputs.columns["number"][14_999].as_py() == 2.5


def test_a_json_array_is_columns_too() -> None:
    """The records of a JSON array are decoded in the same way, whatever line breaks they contain."""
    source = Source("in", "0" * 32, "json", in_columns=True)
    text = b'[{"n": 1,\n"text": "a"}, {"n": 0}, {"n": 2, "count": 4}]'
    (batch,) = JSON_ARRAY.read(io.BytesIO(text), source, {})
    (decoded,) = assert_alike(Mixed, [batch], [plainly(batch)])
    assert isinstance(decoded.inputs, ColumnRecords)
    assert decoded.inputs.columns["count"].to_pylist() == [3, 4]


def test_a_value_beyond_its_column_leaves_records_as_they_are() -> None:
    """A whole number beyond 64 bits is a valid record, which no column holds."""
    (batch,) = read([b'{"n":1,"count":%d}' % 2**70, b'{"n":1}'])
    assert [record.count for record in ColumnInput(Mixed, frames=True).decode_batch(batch).inputs] == [2**70, 3]
