"""Outputs that are columns are checked, written and logged with the bytes that each output alone would have."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from pydantic import BaseModel, Field

from model_etl.errors import ConfigurationError, RecordError
from model_etl.evidence.prediction_log import PredictionLog
from model_etl.formats import NAMED_FORMATS
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Answer, Batch, Decision, Rejection, Source
from model_etl.records.json_rows import JsonRows
from model_etl.records.lazy_sequences import LineBlock
from model_etl.schema.codecs import InputSchema, OutputSchema
from model_etl.schema.columns import Table

COUNT = 200
TEXTS = [
    "plain",
    "Île-de-France",
    "",
    "null",
    "=1+1",
    "\uff0d2",
    'a "b"',
    "a,b",
    "tab\there",
    "two\nlines",
    "\\",
    "\x00\x7f",
]
FLOATS = [0.0, -0.0, 1.0, 1e10, 1e16, 123456789012345680.0, 1.5e-6, 5e-324, 1.7976931348623157e308, 0.1, 1 / 3]


class Record(BaseModel):
    id: str
    size: float | None = None


class Outputs(BaseModel):
    score: float
    rank: int = Field(ge=-5)
    kept: bool
    label: str | None = None
    group: Literal["x", "yé"] = "x"
    limit: float | None = Field(default=None, le=1e300)
    note: str = Field(default="none", max_length=20)


def columns(seed: int) -> dict[str, Any]:
    """Return columns of outputs, each of one of the types that a model may answer with."""
    choose = random.Random(seed).choice
    scores = np.array([choose(FLOATS) for _ in range(COUNT)])
    ranks = np.array([choose([0, -5, 2**53 + 1, 2**63 - 1]) for _ in range(COUNT)])
    labels = [choose([*TEXTS, None]) for _ in range(COUNT)]
    kept = ranks > 0
    made: dict[str, Any] = {
        "score": choose(
            [scores, scores.tolist(), np.array(ranks % 7, "float32"), ranks, kept, np.stack([scores] * 2, 1)[:, 0]]
        ),
        "rank": choose([ranks, ranks.tolist(), kept, np.array(ranks % 7, "uint8"), np.array(ranks % 5, ">i2")]),
        "kept": choose([kept, kept.tolist()]),
        "label": choose([labels, np.array(labels, object), [None] * COUNT]),
        "group": choose([["x", "yé"] * (COUNT // 2), np.array(["x", "yé"] * (COUNT // 2))]),
        "limit": choose([scores / 1e10, [None, 1.5] * (COUNT // 2), [None] * COUNT]),
    }
    return made if choose([True, False]) else {**made, "note": ["é" * 20] * COUNT, "other": [1] * COUNT}


def one_by_one(schema: OutputSchema, table: Table) -> tuple[list[bytes], dict[int, tuple[str, str]]]:
    """Return the lines of outputs and the messages of those that are refused, each encoded alone."""
    lines, errors = [], {}
    for index, output in enumerate(table):
        try:
            lines.append(schema.encode(output))
        except RecordError as error:
            lines.append(b"")
            errors[index] = (error.type_name, str(error))
    return lines, errors


def batch_of(documents: Sequence[bytes], outputs: Sequence[bytes]) -> Batch:
    """Return a scored batch of CSV, whatever its documents are."""
    source = Source("in.csv", "0" * 32, "csv", b"id,size", columns=["id", "size"])
    texts = [b"id%d,1.50" % number for number in range(COUNT)]
    return Batch(source, range(1, COUNT + 1), range(10, 10 * COUNT + 10, 10), texts, documents, outputs=outputs)


def documents_of(*, escaped: bool) -> list[bytes]:
    """Return records, some of which lack a field, with texts that JSON escapes or not."""
    ids = TEXTS if escaped else TEXTS[:6]
    encode = msgspec.json.encode
    sizes = [encode({"size": 1.5}), b'{"size":1.50 }', b"{}", b'{"size":null}']
    members = [encode({"id": ids[number % len(ids)]})[:-1] for number in range(COUNT)]
    return [m + (b"," + sizes[i % 4][1:] if i % 4 != 2 else b"}") for i, m in enumerate(members)]


def written(name: str, layout: Layout, batch: Batch) -> bytes | str:
    """Return a file with a batch and then all but two records of it, or why it cannot be written."""
    file = io.BytesIO()
    writer = NAMED_FORMATS[name].writer(file, layout)
    try:
        writer.write(batch)
        writer.write(batch.without({0: RecordError("predict", "E", "m"), 7: RecordError("predict", "E", "m")}))
        writer.finish()
    except ConfigurationError as error:
        return str(error)
    return file.getvalue()


@pytest.fixture(scope="module")
def outputs() -> OutputSchema:
    """Return a schema that msgspec can express."""
    return OutputSchema(Outputs)


@pytest.mark.parametrize("seed", range(30))
def test_columns_have_the_json_of_each_output(outputs: OutputSchema, seed: int) -> None:
    """Arrays of any type of numpy, lists and missing columns are encoded as each output alone is."""
    table = Table(columns(seed), dict)
    lines, failed = outputs.encode_batch(table)
    assert (list(lines), failed) == one_by_one(outputs, table)
    assert isinstance(lines, JsonRows)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("score", [*FLOATS[:9], math.nan] * 20),
        ("score", np.array([1.0, math.inf] * 100)),
        ("score", [1, 0.5] * 100),
        ("score", [True, 0.5] * 100),
        ("score", np.array([1.5, 2.5] * 100, "longdouble")),
        ("score", np.ones((COUNT, 1))),
        ("rank", [-6, 1] * 100),
        ("rank", [2**64, 1] * 100),
        ("rank", np.array([2**64 - 1, 1] * 100, "uint64")),
        ("rank", [1.0, 2.0] * 100),
        ("rank", np.array([1, 2] * 100, "M8[ns]")),
        ("rank", [None, 1] * 100),
        ("kept", [0, 1] * 100),
        ("label", ["\ud800", "a"] * 100),
        ("label", np.ma.masked_array(["a", "b"] * 100, [True, False] * 100)),
        ("group", ["x", "z"] * 100),
        ("limit", [1e301, None] * 100),
        ("note", ["é" * 21, "a"] * 100),
        ("note", [["nested"], "a"] * 100),
    ],
)
def test_what_a_column_cannot_decide_is_left_to_the_schema(outputs: OutputSchema, name: str, values: Any) -> None:
    """An output that the schema refuses is refused with its own message, and costs no other; no value is changed."""
    table = Table({**columns(1), name: values}, dict)
    lines, failed = outputs.encode_batch(table)
    found = {index: (error.type_name, str(error)) for index, error in failed.items()}
    assert (list(lines), found) == one_by_one(outputs, table)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["csv", "tsv", "quoted_tsv", "ldjson", "json", "parquet"])
@pytest.mark.parametrize(
    "layout",
    [{}, {"keep": ("id",)}, {"keep": ("size", "id", "lost")}, {"join": True}, {"csv_formulas": "escape"}],
    ids=str,
)
def test_columns_are_written_with_the_bytes_of_rows(
    outputs: OutputSchema, name: str, layout: dict[str, Any], seed: int
) -> None:
    """Each format and layout holds the same bytes, or refuses a value with the same message, for columns and rows."""
    made = Layout(outputs.fields(), InputSchema(Record).fields(), **layout)
    documents = documents_of(escaped=seed % 2 == 0)
    table = Table(columns(seed), dict)
    by_column = batch_of(LineBlock(b"\n".join(documents), COUNT), outputs.encode_batch(table)[0])
    by_row = batch_of(documents, one_by_one(outputs, table)[0])
    assert written(name, made, by_column) == written(name, made, by_row)


@pytest.mark.parametrize("single", [[None, "a"] * 100, ["", "a"] * 100, ["a,", "b"] * 100], ids=str)
@pytest.mark.parametrize("name", ["csv", "tsv"])
def test_a_single_column_has_no_blank_lines(name: str, single: list[Any]) -> None:
    """An empty cell that is the only one of its row is quoted or refused, as it is record by record."""

    class Label(BaseModel):
        label: str | None

    schema = OutputSchema(Label)
    table = Table({"label": single}, dict)
    layout = Layout(schema.fields(), {})
    rows = [batch_of([b"{}"] * COUNT, lines) for lines in (schema.encode_batch(table)[0], one_by_one(schema, table)[0])]
    assert written(name, layout, rows[0]) == written(name, layout, rows[1])


@pytest.mark.parametrize("inputs", ["full", "hashed", "none"])
@pytest.mark.parametrize("redact", [(), ("score", "id")], ids=str)
@pytest.mark.parametrize("answered", [False, True])
def test_events_of_columns_are_those_of_rows(
    outputs: OutputSchema, inputs: Any, redact: tuple[str, ...], *, answered: bool
) -> None:
    """The log has the same bytes with rejects between the records, redacted fields, digests and rules' answers."""
    documents = documents_of(escaped=True)
    table = Table(columns(3), dict)
    log = PredictionLog("job", "model", "1", inputs, frozenset(redact), clock=lambda: "T")
    answers = [(Answer("rule", Decision("allow", ("fine",))),)] * COUNT if answered else ()

    def encoded(documents: Sequence[bytes], lines: Sequence[bytes]) -> bytes:
        batch = batch_of(documents, lines).replace(answers=answers)
        batch = batch.replace(positions=range(3, 2 * COUNT + 3, 2))
        rejected = [Rejection(batch.source, at, at, b"{", None, "parse", "E", "m") for at in (2, 6, 100, 999)]
        return log.encode(batch.replace(rejected=tuple(rejected)))

    by_row = encoded(documents, one_by_one(outputs, table)[0])
    assert encoded(LineBlock(b"\n".join(documents), COUNT), outputs.encode_batch(table)[0]) == by_row
    assert len(by_row.splitlines()) == COUNT + 4


def test_a_model_may_use_its_arrays_again(outputs: OutputSchema) -> None:
    """Lines that are made later have the values of the prediction, not those that its array has since."""
    made = columns(1) | {"score": np.ones(COUNT), "rank": np.ones(COUNT, "int64")}
    lines, _ = outputs.encode_batch(Table(made, dict))
    for name in ("score", "rank"):
        made[name][:] = 7
    assert next(iter(lines)).startswith(b'{"score":1.0,"rank":1,')


def test_a_batch_beyond_32_bits_is_joined_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that do not fit one array are joined piece by piece."""
    from model_etl.records import arrow_texts  # noqa: PLC0415

    monkeypatch.setattr(arrow_texts, "MOST_BYTES", 10)
    assert arrow_texts.joined([b"<", pa.array(["a", "bc", "é"]), b">"], 3) == "<a><bc><é>".encode()


@pytest.mark.parametrize("field", ["strict_int", "strict_float"])
def test_a_strict_number_is_no_boolean(field: str) -> None:
    """Arrays of booleans become numbers only where the schema takes True for 1."""

    class Strict(BaseModel):
        strict_int: int = Field(default=1, strict=True)
        strict_float: float = Field(default=1.0, strict=True)

    schema = OutputSchema(Strict)
    table = Table({field: np.array([True, False] * COUNT)}, dict)
    lines, invalid = schema.encode_batch(table)
    assert len(invalid) == len(lines) == 2 * COUNT
