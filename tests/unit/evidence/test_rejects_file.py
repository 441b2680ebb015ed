"""The rejects file, and scoring it again."""

from __future__ import annotations

import base64
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import Etl
from hypothesis import given, settings
from hypothesis import strategies as st

from model_etl.errors import DataError
from model_etl.formats import FORMATS, RejectsFile, rejects
from model_etl.records.batch import Batch, Rejection, Source

MODEL = "format_models:Scorer"
ROWS = [("a", 1.5), ("b", -2.0), ('c,\n"é', -3.25), ("d", 4.0)]


def parsed(data: bytes) -> list[Batch]:
    """Read a rejects file."""
    return list(RejectsFile(FORMATS).read(io.BytesIO(data), Source("rejects", "f" * 32, "rejects"), {}))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 99), st.integers(0, 2**40), st.binary(min_size=1, max_size=20) | st.just(b'{"a":1}')),
        max_size=6, unique_by=lambda r: r[0],
    ),
    st.binary(max_size=8),
)  # fmt: skip
def test_every_reject_comes_back_with_its_place_and_bytes(found, header):
    """Any text, UTF-8 or not, is written with position, offset and source, and read back as it was."""
    source = Source("in é.csv", "0123456789abcdef" * 2, "ldjson", header)
    made = [Rejection(source, p, o, text, None, "parse", "Bad", 'why "\n') for p, o, text in found]
    data = rejects.encode(made)
    assert [list(json.loads(line))[:4] for line in data.splitlines()] == [
        ["position", "stage", "type", "message"]
    ] * len(made)
    back = [
        (b.source, *row)
        for b in parsed(data)
        for row in [
            *zip(b.positions, b.offsets, b.texts, strict=True),
            *((r.position, r.offset, r.text) for r in b.rejected),
        ]
    ]
    assert sorted(back, key=lambda r: r[1]) == [(source, *r) for r in sorted(found)]


@pytest.mark.parametrize(
    "line",
    [
        b"{}", b"[]", b"hello", b'{"position":1,"offset":0,"format":"xml","input":"a","source":"b","text":"c"}',
        b'{"position":"x","offset":0,"format":"csv","input":"a","source":"b","text":"c"}',
        b'{"position":1,"offset":0,"format":"csv","input":"a","source":"b","text_base64":"?"}',
        b'{"position":1,"offset":0,"format":["csv"],"input":"a","source":"b","text":"c"}',
        b'{"position":1,"offset":0,"format":"csv","input":"a","source":"b"}', b"\xff",
    ],
)  # fmt: skip
def test_a_line_that_is_no_reject_is_named(line):
    """Another file given to retry ends the run with the line's number."""
    good = rejects.encode([Rejection(Source("a", "0" * 32, "ldjson"), 1, 0, b"{}", None, "parse", "x", "y")])
    with pytest.raises(DataError, match="line 2 of rejects is not a reject"):
        parsed(good + line + b"\n")


def test_a_csv_reject_without_its_header_is_a_reject_again():
    """Someone removed the header: the record cannot be understood, and nothing crashes."""
    line = {"position": 3, "offset": 9, "format": "csv", "input": "a", "source": "b", "text": "1,2"}
    (batch,) = parsed(json.dumps(line).encode())
    assert [(r.position, r.stage, r.text) for r in batch.rejected] == [(3, "parse", b"1,2")]


def inputs(form: str) -> bytes | pa.Table:
    """Give the rows as a file."""
    lines = [json.dumps({"id": i, "amount": a}, ensure_ascii=False) for i, a in ROWS]
    cells = ['"' + i.replace('"', '""') + f'",{a}' for i, a in ROWS]
    return {
        "jsonl": "\ufeff" + "\r\n\n".join(lines),
        "json": "[\n " + ",\n ".join(lines).replace(', "', ',\n "') + "\n]",
        "csv": "\ufeffid,amount\r\n" + "\r\n".join(cells),
        "tsv": "id\tamount\n" + "\n".join(f"{i}\t{a}".replace("\n", " ") for i, a in ROWS) + "\n",
        "quoted_tsv": "id\tamount\n" + "\n".join(c.replace('",', '"\t') for c in cells) + "\n",
        "parquet": pa.table({"id": [i for i, _ in ROWS], "amount": [a for _, a in ROWS]}),
    }[form]


def events(etl: Etl, name: str) -> dict[str, tuple[int, str, object]]:
    """Give position, subject and output of each prediction by its id."""
    return {
        e["id"]: (e["data"]["position"], e["subject"], e["data"].get("output"))
        for e in etl.lines(name)
        if e["type"].startswith("model_etl.prediction")
    }


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "tsv", "quoted_tsv", "parquet"])
def test_a_retry_gives_what_the_first_run_would_have_given(etl: Etl, form: str) -> None:
    """After a fix of the model the rejects have the same ids, positions and outputs as if nothing had gone wrong."""
    name = f"in.{form}"
    data = inputs(form)
    if isinstance(data, str):
        etl.write(name, data)
    else:
        pq.write_table(data, etl.folder / name)
    told = {"json": ["--input_format", form], "quoted_tsv": ["--tsv_quotes", "--input_format", "tsv"]}.get(form, [])
    fixed = {"FIXED": "1"}
    arguments = ["--model", MODEL, "-i", name, "-o", "all.json", *told, "--prediction_log", "all.log"]
    assert etl("run", *arguments, env=fixed).code == 0
    arguments = ["--model", MODEL, "-i", name, "-o", "out.json", *told, "--max_errors", "2", "--rejects", "bad.ldjson"]
    done = etl("run", *arguments, "--prediction_log", "first.log")
    assert done.code == 0, done.err
    bad = etl.lines("bad.ldjson")
    assert [(b["position"], b["stage"], b["type"], b["message"]) for b in bad] == [
        (2, "predict", "ValueError", "a negative amount"),
        (3, "predict", "ValueError", "a negative amount"),
    ]
    if isinstance(data, str):
        for b in bad:
            text = b["text"].encode()
            assert data.encode()[b["offset"] : b["offset"] + len(text)] == text
    done = etl("retry", "bad.ldjson", "--model", MODEL, "-o", "again.json", "--prediction_log", "again.log", env=fixed)
    assert (done.code, done.err) == (0, "")
    assert etl.lines("again.json") == [{"score": -2.0}, {"score": -3.25}]
    whole, first, again = events(etl, "all.log"), events(etl, "first.log"), events(etl, "again.log")
    assert set(whole) == set(first)  # rejected or not, an event's id is that of its record
    assert again == {i: e for i, e in whole.items() if e[0] in (2, 3)}


def test_text_that_is_not_utf8_is_kept_exactly(etl: Etl) -> None:
    """It comes as base64, and a retry rejects it again with the same place and bytes."""
    row = b'\xe9,"1"'
    etl.write("in.csv", b"id,amount\n" + row + b"\nb,2\n")
    run = ["run", "--model", MODEL, "-i", "in.csv", "-o", "out.json", "--max_errors", "1", "--rejects", "bad.ldjson"]
    assert etl(*run).code == 0
    (bad,) = etl.lines("bad.ldjson")
    assert base64.b64decode(bad["text_base64"]) == row
    assert (bad["position"], bad["offset"], bad["stage"], bad["type"]) == (1, 10, "parse", "InvalidUTF8")
    done = etl("retry", "bad.ldjson", "--model", MODEL, "-o", "again.json", "--rejects", "still.ldjson")
    assert done.code == 65
    assert etl.lines("still.ldjson") == [bad]


def test_without_rejects_there_is_no_file(etl: Etl) -> None:
    """The file is made only when there are any, beside the output."""
    etl.write("in.json", [{"id": "a", "amount": 1}])
    assert etl("run", "--model", MODEL, "-i", "in.json", "-o", "out.json").code == 0
    assert not [name for name in etl.files() if "rejects" in name]
    etl.write("in.json", [{"id": "a", "amount": -1}, {"id": "a", "amount": 1}])
    assert etl("run", "--model", MODEL, "-i", "in.json", "-o", "out.json", "--max_errors", "1").code == 0
    assert [name for name in etl.files() if "rejects" in name] == ["out.rejects.ldjson"]
