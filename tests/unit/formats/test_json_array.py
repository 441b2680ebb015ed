"""One JSON array as a file."""

from __future__ import annotations

import json
import time

import pytest
from helpers.reading import SCORE, batches, documents, predicted, records, written
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_etl.errors import DataError
from model_etl.formats.output_layout import Layout

SIZES = st.integers(1, 40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.sampled_from('a"\\[]{},:\n é😀\x00')),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"]}\\', max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, max_size=6), SIZES, st.sampled_from([None, 0, 2, "\r\n"]), st.booleans(), st.booleans())
def test_the_elements_are_those_that_a_json_library_finds(values, size, indent, bom, ascii_only):
    """Printed in any way and read in pieces of any size, every element is found, whole, at its offset."""
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
    data = (b"\xef\xbb\xbf" if bom else b"") + text + b"\r\n"
    read = records("json", data, size=size)
    assert [json.loads(r.text) for r in read] == values
    assert [json.loads(r.document) for r in read] == values
    assert all(data[r.offset : r.offset + len(r.text)] == r.text for r in read)
    assert not any(b"\n" in r.document or b"\r" in r.document for r in read)
    assert read == records("json", data)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('[]{},:"\\1a \n'), max_size=16), SIZES)
@example("[1] xyz", 3)
@example("xyz", 2)
@example('["a]', 1)
@example("[,]", 1)
def test_garbage_is_never_a_good_record_or_nothing(text, size):
    """A file that is no JSON array gives an error, or at least one record that is no JSON; never silence."""

    def outcome(size):
        try:
            return records("json", text.encode(), size=size)
        except DataError:
            return None

    read = outcome(size)
    assert read == outcome(1 << 19)
    try:
        value = json.loads(text)
    except ValueError:
        good = not text.strip()  # a file of no records
    else:
        good = isinstance(value, list)
    if not good:
        assert read is None or not all(_is_json(r.text) for r in read)
    elif text.strip():
        assert [json.loads(r.text) for r in read] == value


def _is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'[{"a":1},{"a":', "cut off after record 1"),
        (b'[{"a":1},{"a":"x', "cut off after record 1"),
        (b'[{"a":1}', "cut off"),
        (b'[{"a":1}] xyz', "data after the end of the JSON array, near byte 10"),
        (b'[{"a":1}]\n[{"a":2}]', "data after the end"),
        (b'{"a":1}\n{"a":2}\n', "--input_format ldjson"),
        (b"hello", r"does not start with \["),
    ],
)
@pytest.mark.parametrize("size", [1, 5, 1 << 19])
def test_what_is_no_whole_array_is_refused(data, said, size):
    """An array that is cut off, followed by something, or no array at all ends the run and says where."""
    with pytest.raises(DataError, match=said):
        records("json", data, size=size)


def test_a_bad_element_costs_only_itself():
    """Elements that are no JSON or not UTF-8 do not touch their neighbours."""
    texts = [b'{"a":1}', b'{"a":tru}', b'{"a":"\xff"}', b'{"a":1}}', b'{"a":1]', b'{"a":2}']
    read = records("json", b"[" + b", ".join(texts) + b"]")
    assert [r.text for r in read] == texts
    assert [r.document for r in read] == [None if b"\xff" in text else text for text in texts]


@pytest.mark.parametrize(
    "data",
    [
        b'[{"a":"' + b"x" * 20_000_000 + b'"}]',
        b'[{"a":"' + rb"\"" * 2_000_000 + b'"}]',
        b'[{"a":[' + b"1," * 1_000_000 + b"1]}]",
        b'[{"a":"' + rb"\"" * 2_000_000,
    ],
    ids=["long", "quotes", "many", "unclosed"],
)
def test_a_huge_element_takes_seconds(data):
    """Neither one long string, nor its quotes, nor many small values make the reader crawl."""
    started = time.process_time()
    try:
        assert len(records("json", data)) == 1
    except DataError:
        assert not data.endswith(b"]")
    assert time.process_time() - started < 20


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.text(), VALUES, max_size=3), max_size=5))
def test_predictions_are_written_as_one_array(outputs):
    """What is written is one JSON array for any JSON library, and is read back as it was."""
    lines = [json.dumps(o).encode() for o in outputs]
    data = predicted("json", lines, [])
    assert json.loads(data) == outputs
    assert documents("json", data) == lines


def test_joined_elements_keep_their_numbers():
    """An element printed over many lines is joined as one line, with every value as it was written."""
    found = batches("json", b'[\n{\n "a": 1.10,\n "b": [ 1e2 ]\n}, {\n"a": 12345678901234567890}]')
    joined = written("ldjson", found, Layout(SCORE, {}, join=True))
    assert joined == (b'{  "a": 1.10,  "b": [ 1e2 ] ,"score":0.5}\n{ "a": 12345678901234567890,"score":0.5}\n')
