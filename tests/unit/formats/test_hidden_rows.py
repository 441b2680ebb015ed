"""No row of a damaged table hides others: neither a reject nor a cell is many records."""

from __future__ import annotations

import dataclasses
import io
import json

import pytest
from helpers.command import Etl
from helpers.memory import run_with_peak
from helpers.reading import records, source

from model_etl.errors import DataError
from model_etl.formats import FORMATS
from model_etl.schema.fields import Field

FIELDS = {"title": Field("text"), "votes": Field("integer")}
HEAD, ROWS = "title,votes\nfirst,1\n", "plain,3\n" * 20

HIDING = {
    "never closed": (f'"open,2\n{ROWS}', "never closed, so that the 20 lines after it"),
    "closed much later, in a row that is not valid": (f'"open,2\n{ROWS}"x"y,4\n{ROWS}', "closes 21 lines later"),
    "closed by the next quoted cell": (f'"open,2\n{ROWS}"quoted",4\n{ROWS}', "closes 21 lines later"),
    "closed by the next quoted cell, in the next line": ('"open,2\n"quoted",4\n', "closes 1 line later"),
    "closed much later, too many cells": (f'"open,2\n{ROWS}x",4,5\n{ROWS}', "closes 21 lines later"),
    "closed much later, too few cells": (f'"open,2\n{ROWS}x"\n{ROWS}', "closes 21 lines later"),
    "closed much later, a valid row": (f'"open,2\n{ROWS}x",4\n{ROWS}', "closes 21 lines later"),
    "closed in the line after the next, a valid row": (f'"open,2\nplain,3\nx",4\n{ROWS}', "closes 2 lines later"),
    "in the last cell": (f'open,"2\n{ROWS}x,"\n{ROWS}', "closes 21 lines later"),
}
REAL = {
    "text of two lines": ('"Dear Sir,\nhello",2\n', "Dear Sir,\nhello"),
    "text of many lines": ('"a\n\nb, c\nd",2\n', "a\n\nb, c\nd"),
    "a pair of quotes": ('"he said ""7,8""\nand left",2\n', 'he said "7,8"\nand left'),
    "two lines that could be rows": ('"Main Street,5\n12345 Town",2\n', "Main Street,5\n12345 Town"),
    "an order": ('"Item A, 5\nItem B, 3\nin all, 8",2\n', "Item A, 5\nItem B, 3\nin all, 8"),
    "an address": ('"Main Street 5\n12345, Town",2\n', "Main Street 5\n12345, Town"),
}


@pytest.mark.parametrize("size", [7, 1 << 19])
@pytest.mark.parametrize("case", HIDING)
def test_a_stray_quote_that_hides_rows_ends_the_run(case: str, size: int) -> None:
    """The file is not read any further than the line where the quote opens, which the error names with its byte."""
    rows, words = HIDING[case]
    data = (HEAD + rows).encode()
    with pytest.raises(DataError, match="from line 3 on: a quote that opens there") as caught:
        records("csv", data, FIELDS, size=size)
    assert words in caught.value.message
    quote = data.index(b'"')
    assert f"(byte {quote})" in caught.value.message


@pytest.mark.parametrize("size", [7, 1 << 19])
@pytest.mark.parametrize("case", REAL)
def test_a_real_cell_of_several_lines_is_one_cell(case: str, size: int) -> None:
    """Its lines do not have numbers where the table has them."""
    rows, title = REAL[case]
    read = records("csv", (HEAD + rows + ROWS).encode(), FIELDS, size=size)
    assert len(read) == 22
    assert json.loads(read[1].document or b"") == {"title": title, "votes": 2}


def test_a_row_of_several_lines_that_is_not_valid_is_one_reject() -> None:
    """If no line of it is a row by itself, no other record can be in it."""
    read = records("csv", f'{HEAD}"Dear Sir\nhello",2,3\n{ROWS}'.encode(), FIELDS)
    assert [r.position for r in read if r.document is None] == [2]


def test_a_cell_longer_than_the_limit_ends_the_run() -> None:
    """A quote that is never closed is not followed to the end of a large file."""
    data = f'{HEAD}"open,2\n{"plain,3" * 9}\n'.encode() + b"plain,3\n" * 200_000
    limited = dataclasses.replace(source("csv"), max_record_size=1 << 20)
    with pytest.raises(DataError, match=r"from line 3 on: .* is not closed within the 1,048,576 bytes"):
        list(FORMATS["csv"].read(io.BytesIO(data), limited, FIELDS))


def test_a_quote_that_never_closes_takes_little_memory(etl: Etl) -> None:
    """Of 200 MB that it would take in, a small part is read."""
    with (etl.folder / "in.csv").open("wb") as file:
        file.write(b'id,amount\na,1\n"b,2\n')
        for _ in range(200):
            file.write(b"c,3\n" * 250_000)
    names = ("-m", "format_models:LooseScorer", "-i", "in.csv", "-o", "out.json")
    run, kib = run_with_peak(etl, "run", *names, "--max_errors", "100%")
    assert run.code == 65
    assert "in.csv from line 3 on" in run.err
    assert kib < 600 * 1024


CR = {
    "csv": (b"x,y\r1,2\r3,4\r", "its lines end"),
    "csv with quotes": (b'"x","y"\r"1","2"\r', "its lines end"),
    "tsv": (b"x\ty\r1\t2\r3\t4\r", "its lines end"),
    "ldjson": (b'{"x":1}\r{"x":2}\r', "its lines end"),
    "csv from the second line on": (b"x,y\n1,2\r3,4\r5,6\n", "from byte 4 on its lines end"),
    "ldjson from the second line on": (b'{"x":1}\n{"x":2}\r{"x":3}\r', "from byte 8 on its lines end"),
}


@pytest.mark.parametrize("case", CR)
def test_old_line_ends_are_named(case: str) -> None:
    """A file with carriage returns alone is not one reject that --max_errors tolerates."""
    data, words = CR[case]
    with pytest.raises(DataError, match=rf"{words} in a carriage return alone \(CR\), as on old Macs") as caught:
        records(case.split(maxsplit=1)[0], data)
    assert "tr '\\r' '\\n'" in caught.value.remedy


def test_one_stray_carriage_return_costs_one_record() -> None:
    """If the parts around it are no rows, it is only in the wrong place."""
    read = records("csv", b"x,y\n1\r,2\n3,4\n")
    assert [r.document for r in read] == [None, b'{"x":"3","y":"4"}']


def test_a_file_without_line_ends_is_not_read_into_memory() -> None:
    """It is one record that is too long, or a first row."""
    data = b"x" * (1 << 21)
    (batch,) = FORMATS["ldjson"].read(
        io.BytesIO(data), dataclasses.replace(source("ldjson"), max_record_size=1 << 20), {}
    )
    assert [(len(r.text), r.cut) for r in batch.rejected] == [(1000, True)]
    for form in ("csv", "tsv"):
        limited = dataclasses.replace(source(form), max_record_size=1 << 20)
        with pytest.raises(DataError, match="its first row is longer than the 1,048,576 bytes"):
            list(FORMATS[form].read(io.BytesIO(data), limited, FIELDS))


def test_no_good_record_is_lost_in_a_reject(etl: Etl) -> None:
    """Whatever --max_errors says, a run publishes nothing, and names the file and the line."""
    etl.write("in.csv", "id,amount\n" + "a,1\n" * 200 + '"never closed,7\n' + "b,2\n" * 799)
    done = etl("run", "-m", "format_models:LooseScorer", "-i", "in.csv", "-o", "out.json", "--max_errors", "1%")
    assert done.code == 65
    assert etl.files() == {"in.csv"}
    assert "in.csv from line 202 on" in done.err
