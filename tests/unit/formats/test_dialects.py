"""Tables that are written in another way: delimiters, encodings, null values, decimal commas, no row of names."""

from __future__ import annotations

import dataclasses
import io
import json
from typing import Any

import pytest
from helpers.reading import Read, pieces, source

from model_etl.errors import DataError
from model_etl.formats import rejects
from model_etl.formats.csv_dialect import check_delimiter, check_encoding
from model_etl.formats.csv_tsv import CSV, QUOTED_TSV, TSV, Delimited
from model_etl.formats.table_remedies import remedy_for_rejects
from model_etl.records.batch import Batch, Rejection
from model_etl.records.dialect import Dialect
from model_etl.schema.fields import Field, Fields

FIELDS = Fields(
    x=Field("number", required=False),
    n=Field("integer", nullable=True),
    flag=Field("boolean", required=False),
    text=Field("text"),
    note=Field("text", nullable=True, required=False),
)
FIELDS.in_order = tuple(FIELDS)
FIELDS.others = "ignored"
NAMES = "x;n;flag;text;note;other"


def read(data: bytes, form: Delimited = CSV, *, size: int = 1 << 19, **dialect: Any) -> list[Batch]:
    """Read a table that is written in another way, in pieces of a size."""
    with pieces(size):
        return list(form.with_dialect(Dialect(**dialect)).read(io.BytesIO(data), source(form.name), FIELDS))


def rows(found: list[Batch]) -> list[Read]:
    """Return the records and the rejects in their order."""
    read = [Read(*row, "") for b in found for row in zip(b.positions, b.offsets, b.texts, b.documents, strict=True)]
    return sorted(read + [Read(r.position, r.offset, r.text, None, r.message) for b in found for r in b.rejected])


def objects(found: list[Batch]) -> list[dict[str, Any]]:
    """Return the documents of a table without rejects."""
    assert [r.message for b in found for r in b.rejected] == []
    return [json.loads(document) for b in found for document in b.documents]


@pytest.mark.parametrize("lines", [1, 3000])
@pytest.mark.parametrize("cell", ["a", '"a;b"', '"say ""hi"""'])
@pytest.mark.parametrize("delimiter", [";", "|", "\t", ":", "^", "§", "\x01", " "])
def test_any_delimiter_gives_the_records_of_a_comma(delimiter: str, cell: str, lines: int) -> None:
    """The same cells with another character between them are the same records, one by one and in blocks."""
    text = "x,text,note\n" + f"1.5,{cell.replace(';', '#')},\n" * lines
    other = text.replace(",", delimiter).encode()
    assert objects(read(other, delimiter=delimiter)) == objects(read(text.encode()))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("1,5;2;true;a;b;c", {"x": 1.5, "n": 2, "flag": True, "text": "a", "note": "b", "other": "c"}),
        ("-0,25e3;7;;a;1,5;1,5", {"x": -250.0, "n": 7, "text": "a", "note": "1,5", "other": "1,5"}),
        ("3;2,0;;1.5;1.5;1.5", {"x": 3, "n": 2.0, "text": "1.5", "note": "1.5", "other": "1.5"}),
        ("1.234,5;1;;a;;", {"x": "1.234,5", "n": 1, "text": "a", "other": ""}),
        ("NA;NA;NA;a;NA;NA", {"n": None, "text": "a", "other": None}),
        ("NULL;;\\N;NA1;na;x", {"n": None, "text": "NA1", "note": "na", "other": "x"}),
        ("1;1;true;NA;;", {"x": 1, "n": 1, "flag": True, "other": ""}),
        (";;;;;", {"n": None, "text": "", "other": ""}),
        ('"1,5";"NA";;"NA";;', {"x": 1.5, "n": None, "other": ""}),
    ],
)
def test_cells_are_read_as_the_options_say(cells: str, expected: dict[str, Any]) -> None:
    """A decimal comma counts in numbers alone, a null value in all columns, quoted or not."""
    data = f"{NAMES}\n{cells}\n".encode()
    assert objects(read(data, delimiter=";", decimal=",", null_values=("NA", "NULL", "\\N"))) == [expected]


def test_a_decimal_point_is_rejected_where_a_comma_is_expected() -> None:
    """1.234 would be a thousand in such a table: it is never read as a number near one."""
    (row,) = rows(read(b"x;n;text\n1.234;1;a\n", delimiter=";", decimal=","))
    assert row.message == "a number of 'x' has a point, but --decimal is a comma"


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("lines", [1, 5000])
@pytest.mark.parametrize(
    ("encoding", "word"),
    [("latin-1", "café\x85"), ("cp1252", "€ “x” ™"), ("cp1250", "Łódź"), ("koi8-r", "привет"), ("cp437", "ñ▒"),
     ("shift_jis", "表ポ|ソ"), ("gb18030", "中文𠀀"), ("big5", "功蓋"), ("euc-kr", "한국")],
)  # fmt: skip
def test_records_keep_their_original_bytes_and_offsets(
    encoding: str, word: str, lines: int, end: str, quoted: bool
) -> None:
    """Whatever the encoding, a text is the bytes of the file at its offset, and its document has the characters."""
    cell = f'"{word}"' if quoted else word
    data = f"x;text;{word}{end}".encode(encoding) + f"1;{cell};{word}{end}".encode(encoding) * lines
    found = rows(read(data, encoding=encoding, delimiter=";", size=1 << 17))
    assert len(found) == lines
    assert all(data[row.offset : row.offset + len(row.text)] == row.text for row in found)
    assert {row.text for row in found} == {f"1;{cell};{word}".encode(encoding)}
    assert [json.loads(row.document or b"{}") for row in found] == [{"x": 1, "text": word, word: word}] * lines


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_read_as_its_text_in_utf_8(encoding: str) -> None:
    """Offsets and texts are those of the text in UTF-8, whose lines can be found."""
    text = "x\ttext\n" + "1\té\n" * 6_000
    found = rows(read(text.encode(encoding), TSV, encoding=encoding))
    assert len(found) == 6_000
    assert (found[1].offset, found[1].text) == (7 + len("1\té\n".encode()), "1\té".encode())


@pytest.mark.parametrize("lines", [1, 5000])
def test_bytes_that_no_character_has_reject_their_record_alone(lines: int) -> None:
    """A byte that cp1252 does not have costs one record, whose reject has its bytes."""
    good = b"1;\xe9\n" * lines
    found = rows(read(b"x;text\n" + good + b"1;\x81\n" + good, encoding="cp1252", delimiter=";"))
    assert [row.text for row in found if row.document is None] == [b"1;\x81"]
    assert len(found) == 2 * lines + 1


@pytest.mark.parametrize(
    ("form", "row"), [(CSV, '1,2,true,"a\nb",\n'), (TSV, '1\t2\ttrue\t"a\t\n'), (QUOTED_TSV, '1\t2\ttrue\t"a\tb"\t\n')]
)
@pytest.mark.parametrize("lines", [1, 5000])
def test_without_a_row_of_names_the_first_row_is_a_record(form: Delimited, row: str, lines: int) -> None:
    """The columns are the fields in the order of the schema; positions and offsets start with the first row."""
    found = read(row.encode() * lines, form, no_header=True, size=1 << 14)
    assert [r.offset for r in rows(found)] == list(range(0, len(row) * lines, len(row)))
    assert {tuple(o) for o in objects(found)} == {("x", "n", "flag", "text")}
    assert {tuple(b.source.column_names) for b in found} == {tuple(FIELDS)}


@pytest.mark.parametrize("size", [4, 40, 400])
def test_a_first_record_of_several_blocks_is_read_whole(size: int) -> None:
    """Blocks that were read to find the end of the first record are not lost."""
    row = '1,2,true,"a\nb, and a longer line\n""c""",\n'
    found = rows(read(row.encode() * 5, no_header=True, size=size))
    assert [r.offset for r in found] == list(range(0, len(row) * 5, len(row)))
    assert {json.loads(r.document or b"{}")["text"] for r in found} == {'a\nb, and a longer line\n"c"'}


def test_columns_have_numbers_if_the_model_declares_no_fields() -> None:
    """A model that reads whatever there is gets c1, c2 and so on."""
    form = CSV.with_dialect(Dialect(no_header=True))
    (batch,) = form.read(io.BytesIO(b"1,a\n2,b\n"), source("csv"), {})
    assert [json.loads(d) for d in batch.documents] == [{"c1": "1", "c2": "a"}, {"c1": "2", "c2": "b"}]


@pytest.mark.parametrize(
    ("data", "dialect", "message", "remedy"),
    [
        (b"x;n;text\n1;2;a\n", {}, "semicolons between them", "Use --delimiter ';'."),
        (b'"x";"n"\n"1";"2"\n', {}, "not a valid row", "Use --delimiter ';'."),
        (b"x|n|text\n1|2|a\n", {}, "bars between them", "Use --delimiter '|'."),
        (b"x,n\n1,2\n", {"delimiter": ";"}, "commas between them", "csv"),
        (b"x,\xe9\n1,2\n", {}, "not a valid row of UTF-8", "--encoding latin-1"),
        (b"x,\x80\n1,2\n", {}, "not a valid row of UTF-8", "--encoding cp1252"),
        (b"x,\x81\n1,2\n", {"encoding": "cp1252"}, "not a valid row of CP1252", "name the columns"),
        ("x,n\n1,2\n".encode("utf-16"), {}, "in UTF-16", "Use --encoding utf-16."),
        ("x,n\n1,2\n".encode("utf-16-be"), {}, "in UTF-16", "Use --encoding utf-16-be."),
        ("x,n\n1,2\n".encode("utf-16")[:-1], {"encoding": "utf-16"}, "truncated data", "--encoding"),
        (b"\xef\xbb\xbfx,n\n1,2\n", {"encoding": "latin-1"}, "mark of UTF-8", "Remove --encoding."),
        (b"1.5,2,true,a,b\n", {}, "looks like a record", "--no_header"),
        (b"1.5,2,2,a,b\n", {}, "'2' twice", "use --no_header"),
        (b"1.5,2,,a,b\n", {}, "without a name", "use --no_header"),
        (b"1.5;2;true;a;b\n", {}, "semicolons", "Use --delimiter ';'."),
        (b"1.5;2;true;a;b\n", {"no_header": True}, "1 columns, the model has 5", "Use --delimiter ';'."),
        (b"x,n,flag,text,note\n1,2,,a,\n", {"no_header": True}, "names the columns", "Remove --no_header."),
        (b"1,2,true,a,b,c\n", {"no_header": True}, "6 columns, the model has 5 fields: x, n", "Give it a first row"),
        (b'1,2,true,"a"b,c\n', {"no_header": True}, "number of its columns is unknown", "Correct its first row"),
    ],
)
def test_a_table_that_cannot_be_read_names_the_option_that_cures_it(
    data: bytes, dialect: dict[str, Any], message: str, remedy: str
) -> None:
    """The error says what the table looks like, and the remedy is the option to give."""
    with pytest.raises(DataError) as caught:
        read(data, **dialect)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("document", "remedy"),
    [
        (b'{"x":"NA","text":"NA"}', "If NA means no value, use --null_values NA."),
        (b'{"x":"NULL","n":"-"}', "If NULL and - means no value, use --null_values NULL,-."),
        (b'{"x":"\\\\N"}', "If \\N means no value, use --null_values '\\N'."),
        (b'{"x":"1,5","n":1}', "If numbers have a comma before their decimals, use --decimal ','."),
        (b'{"x":1,"text":"NA","note":"1,5"}', ""),
        (b'{"x":"abc"}', ""),
    ],
)
def test_rejects_name_the_option_that_cures_them(document: bytes, remedy: str) -> None:
    """NA in a number asks for null values, 1,5 for a decimal comma; texts may be anything."""
    reject = Rejection(source("csv"), 1, 0, b"", document, "input_schema", "ValidationError", "a field: no number")
    assert remedy_for_rejects([reject], FIELDS) == remedy
    assert remedy_for_rejects([reject._replace(source=source("ldjson"))], FIELDS) == ""


@pytest.mark.parametrize(
    "text", [b"1;caf\xe9;\x01", b"1;\x81;", "1;表;".encode("shift_jis"), b"1;plain;", b"1;\xc3\xa9;"]
)
def test_a_reject_has_the_exact_bytes_and_how_to_read_them(text: bytes) -> None:
    """What is written to the rejects file comes back byte for byte, with the dialect of its table."""
    for encoding in ("cp1252", "shift_jis", None):
        dialect = Dialect(";", encoding, ("NA", "\\N"), ",")
        table = dataclasses.replace(source("csv"), header=b"x;text;other", dialect=dialect)
        origin = Rejection(table, 1, 7, text, None, "parse", "InvalidRow", "cause")
        back = rejects.decode(rejects.encode([origin]), {})
        assert (back.text, back.source.dialect, back.offset) == (text, dialect, 7)


@pytest.mark.parametrize("text", ["", ";;", '"', "\n", "\r", "a", "7", "é", "\0"])
def test_what_cannot_stand_between_cells_is_no_delimiter(text: str) -> None:
    """Letters, digits, quotes, line ends and several characters are refused."""
    with pytest.raises(ValueError, match="not one character"):
        check_delimiter(text)


@pytest.mark.parametrize("name", ["no-such", "base64", "rot13", "utf-7", "cp037", "hz", "iso2022_jp", "", "utf 8\0"])
def test_encodings_that_move_line_ends_are_refused(name: str) -> None:
    """An encoding in which the bytes of ASCII stand for other characters would lose rows."""
    with pytest.raises(ValueError, match=r"encoding|ASCII"):
        check_encoding(name)
