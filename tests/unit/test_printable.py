"""Texts that others wrote, as people read them."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_etl.errors import mask_urls, printable, printable_json, printable_message

NASTY = st.text(
    st.one_of(st.characters(), st.sampled_from("\n\r\t\x1b\x07\x7f\x85\x9b\u2028\u2029\u202e\u2066\u200f\ud800 :/@?="))
)
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def _harmless(character: str) -> bool:
    category = unicodedata.category(character)
    return category not in {"Cc", "Zl", "Zp", "Cs"} and unicodedata.bidirectional(character) not in BIDI


@given(NASTY)
def test_a_printable_text_neither_controls_a_terminal_nor_breaks_a_line(text: str) -> None:
    """Nothing of the text is obeyed, and a text without such characters stays as it is."""
    shown = printable(text)
    assert all(map(_harmless, shown))
    assert shown.splitlines() in ([shown], [])
    assert printable(shown) == shown


@given(NASTY)
def test_no_line_of_a_message_starts_with_the_text_of_others(text: str) -> None:
    """All lines but the first are indented, as those of this program are: nobody forges a line of another kind."""
    first, *others = printable_message(f"cannot read {text}\n  Check it.").split("\n")
    assert first.startswith("cannot read")
    assert all(line.startswith("  ") for line in others)
    assert all(map(_harmless, first + "".join(others)))


@given(st.dictionaries(NASTY, NASTY))
def test_printable_json_has_the_same_values(value: dict[str, str]) -> None:
    """Escapes change the text of JSON only."""
    text = printable_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(text) == value
    assert all(_harmless(character) for character in text if character != "\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://KEY:SECRET@bucket/in.json", "s3://***@bucket/in.json"),
        ("s3://KEY:SEC/RET@bucket/in.json", "s3://***@bucket/in.json"),
        ("cannot read ftp://u:p@host/x: refused", "cannot read ftp://***@host/x: refused"),
        ("htp://SECRET@host", "htp://***@host"),
        ("https://a.example/x?sig=SECRET&se=1", "https://a.example/x?***"),
        ("cannot read 'https://a.example/x?sig=SECRET': no", "cannot read 'https://a.example/x?***': no"),
        ("http://a/b/in.json%3FX-Amz-Signature%3DSECRET: refused", "http://a/b/in.json%3F*** refused"),
        ("http://u:p@a/x?t=S http://b/y?t=S", "http://***@a/x?*** http://***@b/y?***"),
        ("s3://bucket/2024-??.json", "s3://bucket/2024-??.json"),
        ("s3://bucket/for@somebody.csv", "s3://bucket/for@somebody.csv"),
        ("a@b.example", "a@b.example"),
    ],
)
def test_messages_have_no_secrets_of_urls(text: str, shown: str) -> None:
    """User names, passwords and queries are masked; names of files stay."""
    assert mask_urls(text) == shown.replace("http://***@b/y", "http://b/y")
