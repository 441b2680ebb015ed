"""Quick answers about columns of text are never wrong where they are sure."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_etl.records.arrow_texts import are_digits, data_of, needs_escapes

TEXTS = st.lists(st.one_of(st.none(), st.from_regex(r"-?[0-9]{0,4}(\.[0-9])?"), st.text(max_size=4)), max_size=5)


@settings(max_examples=300, deadline=None)
@given(texts=TEXTS, start=st.integers(0, 2))
@example(texts=["0", "10", None, ""], start=0)
@example(texts=["01"], start=0)
@example(texts=["x", "10"], start=1)
def test_digits_are_integers_of_json(texts: list[str | None], start: int) -> None:
    """Each text of such a column is an integer, without a sign or leading zeros."""
    array = pa.array(texts, pa.string())[start:]
    found = [text for text in texts[start:] if text is not None]
    assert are_digits(array) == (bool(found) and all(re.fullmatch("0|[1-9][0-9]*", text) for text in found))


@settings(max_examples=300, deadline=None)
@given(texts=TEXTS, start=st.integers(0, 2))
@example(texts=['"', "a"], start=1)
@example(texts=["\x1f"], start=0)
def test_texts_that_json_writes_as_they_are(texts: list[str | None], start: int) -> None:
    """Only a quote, a backslash and control characters are escaped."""
    array = pa.array(texts, pa.string())[start:]
    assert needs_escapes(array) == any(re.search(r'[\x00-\x1f"\\]', text) for text in texts[start:] if text)


@pytest.mark.parametrize(("start", "end", "data"), [(0, 3, b"a\xc3\xa9c"), (1, 2, b"\xc3\xa9"), (2, 2, b"")])
def test_the_bytes_of_texts(start: int, end: int, data: bytes) -> None:
    """Those of a slice are its own."""
    assert bytes(data_of(pa.array(["a", "é", "c"])[start:end])) == data
