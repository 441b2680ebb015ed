"""The rejects file: one JSON object a line for every record that could not be scored, enough to score it again."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import msgspec

from model_etl.records.batch import Rejection


def encode(rejections: Iterable[Rejection]) -> bytes:
    """Give the lines of some rejections, in the order of their positions.

    The first five members are what a person needs (position, stage, type, message, text); the others say where the
    text came from, so that `model-etl retry` gives the record the same place and prediction id. A text that is not
    UTF-8 comes as `text_base64`.
    """
    return b"".join(msgspec.json.encode(_line(r)) + b"\n" for r in sorted(rejections, key=lambda r: r.position))


def _line(rejection: Rejection) -> dict[str, Any]:
    source = rejection.source
    line: dict[str, Any] = {
        "position": rejection.position,
        "stage": rejection.stage,
        "type": rejection.type_name,
        "message": rejection.message,
        **_text("text", rejection.text),
        "input": source.name,
        "format": source.format,
        "offset": rejection.offset,
        "source": source.identity,
    }
    return {**line, **_text("header", source.header)} if source.header else line


def _text(name: str, text: bytes) -> dict[str, str]:
    try:
        return {name: text.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(text).decode()}
