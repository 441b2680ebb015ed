"""TSV without quotes, as IANA registers it, and the format quoted_tsv."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers.command import Etl
from helpers.reading import documents, predicted, records
from hypothesis import given, settings
from hypothesis import strategies as st

from model_etl.errors import ConfigurationError
from model_etl.formats.csv_cells import Cells
from model_etl.schema.fields import Field

MODEL = ("-m", "format_models:LooseScorer")
CELL = st.text(
    st.sampled_from("a0,;\"'\\ é😀") | st.characters(exclude_categories=("Cs",), exclude_characters="\x00\t\r\n"),
    max_size=6,
)
LINES = ["One\t1", '"Two\t2', "Three\t3", 'Four"\t4', '"Five"\t5', 'S"ix""\t6', '""\t7', "\\\t8"]


@settings(max_examples=300, deadline=None)
@given(
    st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=1, max_size=6)),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 60),
)
def test_each_line_is_a_row_and_each_quote_is_text(rows: list[list[str]], end: str, size: int) -> None:
    """What is between two tabs is the cell, whatever it is."""
    names = [f"n{i}" for i in range(len(rows[0]))]
    data = end.join("\t".join(row) for row in [names, *rows, []]).encode()
    found = [list(json.loads(text).values()) for text in documents("tsv", data, size=size)]
    assert found == rows


def test_a_quote_reaches_the_text_of_its_own_record_alone() -> None:
    """As in the files of IMDb and Tatoeba: no rows are joined, none is rejected."""
    data = "\n".join(["title\tvotes", *LINES]).encode()
    read = records("tsv", data, {"title": Field("text"), "votes": Field("integer")})
    assert [json.loads(r.document or b"") for r in read] == [
        {"title": line.split("\t")[0], "votes": int(line.split("\t")[1])} for line in LINES
    ]


def test_rows_with_quotes_are_read_at_once() -> None:
    """Quotes do not make reading slow, as they need no care."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cells, "document", None)
        found = documents("tsv", b'a\tb\n"\\x\ty"\n' * 1)
    assert [json.loads(text) for text in found] == [{"a": '"\\x', "b": 'y"'}]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=5))
def test_what_is_written_is_read_back(rows: list[list[str]]) -> None:
    """A quote is written as it is."""
    outputs = [json.dumps({"a": a, "b": b}).encode() for a, b in rows]
    data = predicted("tsv", outputs, ["a", "b"])
    assert data.decode().split("\n") == ["a\tb", *("\t".join(row) for row in rows), ""]
    assert [list(json.loads(text).values()) for text in documents("tsv", data)] == rows


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"a": "x\ty", "b": ""}, "'a' has a tab"),
        ({"a": "", "b": "x\n"}, "'b' has a line end"),
        ({"a": "", "b": "\r"}, "'b' has a carriage return"),
        ({"a": "", "b": ["x\ty\n"]}, None),
        ({"a": ""}, "'a' is empty and the only column"),
    ],
)
def test_a_value_that_a_cell_cannot_hold_is_refused(record: dict[str, Any], words: str | None) -> None:
    """It is never written as another value; JSON in a cell has no such characters."""
    outputs = [json.dumps(value).encode() for value in (dict.fromkeys(record, "1"), record)]
    if words is None:
        assert predicted("tsv", outputs, list(record))
        return
    with pytest.raises(ConfigurationError, match=f"cannot write record 2 of the file as TSV: {words}") as caught:
        predicted("tsv", outputs, list(record))
    assert "--tsv_quotes" in caught.value.remedy
    written = predicted("quoted_tsv", outputs, list(record))
    assert json.loads(documents("quoted_tsv", written)[-1]) == record


def test_a_name_that_a_cell_cannot_hold_is_refused() -> None:
    """The first row is a row too."""
    with pytest.raises(ConfigurationError, match="cannot write the first row as TSV"):
        predicted("tsv", [b'{"a\\tb":1}'], ["a\tb"])


def test_a_tab_in_a_published_value_ends_the_run(etl: Etl) -> None:
    """Exit code 78, the record and the remedy; nothing is published. With quotes it is."""
    etl.write("in.json", [{"id": "a"}, {"id": "b\tc"}])
    done = etl("run", *MODEL, "-i", "in.json", "-o", "out.tsv", "--keep", "id")
    assert done.code == 78
    assert etl.files() == {"in.json"}
    assert "record 2 of in.json" in done.err
    assert "--tsv_quotes" in done.err
    done = etl("run", *MODEL, "-i", "in.json", "-o", "out.tsv", "--keep", "id", "--tsv_quotes")
    assert (done.code, done.err) == (0, "")
    assert (etl.folder / "out.tsv").read_text() == 'id\tscore\na\t1.0\n"b\tc"\t3.0\n'


def test_a_joined_row_of_tsv_is_copied(etl: Etl) -> None:
    """Its quotes too, whatever they mean."""
    etl.write("in.tsv", 'id\tamount\n"a\t1\n')
    assert etl("run", *MODEL, "-i", "in.tsv", "-o", "out.tsv", "--join").code == 0
    assert (etl.folder / "out.tsv").read_text() == 'id\tamount\tscore\n"a\t1\t2.0\n'
    etl.write("in.tsv", 'id\tamount\n"a""b"\t1\n')
    done = etl("run", *MODEL, "-i", "in.tsv", "-o", "out.tsv", "--join", "--tsv_quotes")
    assert (done.code, done.err) == (0, "")
    assert (etl.folder / "out.tsv").read_text() == 'id\tamount\tscore\n"a""b"\t1\t3.0\n'
