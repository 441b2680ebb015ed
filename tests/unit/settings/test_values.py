"""The values of options, read from their text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_etl.settings.values import (
    MaxErrors,
    parse_bool,
    parse_names,
    parse_positive_int,
    parse_positive_seconds,
    parse_retries,
    parse_seconds,
)


@pytest.mark.parametrize(
    ("text", "rejected", "read", "exceeded"),
    [
        ("0", 0, 0, False), ("0", 1, 1, True), ("2", 2, 2, False), ("2", 3, 1000, True),
        ("0%", 0, 0, False), ("2%", 2, 100, False), ("2%", 3, 149, True),
        ("1.5%", 3, 200, False), ("100%", 9, 9, False),
    ],
)  # fmt: skip
def test_rejects_are_tolerated_by_number_or_percentage(text: str, rejected: int, read: int, exceeded: bool) -> None:
    """A limit of rejects is exceeded by one more than it says, and never by an empty input."""
    assert MaxErrors.parse(text).exceeded(rejected, read) is exceeded


@given(st.integers(0, 10**9), st.booleans())
def test_a_limit_of_rejects_is_written_as_it_is_read(number: int, percent: bool) -> None:
    """The text of a limit, which messages and the report show, is a limit again and the same one."""
    text = f"{number % 101}%" if percent else str(number % 10**6)
    limit = MaxErrors.parse(text)
    assert str(limit) == text if number % 10**6 < 10**6 else True
    assert MaxErrors.parse(str(limit)) == limit


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "101%", "-1%", "nan%", "inf", "9" * 30])
def test_what_is_not_a_limit_of_rejects(text: str) -> None:
    """A limit of rejects is a whole number from 0 or a percentage up to 100."""
    with pytest.raises(ValueError, match=r"neither a number|out of range"):
        MaxErrors.parse(text)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_names, "a, b,,c ", ("a", "b", "c")), (parse_names, "", ()),
        (parse_bool, " Yes", True), (parse_bool, "off", False), (parse_bool, "", False),
        (parse_positive_int, "7", 7),
        (parse_seconds, "0", 0.0), (parse_positive_seconds, "0.5", 0.5),
        (parse_retries, "0", 0), (parse_retries, "100", 100),
    ],
)  # fmt: skip
def test_texts_become_values(parse: Callable[[str], Any], text: str, value: Any) -> None:
    """Lists of names, switches, numbers and seconds are read as people write them."""
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_bool, "perhaps"),
        (parse_positive_int, "0"), (parse_positive_int, "1.5"), (parse_positive_int, ""),
        (parse_seconds, "-1"), (parse_seconds, "nan"), (parse_seconds, "inf"), (parse_seconds, "1s"),
        (parse_positive_seconds, "0"),
        (parse_retries, "-1"), (parse_retries, "101"), (parse_retries, "many"),
    ],
)  # fmt: skip
def test_texts_that_are_not_values(parse: Callable[[str], Any], text: str) -> None:
    """A text that an option does not take raises ValueError, which the option's message explains."""
    with pytest.raises(ValueError):
        parse(text)
