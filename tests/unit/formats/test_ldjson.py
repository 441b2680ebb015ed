"""JSON Lines as users have them."""

from __future__ import annotations

import json

import pytest
from helpers.reading import SCORE, batches, documents, predicted, records, written
from hypothesis import given, settings
from hypothesis import strategies as st

from model_etl.errors import DataError
from model_etl.formats.output_layout import Layout

SIZES = st.integers(1, 40)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
OBJECTS = st.dictionaries(st.text(), SCALARS | st.lists(SCALARS, max_size=3), max_size=4)
# Pieces of a file, also such as no program should write.
LINES = st.lists(
    st.sampled_from(
        [b'{"a":1}', b'{"a": "\xc3\xa9"}', b"", b"  ", b"{", b"\xe9x", b'{"a":\r1}', b"[1]", b"\r", b"x" * 50]
    ),
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(OBJECTS, max_size=8), SIZES, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_every_record_comes_through_unaltered(objects, size, end, bom, ascii_only):
    """What a JSON library writes is read back record by record, however long the lines and whatever the line ends."""
    lines = [json.dumps(o, ensure_ascii=ascii_only).encode() for o in objects]
    data = (b"\xef\xbb\xbf" if bom else b"") + end.encode().join(lines)
    assert documents("ldjson", data, size=size) == lines


@settings(max_examples=200, deadline=None)
@given(LINES, SIZES, st.sampled_from([b"\n", b"\r\n"]), st.booleans(), st.booleans())
def test_each_text_stands_where_its_offset_says(lines, size, end, bom, last):
    """Good, bad and blank lines: a record's bytes stand at its offset, and reading in other pieces changes nothing."""
    data = (b"\xef\xbb\xbf" if bom else b"") + end.join(lines) + (end if last else b"")
    read = records("ldjson", data, size=size)
    assert all(data[r.offset : r.offset + len(r.text)] == r.text for r in read)
    assert read == records("ldjson", data)
    body = data.removeprefix(b"\xef\xbb\xbf")
    assert len(read) == sum(1 for line in body.split(b"\n") if line.strip())  # nothing is lost


def test_one_line_that_is_no_text_costs_only_itself():
    """A line that is not UTF-8 is rejected with the byte that is wrong; its neighbours are kept."""
    read = records("ldjson", b'{"a":1}\n{"a":"\xe9"}\n{"a":2}')
    assert [r.document for r in read] == [b'{"a":1}', None, b'{"a":2}']
    assert "byte 0xe9 at byte 7" in read[1].message
    assert read[1].text == b'{"a":"\xe9"}'


def test_a_line_of_fifty_megabytes_is_a_record():
    """A very long line takes a moment, not minutes."""
    line = b'{"a":"' + b"x" * 50_000_000 + b'"}'
    assert [len(d) for d in documents("ldjson", line + b"\n" + b'{"a":1}')] == [len(line), 7]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b" \r\n"])
def test_a_file_without_records_has_none(data):
    """Nothing but blanks is no record and no error."""
    assert records("ldjson", data) == []


@pytest.mark.parametrize(
    ("start", "remedy"),
    [
        ('{"a":1}'.encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b\x08\x00", r"end in \.gz"),
        (b"\x28\xb5\x2f\xfd\x00", r"end in \.zst"),
        (b"PAR1\x15\x04", "--input_format parquet"),
    ],
)
@pytest.mark.parametrize("form", ["ldjson", "json", "csv", "tsv"])
def test_a_file_of_another_kind_is_named(start, remedy, form):
    """UTF-16, compressed and Parquet bytes under a wrong name end the run with what to do about it."""
    with pytest.raises(DataError, match=remedy) as caught:
        records(form, start + b"more")
    assert caught.value.exit_code == 65


@settings(max_examples=50, deadline=None)
@given(st.lists(OBJECTS, min_size=1, max_size=5))
def test_predictions_are_written_one_a_line(outputs):
    """What is written is read back as it was, by any JSON library too."""
    lines = [json.dumps(o).encode() for o in outputs]
    data = predicted("ldjson", lines, [])
    assert data == b"".join(line + b"\n" for line in lines)
    assert documents("ldjson", data) == lines


@pytest.mark.parametrize("value", ["0.10", "1e2", "-0", "12345678901234567890123", '"007"', r'"\u00e9\/"', "1.000"])
def test_a_joined_record_keeps_its_bytes(value):
    """--join and --keep carry numbers and escapes over as they were written, blanks around them too."""
    record = f'{{ "a" :{value}, "b":null }}'.encode()
    found = batches("ldjson", record + b"\n")
    joined = written("ldjson", found, Layout(SCORE, {}, join=True))
    assert joined == record[:-1] + b',"score":0.5}\n'
    kept = written("ldjson", found, Layout(SCORE, {}, keep=("a",)))
    assert kept == b'{"a":' + value.encode() + b',"score":0.5}\n'
    assert json.loads(joined) == {**json.loads(record), "score": 0.5}
