"""Forms that are found over the bytes of a column are those that a pattern finds in each text."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_etl.records.text_forms import are_decimals, are_integers, data_of, have_length, need_no_escapes

NUMBER = st.from_regex(r"-?[0-9]{0,3}\.?[0-9]{0,2}", fullmatch=True)
ODD = st.one_of(st.text(alphabet="0.-1", max_size=4), st.text(max_size=4), st.just('"'), st.just("1e5"))
TEXTS = st.one_of(
    st.lists(st.one_of(st.none(), NUMBER), max_size=6), st.lists(st.one_of(st.none(), NUMBER, ODD), max_size=4)
)


@pytest.mark.parametrize(
    ("found", "pattern", "some"),
    [
        (are_integers, r"0|[1-9][0-9]*", True),
        (partial(are_integers, most_digits=2), r"0|[1-9][0-9]?", True),
        (are_decimals, r"(?!-0\Z)-?(0|[1-9][0-9]*)(\.[0-9]+)?", True),
        (partial(have_length, length=3), r"...", False),
        (need_no_escapes, r'[^\x00-\x1f"\\]*', False),
    ],
    ids=["integers", "short integers", "decimals", "length", "escapes"],
)
def test_a_form_is_that_of_a_pattern(found: Callable[[pa.Array], bool], pattern: str, some: bool) -> None:
    """Nulls are passed over; a slice is looked at alone; of no text at all, no number is found."""

    @settings(max_examples=500, deadline=None)
    @given(texts=TEXTS, start=st.integers(0, 2))
    @example(texts=["0", "10", None], start=0)
    @example(texts=["01"], start=0)
    @example(texts=["x", "10"], start=1)
    @example(texts=["1", "-", "2"], start=0)
    @example(texts=["1.", "2"], start=0)
    @example(texts=["1", ".5"], start=0)
    @example(texts=["1.2.3"], start=0)
    @example(texts=["-0", "-0.0"], start=0)
    @example(texts=["-0.5", "-1", "0.0"], start=0)
    @example(texts=["00", "1-2"], start=0)
    @example(texts=["0", ""], start=0)
    @example(texts=["abc", "\x1fab"], start=1)
    def compare(texts: list[str | None], start: int) -> None:
        array = pa.array(texts, pa.string())[start:]
        given = [text for text in texts[start:] if text is not None]
        text = [text.encode() if pattern == "..." else text for text in given]
        rule = re.compile(pattern.encode() if pattern == "..." else pattern, re.DOTALL)
        expected = all(rule.fullmatch(t) for t in text) and (bool(given) or not some)  # type: ignore[arg-type]
        assert bool(found(array)) == expected

    compare()


@pytest.mark.parametrize(("start", "end", "data"), [(0, 3, b"a\xc3\xa9c"), (1, 2, b"\xc3\xa9"), (2, 2, b"")])
def test_the_bytes_of_texts(start: int, end: int, data: bytes) -> None:
    """Those of a slice are its own."""
    assert bytes(data_of(pa.array(["a", "é", "c"])[start:end])) == data
