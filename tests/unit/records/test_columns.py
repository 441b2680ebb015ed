"""Columns and blocks: whichever way records take to the model, what comes out is what one by one would give."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import Etl
from helpers.reading import batches, pieces
from hypothesis import given, settings
from hypothesis import strategies as st
from models import column_models

from model_etl.records.batch import Batch
from model_etl.schema.codecs import InputSchema
from model_etl.schema.columns import Table, records_to_arrays
from model_etl.scoring.model import Model
from model_etl.scoring.model_step import MLModelTransformer

LINES = [
    b'{"length":1}',
    b'{"length":2.5,"width":9,"more":{"a":[{}]}}',
    b'{"length":4}{"length":5}',
    b'{"length":4} {"length":5}',
    b'{"length":\n6}',
    b'{"length":7,\n"more":[{}\n,{}]}',
    b'{"length":8}\r',
    b'{\r"length":8}',
    b'{"length":"8"}',
    b'{"length":9,"name":"\xc3\xa4"}',
    b'{"length":9,"name":"\xe4"}',
    b'{"length":9,"name":"}\\n{"}',
    b'{"length":9,"name":"}\n{"}',
    b'{"length":1e400}',
    b'{"length"',
    b"[]",
    b"}",
    b"{",
    b" ",
    b"",
]


def scored(model: str, found: Sequence[Batch]) -> list[Any]:
    """Decode and predict batches; give what became of each record, in order."""
    loaded = Model(getattr(column_models, model)(), f"column_models:{model}")
    told: list[Any] = []
    for batch in found:
        done = MLModelTransformer(model=loaded).predict(loaded.input.decode_batch(batch))
        alive = zip(done.positions, done.offsets, done.texts, done.documents, done.outputs, strict=True)
        told += alive
        told += [(r.position, r.offset, r.text, r.document, r.stage, r.type_name, r.message) for r in done.rejected]
    return sorted(told, key=lambda row: row[0])


def parquet(table: pa.Table) -> list[Batch]:
    """Read a table that was written as a file."""
    file = io.BytesIO()
    pq.write_table(table, file)
    return batches("parquet", file.getvalue())


@given(st.lists(st.sampled_from(LINES) | st.sampled_from(LINES[:2]), max_size=12), st.sampled_from([16, 64, 1 << 19]))
@settings(deadline=None, max_examples=400)
def test_a_block_is_read_as_its_lines_are(lines, size):
    """Records over two lines, two on one line, blanks and garbage: each is judged by its own line, in its place."""
    data = b"\n".join(lines)
    fast, slow = InputSchema(column_models.Flower, attributes=True), InputSchema(column_models.Flower)
    with pieces(size):
        found = batches("ldjson", data)
    for batch in found:
        one, other = fast.decode_batch(batch), slow.decode_batch(batch)
        assert list(one.positions) == list(other.positions)
        assert [(r.length, r.width) for r in one.inputs] == [(r.length, r.width) for r in other.inputs]
        assert [r[1:] for r in one.rejected] == [r[1:] for r in other.rejected]
        for offset, text in zip(one.offsets, one.texts, strict=True):
            assert data[offset : offset + len(text)] == text


@given(st.lists(st.sampled_from(LINES) | st.sampled_from(LINES[:2]), max_size=8))
@settings(deadline=None, max_examples=200)
def test_a_model_of_columns_gets_all_that_the_schema_accepts(lines):
    """Also a number that the schema makes of a text, amid those that are one."""
    found = batches("ldjson", b"\n".join(lines))
    assert scored("ClassifierByColumn", found) == scored("Classifier", found)


def test_lines_and_rows_travel_to_other_processes():
    """A batch that nobody has looked into yet arrives as it was."""
    table = pa.table({"length": [1.0, 2.0], "name": ["a", "ä"]})
    for (batch,) in (batches("ldjson", b'{"length":1}\n{"length":2}\n'), parquet(table)):
        there = pickle.loads(pickle.dumps(batch))
        assert type(there.documents) is type(batch.documents)
        assert (list(there.documents), list(there.offsets)) == (list(batch.documents), list(batch.offsets))


NAMES = st.text(min_size=1, max_size=40).filter(str.isidentifier)


@given(
    st.lists(NAMES, min_size=1, max_size=40, unique=True),
    st.integers(1, 40),
    st.data(),
)
@settings(deadline=None, max_examples=60)
def test_numbers_become_arrays_of_the_same_numbers(names, count, data):
    """Any number of fields with names of any length, in the order that is asked for, to the last bit."""
    struct = msgspec.defstruct("Some", [(f"f{i}", float, msgspec.field(name=name)) for i, name in enumerate(names)])
    values = data.draw(st.lists(st.floats(allow_nan=False), min_size=len(names) * count, max_size=len(names) * count))
    rows = [values[i * len(names) : (i + 1) * len(names)] for i in range(count)]
    wanted = data.draw(st.permutations([f"f{i}" for i in range(len(names))]))
    found = records_to_arrays([struct(*row) for row in rows], dict.fromkeys(wanted, float))
    assert list(found) == wanted
    for name, column in found.items():
        expected = np.array([row[int(name[1:])] for row in rows])
        assert column.dtype == np.float64
        assert column.tobytes() == expected.tobytes()


def test_other_objects_become_arrays_too():
    """Records that are no msgspec objects, and fields of other kinds, have their arrays all the same."""
    records = [SimpleNamespace(a=1.5, b=2, c=True, d=None), SimpleNamespace(a=2.5, b=3, c=False, d="x")]
    found = records_to_arrays(records, {"a": float, "b": int, "c": bool, "d": str | None})
    assert {name: (column.dtype.kind, column.tolist()) for name, column in found.items()} == {
        "a": ("f", [1.5, 2.5]),
        "b": ("i", [2, 3]),
        "c": ("b", [True, False]),
        "d": ("O", [None, "x"]),
    }


PARCELS = st.fixed_dictionaries(
    {
        "weight": st.floats(width=32) | st.integers(-1, 2000) | st.sampled_from([None, 0.5, 1.0, float("nan")]),
        "count": st.integers(-1, 20) | st.sampled_from([None, 2**63, 13]),
        "fragile": st.booleans() | st.none(),
        "city": st.text(max_size=3) | st.none(),
        "sïze": st.sampled_from(["S", "L", "M", None]),
        "note": st.none() | st.floats(),
    }
)
GOOD = st.fixed_dictionaries(
    {
        "weight": st.floats(0.5, 1000, width=32),
        "count": st.integers(0, 20),
        "fragile": st.booleans(),
        "city": st.text(max_size=3),
        "sïze": st.sampled_from(["S", "L"]),
    }
)


@given(st.lists(GOOD, min_size=1, max_size=30) | st.lists(PARCELS | GOOD, min_size=1, max_size=10))
@settings(deadline=None, max_examples=200)
def test_columns_of_a_table_give_what_its_rows_give(rows):
    """Parquet as columns or row by row: the same predictions, and the same rejects for the same reasons."""
    columns = {name: [row.get(name) for row in rows] for name in set().union(*rows)}
    try:
        found = parquet(pa.table(columns))
    except (pa.ArrowException, OverflowError):
        return  # no column holds such a mixture
    assert scored("ByColumn", found) == scored("ByRecord", found)


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.int8(), pa.uint16(), pa.int64(), pa.uint64()])
def test_numbers_of_any_width_are_taken(kind):
    """A table's own number types become those of the schema, or are refused as their JSON would be."""
    table = pa.table(
        {
            "weight": pa.array([1, 100], kind),
            "count": pa.array([1, 13], kind),
            "fragile": [True, False],
            "city": ["a", "b"],
            "sïze": ["S", "L"],
        }
    )
    found = parquet(table)
    assert scored("ByColumn", found) == scored("ByRecord", found)


def test_a_table_reaches_the_model_without_a_record_being_made():
    """Parquet columns that the schema accepts are handed on as arrays, and no line of JSON is made of a row."""
    (batch,) = parquet(pa.table({"length": [1.0, 5.0], "width": [1, 8], "more": ["x", "y"]}))
    model = Model(column_models.ClassifierByColumn(), "column_models:ClassifierByColumn")
    decoded = model.input.decode_batch(batch)
    done = MLModelTransformer(model=model).predict(decoded)
    assert list(done.outputs) == [b'{"species":"setosa"}', b'{"species":"virginica"}']
    assert isinstance(decoded.inputs, Table)
    assert "_all" not in vars(batch.documents)


LENGTHS = st.lists(st.tuples(st.floats(0, 6), st.sampled_from([1.0, 9.0])), max_size=40)


@given(LENGTHS, st.sampled_from(["Classifier", "SameButNot", "Zeros"]))
@settings(deadline=None, max_examples=100)
def test_outputs_as_columns_are_written_as_outputs_one_by_one(flowers, model):
    """Few different outputs or many, refused ones among them, and values that are equal but not the same."""
    data = b"".join(b'{"length":%r,"width":%r}\n' % flower for flower in flowers)
    found = batches("ldjson", data)
    assert scored(f"{model}ByColumn", found) == scored(model, found)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("TooFew", "predict_columns returned 1 values of 'species' for 2 records"),
        ("NoMapping", "predict_columns returned list, not a mapping of fields to columns"),
        ("NoColumn", "predict_columns returned str as 'species', not an array or a list"),
        ("OneValue", "predict_columns returned ndarray as 'species', not an array or a list"),
        ("ChangesItsInput", "read-only"),
    ],
)
def test_wrong_columns_end_the_run(etl: Etl, model: str, said: str) -> None:
    """A model that loses a value, or gives no columns, ends the run; nothing is published in wrong places."""
    etl.write("in.json", [{"length": 1}, {"length": 2}])
    result = etl("run", "-i", "in.json", "-o", "out.json", "-m", f"column_models:{model}")
    assert result.code == 69
    assert said in result.err
    assert etl.files() == {"in.json"}


@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--prediction_log", "none")])
@pytest.mark.parametrize("name", ["in.json", "in.csv", "in.parquet"])
def test_a_run_of_columns_gives_what_a_run_of_records_gives(etl: Etl, name: str, options: tuple[str, ...]) -> None:
    """Through the command line, from any format, with rejects: the same output, rejects and log."""
    rows = [
        {"weight": 0.5 + n, "count": n % 15, "fragile": n % 2 == 0, "city": "Bern", "sïze": "SL"[n % 2]}
        for n in range(200)
    ]
    rows[7]["weight"] = -1.0
    if name == "in.json":
        etl.write(name, rows)
    elif name == "in.csv":
        lines = [",".join(rows[0]), *(",".join(json.dumps(v).strip('"') for v in row.values()) for row in rows)]
        etl.write(name, "\n".join(lines) + "\n")
    else:
        pq.write_table(pa.Table.from_pylist(rows), etl.folder / name, row_group_size=50)
    told = []
    for model in ("ByRecord", "ByColumn"):
        asked = ("--rejects", "rejects.json", "--max_errors", "50%", *options)
        result = etl("run", "-i", name, "-o", "out.json", "-m", f"column_models:{model}", *asked)
        assert result.code == 0, result.err
        log = [event["data"] for event in etl.lines("out.log.ldjson")[1:]] if "out.log.ldjson" in etl.files() else []
        rejects = [{k: v for k, v in reject.items() if k != "code"} for reject in etl.lines("rejects.json")]
        told.append((etl.lines("out.json"), rejects, log))
    assert len(told[0][0]) == 200 - 1 - len([n for n in range(200) if n % 15 == 13])
    assert told[0] == told[1]


@pytest.mark.parametrize("form", ["ldjson", "parquet"])
def test_a_log_that_asks_for_internals_gets_them(etl: Etl, form: str) -> None:
    """A model of columns that explains itself record by record is asked that way when there is a log, and only then."""
    rows = [{"length": 1.0, "width": 1.0}, {"length": 5.0, "width": 9.0}, {"length": 4.0, "width": 1.0}]
    etl.write("in.json", rows)
    pq.write_table(pa.Table.from_pylist(rows), etl.folder / "in.parquet")
    name = {"ldjson": "in.json", "parquet": "in.parquet"}[form]
    run = etl("-i", name, "-o", "out.json", "-m", "column_models:Explaining", "--max_errors", "1")
    assert (run.code, run.err) == (0, "")
    told = [event["data"] for event in etl.lines("out.log.ldjson")[1:]]
    assert [data.get("internals") for data in told] == [{"length": 1.0}, None, {"length": 4.0}]
    assert [data["input"] for data in told] == rows


COLUMNS = [
    pa.array([1.5, 2.5], pa.float16()),
    pa.array(["a", "b"], pa.large_string()),
    pa.array(["a", "b"]).dictionary_encode(),
    pa.array([253402300800, 0], pa.timestamp("us")),
    pa.array([[1.0], []]),
    pa.array([b"a", b"\xff"]),
]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: str(c.type))
def test_what_else_a_table_holds_does_not_matter(column):
    """Columns that the model does not know, of any type, change no prediction."""
    found = parquet(pa.table({"length": [1.0, 5.0], "width": [1.0, 1.0], "more": column}))
    assert scored("ClassifierByColumn", found) == scored("Classifier", found)
