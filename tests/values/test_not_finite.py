"""NaN, infinity and numbers beyond the range of floats mean the same in each format and to each kind of model."""

# ruff: noqa: UP045

from __future__ import annotations

import io
import json
from typing import Any, Optional

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import Etl
from helpers.reading import batches
from pydantic import BaseModel, Field, FiniteFloat, StrictFloat, ValidationError, create_model

from model_etl.schema.codecs import InputSchema

NUMBERS = ["1e400", "-1e400", "1E+400", "1e309", "1e-400", "-1e-400", "1e99999999999999999999", "1" + "0" * 400]
"""As JSON and CSV write numbers."""
WORDS = ["NaN", "nan", "-nan", "inf", "+inf", "-inf", "Inf", "INF", "Infinity", "-Infinity", "infinity", "INFINITY"]
"""As JSON writes them in strings, and CSV as they are."""
FIELDS: dict[str, Any] = {
    "float": (float, ...),
    "optional": (Optional[float], None),
    "at least": (float, Field(ge=0)),
    "at most": (float, Field(le=1e6)),
    "between": (float, Field(gt=-1, lt=2)),
    "allow_inf_nan": (float, Field(allow_inf_nan=False)),
    "optional finite": (Optional[FiniteFloat], None),
    "strict": (StrictFloat, ...),
    "int": (int, ...),
    "beside an int": (float, ...),
}
WAYS = {
    "predict": {},
    "predict_batch": {"attributes": True},
    "predict_columns": {"attributes": True, "columns": True},
}


def schema_of(name: str) -> type[BaseModel]:
    """Return a schema with the field x of that kind, and a field that is always 1.5."""
    more: dict[str, Any] = {"n": (int, 7)} if name == "beside an int" else {}
    return create_model("Record", x=FIELDS[name], y=(float, ...), **more)


def files(value: str, *, word: bool) -> dict[str, bytes]:
    """Return a record with x in each format; its other field is read by no model."""
    token = json.dumps(value) if word else value
    record = f'{{"y":1.5,"x":{token},"unread":{token}}}'.encode()
    row = f"1.5,{value},{value}".encode()
    plain = {
        "ldjson": record + b'\n{"y":1.5,"x":1}\n',
        "json": b"[" + record + b',{"y":1.5,"x":1}]',
        "csv": b"y,x,unread\n" + row + b"\n1.5,1,\n",
        "tsv": b"y\tx\tunread\n" + row.replace(b",", b"\t") + b"\n1.5\t1\t\n",
    }
    if word:
        file = io.BytesIO()
        column = [float(value), 1.0]
        pq.write_table(pa.table({"y": [1.5, 1.5], "x": column, "unread": column}), file)
        plain["parquet"] = file.getvalue()
    return plain


def expected(schema: type[BaseModel], value: str, *, word: bool) -> str:
    """Return what the schema itself says of the record."""
    if value.endswith("e-400") and schema.model_fields["x"].annotation is int:
        return "rejected"  # it is not a whole number, although pydantic reads it through a float
    try:
        token = json.dumps(value) if word else value
        return repr(schema.model_validate_json(f'{{"y":1.5,"x":{token}}}').x)  # type: ignore[attr-defined]
    except ValidationError:
        return "rejected"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [*NUMBERS, *WORDS], ids=lambda value: value[:12])
def test_a_field_gets_what_its_schema_says(value: str, name: str, way: str) -> None:
    """The schema decides, whatever the format and however the model is called; the next record is no worse for it."""
    schema = schema_of(name)
    decoder = InputSchema(schema, **WAYS[way])
    word = value in WORDS
    for form, data in files(value, word=word).items():
        if name == "strict" and word and form != "parquet":
            continue  # text is no float to it
        (batch,) = batches(form, data, decoder.fields())
        decoded = decoder.decode_batch(batch)
        found = [repr(float(record.x) if name != "int" else record.x) for record in decoded.inputs]
        wanted = expected(schema, value, word=word)
        if name == "strict" and word:
            continue
        last = "1" if name == "int" else "1.0"
        assert (form, found) == (form, [last] if wanted == "rejected" else [wanted, last])
        assert [r.position for r in decoded.rejected] == ([1] if wanted == "rejected" else [])


class Read(BaseModel):
    y: float


BEYOND_PARSERS = {"5000 digits": "1" * 5000, "300 levels": "[" * 300 + "]" * 300}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "value", [*NUMBERS, *(f'"{word}"' for word in WORDS), *BEYOND_PARSERS], ids=lambda value: value[:12]
)
def test_a_field_that_nobody_reads_costs_no_record(value: str, way: str) -> None:
    """What a model does not read can be any JSON, also what is beyond the limits of parsers; it keeps its text."""
    token = BEYOND_PARSERS.get(value, value)
    decoder = InputSchema(Read, **WAYS[way])
    record = f'{{"unread":{token},"y":1.5}}'.encode()
    for form, data in {"ldjson": record, "json": b"[" + record + b"]"}.items():
        (batch,) = batches(form, data, decoder.fields())
        decoded = decoder.decode_batch(batch)
        assert [record.y for record in decoded.inputs] == [1.5]
        assert decoded.documents[0] == record


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "inf", "01", "1.", "+1", "1e", ".5"])
def test_what_is_not_json_is_a_reject_wherever_it_stands(token: str, way: str) -> None:
    """NaN without quotes is not JSON: there is no record, whether the model reads the field or not."""
    decoder = InputSchema(Read, **WAYS[way])
    for name in ("y", "unread"):
        (batch,) = batches("ldjson", f'{{"y":1.5,"{name}":{token}}}'.encode(), decoder.fields())
        assert [r.type_name for r in decoder.decode_batch(batch).rejected] == ["InvalidJSON"]


@pytest.mark.parametrize("model", ["LooseOne", "LooseBatch"])
@pytest.mark.parametrize("output", ["json", "csv", "tsv"])
@pytest.mark.parametrize("option", [("--join",), ("--keep", "id,z")])
def test_a_number_beyond_floats_is_published_as_it_is(
    etl: Etl, option: tuple[str, ...], output: str, model: str
) -> None:
    """Its text reaches output and log, and a reject that is tried again."""
    etl.write("in.json", '{"id":"a","amount":1,"z":1e400}\n{"id":"b","amount":-1,"z":-1E400}\n')
    arguments = ("-m", f"not_finite_models:{model}", *option)
    done = etl("run", *arguments, "-i", "in.json", "-o", f"out.{output}", "--max_errors", "1")
    assert (done.code, done.err) == (0, "")
    assert b"1e400" in (etl.folder / f"out.{output}").read_bytes()
    assert b'"z":1e400' in (etl.folder / "out.log.ldjson").read_bytes()
    again = etl("retry", "out.rejects.ldjson", *arguments, "-o", f"again.{output}", env={"FIXED": "1"})
    assert (again.code, again.err) == (0, "")
    assert b"-1E400" in (etl.folder / f"again.{output}").read_bytes()


def test_a_number_beyond_floats_is_no_value_of_parquet(etl: Etl) -> None:
    """A column that cannot hold it is refused, in words."""
    etl.write("in.json", '{"id":"a","amount":1,"z":1e400}\n')
    done = etl("run", "-m", "not_finite_models:LooseOne", "-i", "in.json", "-o", "out.parquet", "--join")
    assert done.code == 78
    assert "z" in done.err
    assert "bug" not in done.err


def test_a_rule_sees_a_number_beyond_floats_as_infinite(etl: Etl) -> None:
    """As Python reads it."""
    etl.write("in.json", '{"id":"a","amount":1,"z":1e400}\n{"id":"a","amount":1,"z":1}\n')
    rule = ("--rules", "not_finite_models:Infinite", "-v")
    done = etl("run", "-m", "not_finite_models:LooseOne", "-i", "in.json", "-o", "out.json", *rule)
    assert "2 read = 1 written + 0 rejected + 1 withheld" in done.err
