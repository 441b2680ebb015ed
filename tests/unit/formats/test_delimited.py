"""CSV and TSV as users have them."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest
from helpers.command import Etl
from helpers.reading import SCORE, Read, batches, documents, predicted, records, written
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_etl.errors import ConfigurationError, DataError, RecordError
from model_etl.formats import FORMATS
from model_etl.formats.csv_cells import Cells
from model_etl.formats.output_layout import Layout
from model_etl.schema.fields import Field

FORMS = {"csv": ",", "quoted_tsv": "\t"}
ALL_FORMS = {**FORMS, "tsv": "\t"}
CELLS = st.text(
    st.sampled_from("a0,;\t\"'\r\n é😀 ") | st.characters(exclude_categories=("Cs",), exclude_characters="\x00"),
    max_size=6,
)


NAMES = CELLS.filter(lambda name: name and name[0] not in "[{")  # a file that starts as JSON does is taken for JSON


def tables():
    """Make names and rows of as many cells."""
    return st.integers(1, 4).flatmap(
        lambda n: st.tuples(
            st.lists(NAMES, min_size=n, max_size=n, unique=True),
            st.lists(st.lists(CELLS, min_size=n, max_size=n), max_size=5),
        )
    )


@settings(max_examples=200, deadline=None)
@given(tables(), st.integers(1, 40), st.sampled_from(["\n", "\r\n"]), st.sampled_from(sorted(FORMS)), st.booleans())
@example((["a"], [[" "], [""], ["x"]]), 1, "\n", "csv", False)
def test_cells_come_through_as_text(table, size, end, form, bom):
    """What a CSV library writes is read back cell by cell: commas, quotes, line breaks and blanks are kept."""
    names, rows = table
    text = io.StringIO()
    csv.writer(text, delimiter=FORMS[form], lineterminator=end, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    data = (b"\xef\xbb\xbf" if bom else b"") + text.getvalue().encode()
    read = records(form, data, size=size)
    assert [json.loads(r.document) for r in read] == [dict(zip(names, row, strict=True)) for row in rows]
    assert all(data[r.offset : r.offset + len(r.text)] == r.text for r in read)
    assert read == records(form, data)


@settings(max_examples=200, deadline=None)
@given(tables(), st.sampled_from(sorted(FORMS)))
@example((["a", "b"], [["x", "y\r"]]), "csv")
@example((["a"], [[" "], [""]]), "csv")
@example((["a", "b"], [["x\ry", ""]]), "csv")
def test_what_is_written_is_read_back(table, form):
    """Text cells survive writing and reading, a carriage return at the end and blanks alone too."""
    names, rows = table
    outputs = [json.dumps(dict(zip(names, row, strict=True))).encode() for row in rows]
    data = predicted(form, outputs, names)
    assert [list(json.loads(d).values()) for d in documents(form, data)] == rows
    assert list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=FORMS[form])) == [names, *rows]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"1,2", b'"x\ny",2', b"3", b"", b" ", b'"a"b,1', b"\xe9,1", b"1,2,3", b"a\rb,1"]), max_size=8
    ),
    st.integers(1, 30),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
)
def test_a_bad_row_costs_only_itself(rows, size, end, last):
    """Ragged rows, stray quotes and bytes that are no text are rejected one by one, each with its exact bytes."""
    data = b"a,b" + end + end.join(rows) + (end if last else b"")
    read = records("csv", data, size=size)
    assert [r.text for r in read] == [row for row in rows if row.strip()]
    good = {b"1,2": {"a": "1", "b": "2"}, b'"x\ny",2': {"a": "x\ny", "b": "2"}}
    assert [r.document and json.loads(r.document) for r in read] == [good.get(row) for row in rows if row.strip()]
    assert all(data[r.offset : r.offset + len(r.text)] == r.text for r in read)
    assert read == records("csv", data)


TYPED = {
    "n": Field("number"),
    "i": Field("integer", nullable=True),
    "b": Field("boolean", required=False),
    "t": Field("text"),
    "o": Field("text", required=False),
    "j": Field("json"),
}
PLAIN = {
    "n": ["1", "2.50", "-0", "1e5", "1E400"],
    "i": ["1", "-20"],
    "b": ["true", "false"],
    "t": ["a b", "é", "", "null"],
    "o": ["x"],
    "j": ["[1]"],
    "u": ["5", "", "😀", "\x7f"],
}
ODD = [
    "",
    " ",
    " 1",
    "1 ",
    "01",
    "+1",
    "1.",
    "-",
    "NaN",
    "null",
    "[1]",
    "1_0",
    "x\\",
    "x\x01",
    "a\rb",
    '"q"',
    '"',
    "True",
    "1;2",
]


def records_or_error(form: str, text: str, size: int) -> list[Read] | str:
    """Read everything, or return the error of a file that cannot be read to its end."""
    try:
        return records(form, text.encode(), TYPED, size=size)
    except DataError as exc:
        return str(exc)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from("nibtou"), min_size=1, max_size=4, unique=True) | st.just(["n", "j"]),
    st.data(),
    st.sampled_from(sorted(ALL_FORMS)),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(4, 200),
)
def test_plain_rows_are_read_as_all_others(names, data, form, end, size):
    """Blocks of plain rows, which are read at once, give what they give row by row; odd cells and rows are noticed."""
    row = st.tuples(*(st.sampled_from(PLAIN[name]) for name in names)).map(list)
    odd = st.lists(st.sampled_from(ODD + PLAIN["n"]), max_size=5)
    rows = data.draw(st.lists(row, max_size=12) | st.lists(row | row | row | odd, max_size=8))
    text = end.join(ALL_FORMS[form].join(cells) for cells in [names, *rows]) + data.draw(st.sampled_from(["", end]))
    found = records_or_error(form, text, size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cells, "documents", lambda *_: None)
        assert found == records_or_error(form, text, 1 << 19)
    assert isinstance(found, str) or all(text.encode()[r.offset : r.offset + len(r.text)] == r.text for r in found)


def test_plain_rows_are_read_at_once():
    """A table of plain rows does not go cell by cell, with line feeds or with carriage returns too."""
    for end in (b"\n", b"\r\n"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Cells, "document", None)
            read = records("csv", end.join([b"n,u,t", *([b"1.5,\xc3\xa4 b,"] * 10_000), b""]), TYPED)
        assert {r.document for r in read} == {'{"n":1.5,"u":"ä b","t":""}'.encode()}


OPEN_QUOTES = {
    "in the first cell": (b'"1,2', 3),
    "in the last cell": (b'1,"2', 3),
    "before quotes in pairs": (b'1,"2 ""x"" y ""', 3),
    "at a pair": (b'1,"""2', 3),
    "after a cell of two lines": (b'"1\n1","2', 4),
    "after a closed cell": (b'"1","2', 3),
}


@pytest.mark.parametrize("size", [4, 50, 1 << 19])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("name", OPEN_QUOTES)
def test_a_quote_that_never_closes_makes_the_file_unreadable(name: str, end: bytes, size: int) -> None:
    """The records after it are not text of one reject: the error has the line where the quote opens."""
    row, line = OPEN_QUOTES[name]
    text = end.join([b"a,b", b"1,2", *row.split(b"\n"), *([b"5,6"] * 100), b""])
    with pytest.raises(DataError, match=rf"from line {line} on: a quote .* the 100 lines after it"):
        records("csv", text, size=size)


def test_a_quote_that_never_closes_in_the_last_row_is_a_reject() -> None:
    """No other record is lost by it."""
    read = records("csv", b'a,b\n1,2\n3,"4\n')
    assert [r.document for r in read] == [b'{"a":"1","b":"2"}', None]
    assert "unexpected end of data" in read[1].message


def test_a_quote_that_never_closes_is_found_in_a_moment() -> None:
    """It takes no longer than reading the rows would."""
    started = time.process_time()
    with pytest.raises(DataError, match="200,000 lines"):
        records("csv", b'a,b\n1,2\n3,"4\n' + b"5,6\n" * 200_000)
    assert time.process_time() - started < 10


def test_a_nul_is_kept_or_rejected():
    """Python before 3.11 reads no NUL; then it is a reject, never another value."""
    read = records("csv", b"a\nx\x00y\nz\n")
    assert read[0].document in (b'{"a":"x\\u0000y"}', None)
    assert (read[0].text, read[1].document) == (b"x\x00y", b'{"a":"z"}')


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a,a\n1,2\n", "names the column 'a' twice"),
        (b"a,,b\n1,2,3\n", "a column without a name"),
        (b"\xe9,b\n1,2\n", "not a valid row of UTF-8"),
        (b'a,"b"x\n1,2\n', "not a valid row"),
    ],
)
def test_a_first_row_that_names_no_columns_ends_the_run(data, said):
    """Without names no row makes sense."""
    with pytest.raises(DataError, match=said) as caught:
        records("csv", data)
    assert "must name the columns" in caught.value.remedy


@pytest.mark.parametrize("data", [b"", b"\n \r\n", b"a,b", b"a,b\r\n", b"\xef\xbb\xbfa,b\n\n"])
def test_no_rows_are_no_records(data):
    """An empty file and one with the names alone hold no records."""
    assert records("csv", data) == []


KINDS = {
    "text": Field("text"),
    "opt_text": Field("text", nullable=True, required=False),
    "int": Field("integer"),
    "float": Field("number"),
    "opt": Field("number", nullable=True, required=False),
    "null": Field("number", nullable=True, required=True),
    "bool": Field("boolean"),
    "nested": Field("json"),
}


@pytest.mark.parametrize(
    ("name", "cell", "value"),
    [
        ("text", "007", '"007"'),
        ("text", "", '""'),
        ("text", "null", '"null"'),
        ("opt_text", "", None),
        ("unknown", "", '""'),
        ("unknown", "1.10", '"1.10"'),
        ("int", "12345678901234567890", "12345678901234567890"),
        ("int", "007", '"007"'),
        ("int", "", None),
        ("float", "1.10", "1.10"),
        ("float", "-0.0", "-0.0"),
        ("float", "1E5", "1E5"),
        ("float", "nan", '"nan"'),
        ("float", "1,5", '"1,5"'),
        ("float", " 1", '" 1"'),
        ("opt", "", None),
        ("null", "", "null"),
        ("bool", "true", "true"),
        ("bool", "TRUE", '"TRUE"'),
        ("bool", "1", '"1"'),
        ("nested", '[1, {"a": 007}]', '"[1, {\\"a\\": 007}]"'),
        ("nested", "[1.10,\n2]", "[1.10, 2]"),
        ("nested", "", None),
    ],
)
def test_the_schema_types_the_cells(name, cell, value):
    """A cell means what the model's field says; what does not fit goes on as text, for the schema to judge."""
    text = io.StringIO()
    csv.writer(text).writerows([["other", name], ["x", cell]])
    expected = b'{"other":"x"}' if value is None else f'{{"other":"x","{name}":{value}}}'.encode()
    assert documents("csv", text.getvalue().encode(), KINDS) == [expected]


@pytest.mark.parametrize("form", sorted(FORMS))
def test_joined_rows_keep_their_bytes(form):
    """CSV to CSV with --join carries rows over as they stand: leading zeros, long numbers, needless quotes."""
    d = FORMS[form]
    rows = [f'"007"{d}12345678901234567890', f"{d}0.1234567890123456789012", f'"a""b\n"{d}']
    data = "\r\n".join([f"id{d}n", *rows]).encode()
    found = batches(form, data, {"id": Field("text"), "n": Field("number", required=False)})
    joined = written(form, found, Layout(SCORE, {}, join=True))
    assert joined.decode() == "".join(
        f"{row}{d}{p}\n" for row, p in [(f"id{d}n", "score"), *((r, "0.5") for r in rows)]
    )


def test_values_keep_their_digits_between_formats():
    """CSV to JSON Lines and back: leading zeros, 20 digits and long decimals stay as they are."""
    fields = {"id": Field("text"), "n": Field("integer"), "d": Field("number")}
    data = b"id,n,d\n007,12345678901234567890,0.1234567890123456789012\n"
    joined = written("ldjson", batches("csv", data, fields), Layout(SCORE, fields, join=True))
    assert joined == b'{"id":"007","n":12345678901234567890,"d":0.1234567890123456789012,"score":0.5}\n'
    lines = batches("ldjson", joined)
    assert written("csv", lines, Layout({}, fields, keep=("id", "n", "d")), b"{}") == data
    assert written("tsv", batches("csv", data, fields), Layout(SCORE, fields, join=True)) == (
        b"id\tn\td\tscore\n007\t12345678901234567890\t0.1234567890123456789012\t0.5\n"
    )


def test_a_cell_that_is_empty_in_the_first_row_is_still_a_column():
    """A row that lacks an optional value does not decide which columns the output has."""
    fields = {"id": Field("text"), "n": Field("number", required=False)}
    found = batches("csv", b"id,n\na,\nb,2\n", fields)
    assert written("tsv", found, Layout(SCORE, fields, join=True)) == b"id\tn\tscore\na\t\t0.5\nb\t2\t0.5\n"


@pytest.mark.parametrize("form", ["csv", "tsv", "ldjson"])
def test_a_column_named_like_the_prediction_is_refused(form):
    """Two columns of one name are never written, not even when the first cell is empty."""
    fields = {"id": Field("text"), "score": Field("number", required=False)}
    found = batches("csv", b"id,score\na,\n", fields)
    with pytest.raises(ConfigurationError, match="record 1 of the file and its prediction both have a field 'score'"):
        written(form, found, Layout(SCORE, fields, join=True))


def test_rows_of_two_files_with_other_columns_are_not_mixed():
    """Rows of a file with another first row would stand under the wrong names."""
    found = [*batches("csv", b"a,b\n1,2\n"), *batches("csv", b"b,a\n3,4\n")]
    with pytest.raises(ConfigurationError, match="other columns"):
        written("csv", found, Layout(SCORE, {}, join=True))


def test_a_record_with_a_new_field_is_refused():
    """A table has the same columns in every row: a field that the first record lacks is an error that names it."""
    found = batches("ldjson", b'{"a":1}\n{"a":1,"b":2}\n')
    with pytest.raises(ConfigurationError, match="record 2 of the file has a field 'b'"):
        written("csv", found, Layout(SCORE, {}, join=True))


def test_no_predictions_still_name_their_columns():
    """A table without rows has its first row."""
    assert predicted("csv", [], ["a", "b"]) == b"a,b\n"


def test_a_row_out_of_its_file_needs_its_header():
    """A reject without a header, or with two rows, is a reject again, not a crash."""
    form = FORMATS["csv"]
    assert form.document(b"1,2", b"a,b", {}) == b'{"a":"1","b":"2"}'
    assert form.document(b" ", b"a", {}) == b'{"a":" "}'
    for text, header in [(b"1,2", b""), (b"1\n2", b"a"), (b"", b"a"), (b"1", b'"a'), (b"\xe9", b"a")]:
        with pytest.raises(RecordError) as caught:
            form.document(text, header, {})
        assert caught.value.stage == "parse"


def test_a_csv_is_scored(etl: Etl) -> None:
    """From CSV to CSV on the command line: cells typed by the model's schema, rows as they were."""
    etl.write("in.csv", 'id,amount,count,tags\n007,1.50,,\n"a,b",2,3,"[""x""]"\n')
    done = etl("run", "--model", "format_models:Scorer", "-i", "in.csv", "-o", "out.csv", "--join")
    assert (done.code, done.err) == (0, "")
    assert (etl.folder / "out.csv").read_text() == (
        'id,amount,count,tags,score\n007,1.50,,,1.5\n"a,b",2,3,"[""x""]",2.0\n'
    )
