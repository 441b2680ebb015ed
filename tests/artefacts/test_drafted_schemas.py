"""`model-etl schema --from` drafts a schema that `--schema` takes, and that accepts each record of its sample."""

from __future__ import annotations

import datetime
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model_etl.artefacts.fields import schema_class
from model_etl.artefacts.schema_file import SchemaFile, read_schema_file
from model_etl.cli.main import main
from model_etl.formats.csv_dialect import dialect_of
from model_etl.formats.csv_tsv import CSV, QUOTED_TSV
from model_etl.formats.json_lines import LDJSON
from model_etl.formats.parquet import PARQUET
from model_etl.records.batch import Source
from model_etl.schema.codecs import InputSchema

FORMATS = {"csv": CSV, "tsv": QUOTED_TSV, "json": LDJSON, "parquet": PARQUET}
CELLS = """id,zip,age,income,plus,name,opened,seen,local,paid,mostly,empty
1,0123,30,1500.5,+1,ann,2020-01-01,2020-01-01T10:00:00Z,2020-01-01 10:00,true,1,
2,9999,,12,-2,bob,2020-01-02,2020-01-01T10:00:00+0100,2020-01-01T10:00:00.5,False,NA,
3,1234,31,.5e3,3,"",,2020-02-28 10:00Z,2020-01-01T10:00:00.123456789,,3,
"""
CELL_TYPES = {
    "id": "integer", "zip": "string", "age": "integer?", "income": "number", "plus": "integer", "name": "string?",
    "opened": "date?", "seen": "datetime", "local": "datetime-local", "paid": "boolean?", "mostly": "string",
    "empty": "string?",
}  # fmt: skip
RECORDS = [
    {"id": 1, "zip": "0123", "age": 30, "income": 1500, "big": 2**70 + 1, "opened": "2020-01-01",
     "local": "2020-01-01 10:00", "seen": "2020-01-01T10:00:00Z", "paid": True, "late": "2020-01-01", "text": "1"},
    {"id": -2, "zip": "", "age": None, "income": 0.5, "big": 1, "opened": "2024-02-29", "local": "2020-01-01T10:00:00",
     "seen": "2020-01-01 10:00:00+01:00", "paid": False, "late": "2021-02-29", "text": "2", "rare": 1.5},
]  # fmt: skip
RECORD_TYPES = {
    "id": "integer", "zip": "string", "age": "integer?", "income": "number", "big": "integer", "opened": "date",
    "local": "datetime-local", "seen": "datetime", "paid": "boolean", "late": "string", "text": "string",
    "rare": "number?",
}  # fmt: skip
NOON = datetime.datetime(2020, 1, 1, 12, 0, 0, 123456)  # noqa: DTZ001
COLUMNS = {
    "id": pa.array([1, 2], pa.int64()),
    "small": pa.array([1, None], pa.int8()),
    "income": pa.array([1.5, float("nan")]),
    "void": pa.array([float("nan"), None]),
    "zip": pa.array(["0123", "9999"]),
    "opened": pa.array([datetime.date(2020, 1, 1), None]),
    "local": pa.array([NOON, NOON], pa.timestamp("us")),
    "seen": pa.array([NOON, NOON], pa.timestamp("ns", "UTC")),
    "paid": pa.array([True, None]),
    "kind": pa.array(["a", "a"]).dictionary_encode(),
    "empty": pa.array([None, None], pa.string()),
}
COLUMN_TYPES = {
    "id": "integer", "small": "integer?", "income": "number?", "void": "string?", "zip": "string", "opened": "date?",
    "local": "datetime-local", "seen": "datetime", "paid": "boolean?", "kind": "string", "empty": "string?",
}  # fmt: skip


def parquet() -> bytes:
    """Return a Parquet file with a column of each type."""
    out = io.BytesIO()
    pq.write_table(pa.table(COLUMNS), out)
    return out.getvalue()


def drafted(path: Path, capfd: pytest.CaptureFixture[str], *options: str) -> tuple[Any, SchemaFile, str]:
    """Return the draft from a sample, the same as `--schema` reads it, and the messages."""
    assert main(["schema", "--from", str(path), *options]) == 0
    out, err = capfd.readouterr()
    jsonschema.Draft202012Validator.check_schema(json.loads(out))
    file = path.with_name("schema.json")
    file.write_text(out)
    return json.loads(out), read_schema_file(str(file)), err


def accepted(path: Path, schema: SchemaFile, name: str, **dialect: Any) -> list[Any]:
    """Return the records of a sample, each of which the schema must accept, as a run reads them."""
    model_input = InputSchema(schema_class("Input", schema.fields))
    file_format = FORMATS[name]
    if dialect:
        assert isinstance(file_format, type(CSV))
        file_format = file_format.with_dialect(dialect_of(dialect))
    source = Source("in", "0" * 32, file_format.name)
    records: list[Any] = []
    with path.open("rb") as file:
        for batch in file_format.read(file, source, model_input.fields()):
            decoded = model_input.decode_batch(batch)
            assert not decoded.rejected
            records += decoded.inputs
    return records


def types(schema: SchemaFile) -> dict[str, str]:
    """Return the types of the fields, with a question mark after those that may be null."""
    assert all(field.required != field.nullable for field in schema.fields)
    return {field.name: field.type + "?" * field.nullable for field in schema.fields}


@pytest.mark.parametrize(
    ("name", "content", "options", "expected"),
    [
        ("csv", CELLS.encode(), (), CELL_TYPES),
        ("tsv", CELLS.replace(",", "\t").encode(), ("--tsv_quotes",), CELL_TYPES),
        ("json", "".join(json.dumps(record) + "\n" for record in RECORDS).encode(), (), RECORD_TYPES),
        ("parquet", parquet(), (), COLUMN_TYPES),
    ],
    ids=["csv", "tsv", "json", "parquet"],
)
def test_a_draft_accepts_its_sample(
    name: str, content: bytes, options: Any, expected: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A model with a drafted schema rejects no record of the sample that it was drafted from."""
    path = tmp_path / f"in.{name}"
    path.write_bytes(content)
    _, schema, err = drafted(path, capfd, *options)
    assert (types(schema), err) == (expected, "")
    assert len(accepted(path, schema, name)) == content.count(b"\n") - 1 if name in ("csv", "tsv") else 2


def test_what_was_seen_is_beside_the_rules(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Shares, ranges, categories and texts that hide a number stand under x-sample; a line of the draft is a field."""
    path = tmp_path / "in.csv"
    path.write_text(
        "n,kind,d,mostly\n" + "".join(f"{n},{'ab'[n % 2]},2020-01-{n + 10},{n or 'NA'}\n" for n in range(20))
    )
    draft, _, _ = drafted(path, capfd)
    assert draft["properties"] == {
        "n": {"type": "integer", "x-sample": {"minimum": 0, "maximum": 19}},
        "kind": {"type": "string", "x-sample": {"categories": ["a", "b"]}},
        "d": {"type": "string", "format": "date", "x-sample": {"minimum": "2020-01-10", "maximum": "2020-01-29"}},
        "mostly": {"type": "string", "x-sample": {"longest": 2, "not_numbers": ["NA"]}},
    }
    assert draft["x-sample"] == {"records": 20}
    limited, _, _ = drafted(path, capfd, "--limit", "5", "--null_values", "NA")
    assert limited["properties"]["mostly"]["type"] == ["integer", "null"]
    assert limited["x-sample"] == {"records": 5}


def test_a_table_of_another_country(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A sample without names, with commas in numbers and texts for null, is read as a run reads it."""
    path = tmp_path / "in.csv"
    path.write_bytes("1,5;Köln;NA;1,2,3;1.000\n2;Ulm;-7,25;1;2.500\n".encode("cp1252"))
    dialect = {"delimiter": ";", "encoding": "cp1252", "decimal": ",", "null_values": ["NA"], "no_header": True}
    options = [*("--delimiter", ";", "--encoding", "cp1252", "--decimal", ","), *("--null_values", "NA", "--no_header")]
    _, schema, _ = drafted(path, capfd, *options)
    assert types(schema) == {"c1": "number", "c2": "string", "c3": "number?", "c4": "string", "c5": "string"}
    first, second = accepted(path, schema, "csv", **dialect)
    assert (first.c1, first.c2, first.c3) == (1.5, "Köln", None)
    assert (second.c3, second.c5) == (-7.25, "2.500")


def test_what_no_column_holds_is_left_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Lists, objects, mixed types and damaged records are left out, and warnings name them."""
    path = tmp_path / "in.json"
    path.write_text('{"a": 1, "b": [1], "m": 1}\n{"a"\n{"a": 2, "b": null, "c": {"d": 1}, "m": "x"}\n')
    draft, schema, err = drafted(path, capfd)
    assert types(schema) == {"a": "integer"}
    assert draft["required"] == ["a"]
    assert "left out, because they hold lists or objects: b, c\n" in err
    assert "left out, because they hold values of several types: m\n" in err
    assert "left out, because they cannot be read: 1 records\n" in err


@pytest.mark.parametrize(
    ("name", "content", "options", "code", "message"),
    [
        ("none.csv", None, (), 66, "none.csv"),
        ("in.json", "", (), 65, "has no records\n"),
        ("in.json", "{\n", (), 65, "record 1 of"),
        ("in.json", "{}\n", (), 65, "have no fields\n"),
        ("in.json", '{"a": [1]}\n', (), 65, "can be a column: left out, because they hold lists or objects: a\n"),
        ("in.json", "[1]\n", (), 65, "record 1 of"),
        ("in.csv", "a;b\n1;2\n", (), 65, "Use --delimiter ';'; if that is its name, --delimiter ,."),
        ("in.csv", b"a,b\n\xe4,2\n", (), 65, "--encoding latin-1"),
        ("in.json", '{"a": 1}\n', ("--delimiter", ";"), 78, "--delimiter: no input is a table of text"),
    ],
)
def test_no_draft(
    name: str, content: Any, options: Any, code: int, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file without a usable record ends the command with its code and its cause, and nothing is printed."""
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["schema", "--from", str(tmp_path / name), *options]) == code
    out, err = capfd.readouterr()
    assert (out, message in err) == ("", True), err
