"""A CSV or Parquet output has the same columns, order and types, whatever records a night has."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import Etl

from model_etl.schema.fields import fields_of
from model_etl.schema.shapes import Shape

MODEL = ("-m", "nightly_models:Tagger")
SCHEMA = pa.schema([("id", pa.int32()), ("x", pa.float64()), ("day", pa.date32()), ("who", pa.list_(pa.string()))])
NESTED = {
    "total": "double",
    "tags": "list<element: string>",
    "why": "list<element: int64>",
    "reasons": "map<string, double ('reasons')>",
    "point": "struct<x: double, y: int64>",
    "points": "list<element: struct<x: double, y: int64>>",
}
ROWS: dict[str, list[dict[str, Any]]] = {
    "full": [{"id": 1, "x": 20.0, "day": None, "who": ["me"]}],
    "quiet": [{"id": 1, "x": 1.0, "day": None, "who": []}],
    "none": [],
    "rejected": [{"id": 1, "x": None, "day": None, "who": None}],
    "withheld": [{"id": 1, "x": 20.0, "day": None, "who": None}],
}
NAMES = ",".join(NESTED)


def night(etl: Etl, name: str, form: str, output: str, *options: str) -> None:
    """Score the records of a night in a format."""
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS[name], SCHEMA), etl.folder / "in.parquet")
    elif form == "csv":
        cells = [f"{row['id']},{'' if row['x'] is None else row['x']},,\n" for row in ROWS[name]]
        etl.write("in.csv", "id,x,day,who\n" + "".join(cells))
    else:
        etl.write("in.json", [{k: v for k, v in row.items() if v is not None} for row in ROWS[name]])
    rules = ["--rules", "nightly_models:Nothing"] if name == "withheld" else []
    done = etl("run", *MODEL, *rules, "-i", f"in.{form}", "-o", output, "--max_errors", "100%", *options)
    assert (done.code, done.err) == (0, "")


def types(etl: Etl) -> dict[str, str]:
    """Give the columns of the Parquet output with their types."""
    return {field.name: str(field.type) for field in pq.read_schema(etl.folder / "out.parquet")}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    ("form", "options", "first"),
    [
        ("csv", ["--join"], "id,x,day,who,"),
        ("csv", ["--keep", "day,id"], "day,id,"),
        ("parquet", ["--join"], "id,x,day,who,"),
        ("json", ["--keep", "id"], "id,"),
        ("json", [], ""),
    ],
)
def test_csv_has_the_same_first_row(etl: Etl, name: str, form: str, options: list[str], first: str) -> None:
    """It comes from the input's columns and the output schema."""
    night(etl, name, form, "out.csv", *options)
    assert (etl.folder / "out.csv").read_text().split("\n")[0] == first + NAMES


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    ("form", "options", "kept"),
    [
        ("parquet", ["--join"], {"id": "int32", "x": "double", "day": "date32[day]", "who": "list<element: string>"}),
        ("parquet", ["--keep", "who,id"], {"who": "list<element: string>", "id": "int32"}),
        ("csv", ["--join"], {"id": "string", "x": "double", "day": "string", "who": "string"}),
        ("json", [], {}),
    ],
)
def test_parquet_has_the_same_columns(etl: Etl, name: str, form: str, options: list[str], kept: dict[str, str]) -> None:
    """With the types of the input's schema and of the output schema, in lists and objects too."""
    night(etl, name, form, "out.parquet", *options)
    assert list(types(etl).items()) == list({**kept, **NESTED}.items())


def test_an_empty_file_gives_an_output_with_the_columns_that_are_known(etl: Etl) -> None:
    """Those of the model, and of --keep."""
    etl.write("in.csv", "")
    assert etl("run", *MODEL, "-i", "in.csv", "-o", "out.csv", "--keep", "id").code == 0
    assert (etl.folder / "out.csv").read_text() == f"id,{NAMES}\n"
    assert etl("run", *MODEL, "-i", "in.csv", "-o", "out.csv", "--join").code == 0
    assert (etl.folder / "out.csv").read_text() == f"x,{NAMES}\n"


def test_each_output_of_a_folder_has_the_columns_of_its_input(etl: Etl) -> None:
    """Also where an input has no records."""
    (etl.folder / "in").mkdir()
    etl.write("in/1.csv", "id,x\n1,2\n")
    etl.write("in/2.csv", "x,id\n")
    etl.write("in/3.csv", "x\nwrong\n")
    done = etl("run", *MODEL, "-i", "in", "-o", "out/", "--join", "--max_errors", "1", "--workers", "2")
    assert (done.code, done.err) == (0, "")
    heads = [(etl.folder / "out" / f"{n}.csv").read_text().split("\n")[0] for n in (1, 2, 3)]
    assert heads == [f"id,x,{NAMES}", f"x,id,{NAMES}", f"x,{NAMES}"]


def test_values_of_nested_types_are_exact(etl: Etl) -> None:
    """An object with any names is a map, which has the same type whatever its names are."""
    etl.write("in.json", [{"x": 20.5}, {"x": 1.0}])
    assert etl("run", *MODEL, "-i", "in.json", "-o", "out.parquet").code == 0
    point = {"x": 20.5, "y": 1}
    first, second = pq.read_table(etl.folder / "out.parquet").to_pylist()
    assert first == {
        "total": 20.5, "tags": ["big"], "why": [1], "reasons": [("x", 0.5)], "point": point, "points": [point]
    }  # fmt: skip
    assert second == {"total": 1.0, "tags": [], "why": None, "reasons": [], "point": None, "points": []}


def test_lists_that_no_schema_describes_have_the_types_of_many_records(etl: Etl) -> None:
    """The first records of a kept field may be empty lists."""
    etl.write("in.json", [{"x": 1, "kept": []}] * 9000 + [{"x": 1, "kept": [1.5]}])
    assert etl("run", *MODEL, "-i", "in.json", "-o", "out.parquet", "--keep", "kept").code == 0
    assert types(etl)["kept"] == "list<element: double>"


INTEGER, TEXT = {"type": "integer"}, {"type": "string"}
LIST, NULL = {"type": "array", "items": INTEGER}, {"type": "null"}
DESCRIBED: dict[str, tuple[dict[str, Any], Shape | None]] = {
    "list": (LIST, Shape("list", Shape("integer"))),
    "list or null": ({"anyOf": [LIST, NULL]}, Shape("list", Shape("integer"))),
    "list of anything": ({"type": "array", "items": {}}, None),
    "lists of two types": ({"anyOf": [LIST, {"type": "array", "items": TEXT}]}, None),
    "list of numbers of two types": (
        {"type": "array", "items": {"anyOf": [INTEGER, {"type": "number"}]}},
        Shape("list", Shape("number")),
    ),
    "pair": ({"type": "array", "prefixItems": [INTEGER, INTEGER]}, Shape("list", Shape("integer"))),
    "pair of two types": ({"type": "array", "prefixItems": [INTEGER, TEXT]}, None),
    "map": ({"type": "object", "additionalProperties": LIST}, Shape("map", Shape("list", Shape("integer")))),
    "map of anything": ({"type": "object", "additionalProperties": True}, None),
    "object": ({"type": "object", "properties": {"a": TEXT}}, Shape("object", members=(("a", Shape("text")),))),
    "object without members": ({"type": "object", "properties": {}}, None),
    "object with more members": ({"type": "object", "properties": {"a": TEXT}, "additionalProperties": True}, None),
    "object of objects like it": ({"$ref": "#/$defs/Tree"}, None),
    "list of choices": ({"type": "array", "items": {"enum": ["a", "b"]}}, Shape("list", Shape("text"))),
}


@pytest.mark.parametrize("case", DESCRIBED)
def test_the_shape_of_a_nested_field(case: str) -> None:
    """A field has a shape if all its values have one type."""
    declared, shape = DESCRIBED[case]
    tree = {"type": "object", "properties": {"below": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}}
    schema = {"properties": {"f": declared}, "$defs": {"Tree": tree}}
    assert fields_of(json.loads(json.dumps(schema)), outputs=True)["f"].shape == shape
