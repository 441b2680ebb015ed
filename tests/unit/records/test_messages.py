"""Messages between processes: what a run needs arrives, whatever the other process has installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from model_etl.formats.parquet_reader import RowDocuments
from model_etl.records.batch import Answer, Decision, Source
from model_etl.schema.schema_parts import SchemaPart
from model_etl.scoring.messages import decode, encode


class Word(str):
    """A text of a class that only the model's environment has."""

    __slots__ = ()


def test_a_decision_arrives_without_classes_of_the_rule() -> None:
    """Verdict and messages are plain texts; the output is in the batch already."""
    decision = Decision("replace", (Word("too young"),), {"y": Path("anything")})  # type: ignore[arg-type]
    (answer,) = decode(encode((Answer("rule", decision, b"{}"),)))
    assert answer == Answer("rule", Decision("replace", ("too young",)), b"{}")
    assert type(answer.decision.messages[0]) is str


def test_rows_of_a_table_arrive_without_the_rows_around_them() -> None:
    """A slice is sent as its own rows, with types, metadata and nulls."""
    rows = pa.RecordBatch.from_pydict(
        {"a": pa.array(range(100_000)), "b": pa.array(["x", None] * 50_000).dictionary_encode()}, metadata={"k": "v"}
    ).slice(7, 3)
    message = encode(RowDocuments(rows, {"a": SchemaPart({"int"}), "b": SchemaPart({"str"})}))
    assert len(message) < 5_000
    assert list(decode(bytes(message))) == [b'{"a":7,"b":null}', b'{"a":8,"b":"x"}', b'{"a":9,"b":null}']


def test_a_schema_and_rows_without_columns_arrive() -> None:
    """The schema of a source is what it was; a table without columns still has its rows."""
    schema: Any = pa.schema([("t", pa.timestamp("us", "Europe/Berlin"))], metadata={"k": "v"})
    source = decode(encode(Source("in.parquet", "0" * 32, "parquet", columns=schema)))
    assert source.columns.equals(schema, check_metadata=True)
    rows = pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([])))
    assert list(decode(encode(RowDocuments(rows, {})))) == [b"{}", b"{}"]
