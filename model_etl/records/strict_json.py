"""Strict JSON: no NaN, no infinities, no unknown types; one record is one line."""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import json
import math
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from model_etl.errors import RecordError
from model_etl.records.library_values import ExactText, NotJsonError, is_of_library, own_value
from model_etl.records.times import duration_text

__all__ = [
    "NotJsonError",
    "decode_document",
    "encode_json",
    "grows_in_json",
    "one_line",
    "parse_object",
    "refuse_inexact",
    "to_json_types",
    "with_own_types",
]

_ENCODER = msgspec.json.Encoder()
_WIDE_DECODER = msgspec.json.Decoder(float_hook=float)


def decode_document(document: bytes) -> Any:
    """Return the value of a JSON text. A number beyond the range of floats is infinite, as in Python and pydantic.

    Raises:
        ValueError, RecursionError: if it is not JSON, or an integer in it has more than 4300 digits.
    """
    try:
        return msgspec.json.decode(document)
    except msgspec.ValidationError:  # such a number; everything else that is wrong is another error
        return _WIDE_DECODER.decode(document)


def parse_object(document: bytes) -> dict[str, Any]:
    """Parse one record without any schema, as strict JSON.

    Raises:
        RecordError: with stage "parse"; the message has the position in the text.
    """
    try:
        value = decode_document(document)
    except (ValueError, RecursionError) as exc:
        raise RecordError("parse", "InvalidJSON", f"not valid JSON: {_json_mistake(document, exc)}") from exc
    if not isinstance(value, dict):
        json_type = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}.get(
            type(value), "a number"
        )
        hint = "; is the file a JSON array? then use --input_format json" if isinstance(value, list) else ""
        raise RecordError("parse", "NotAnObject", f"a record must be a JSON object, this is {json_type}{hint}")
    return value


def _json_mistake(document: bytes, exc: Exception) -> str:
    text = document.lstrip(b" \t\r\n")
    if text.rstrip(b" \t\r\n") in (b"[", b"]", b"[]", b"{", b"}") or text.endswith(b"},"):
        return f"{exc}; is the file a JSON array or one document over many lines? then use --input_format json"
    try:
        json.loads(document)  # for its message, which has the position
    except json.JSONDecodeError as error:
        return f"{error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError):
        pass
    return str(exc)


def one_line(text: bytes) -> bytes:
    """Return a JSON text as one line: line breaks between tokens become blanks, values stay unchanged.

    A text that is not JSON is returned unchanged.
    """
    if b"\n" not in text and b"\r" not in text:
        return text
    try:
        msgspec.json.decode(text, type=msgspec.Raw)  # refuses line breaks inside strings: all others are between tokens
    except (ValueError, RecursionError):
        return text
    return text.translate(_BLANKS)


_BLANKS = bytes.maketrans(b"\r\n", b"  ")


def grows_in_json(text: bytes) -> bool:
    """Return whether a text has so many control characters that its JSON is longer than its base64."""
    return len(text) - len(text.translate(None, _ESCAPED_IN_SIX)) > len(text) // 15


_ESCAPED_IN_SIX = bytes(code for code in range(0x20) if code not in b"\b\t\n\f\r")


def encode_json(value: Any) -> bytes:
    """Encode a value as one line of strict JSON.

    Raises:
        NotJsonError: if a part of it has no JSON form (NaN, an unknown type, a name that is not a string).
    """
    try:
        return _ENCODER.encode(to_json_types(value))
    except (ValueError, RecursionError) as exc:  # lone surrogates; a structure that contains itself
        raise exc if isinstance(exc, NotJsonError) else NotJsonError(str(exc)) from exc


def to_json_types(value: Any, path: str = "") -> Any:
    """Return a copy that has the types of JSON only, of Python's types, numpy's and pandas': see docs/formats.md.

    Raises:
        NotJsonError: with the path of the first value that JSON cannot represent.
    """
    if value is None or isinstance(value, (bool, str, int, float)):
        return _scalar(value, path)
    if isinstance(value, Mapping):
        if bad := [k for k in value if not isinstance(k, str)]:
            raise NotJsonError(f"{path or 'the value'} has the name {bad[0]!r}, which is not a string")
        return {str.__str__(k): to_json_types(v, f"{path}.{k}" if path else k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_types(v, f"{path}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, enum.Enum):
        return to_json_types(value.value, path)
    if isinstance(value, (set, frozenset)):  # in an order that does not differ from run to run
        return sorted(
            (to_json_types(v, path) for v in value), key=lambda item: (type(item).__name__, _ENCODER.encode(item))
        )
    if is_of_library(value):
        return to_json_types(own_value(value, path), path)
    if (text := _text_of(value)) is not None:
        return text
    raise NotJsonError(f"{path or 'the value'} is of type {type(value).__name__}")


def _scalar(value: Any, path: str) -> Any:
    """Return a scalar without the class that it may have beside its own, such as an enumeration's or numpy's."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if math.isfinite(value):
        return float(value)
    raise NotJsonError(f"{path or 'the value'} is {value}")


def _text_of(value: Any) -> str | None:
    """Return the text of a value that JSON has no type for, or None if it has no text."""
    if isinstance(value, datetime.timedelta):
        return duration_text(value // datetime.timedelta(microseconds=1), "us")
    if isinstance(value, (datetime.date, datetime.time)):  # a datetime is a date
        text = value.isoformat()
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal):
        return str(value) if value.is_finite() else None
    return str(value) if isinstance(value, (uuid.UUID, ExactText)) else None


def with_own_types(value: Any, path: str = "") -> Any:
    """Return a copy in which values of numpy and pandas are Python's own; all else is left for a schema to judge.

    Raises:
        NotJsonError: naming the path of a value that has no counterpart.
    """
    if isinstance(value, Mapping):
        return {name: with_own_types(item, f"{path}.{name}" if path else str(name)) for name, item in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(with_own_types(item, f"{path}[{i}]") for i, item in enumerate(value))
    return with_own_types(own_value(value, path), path) if is_of_library(value) else value


def refuse_inexact(value: Any, path: str = "") -> None:
    """Look for values that a pydantic class may write as others: it writes NaN as null and cuts off seconds of offsets.

    Raises:
        NotJsonError: with the path of the first.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise NotJsonError(f"{path or 'the value'} is {value}")
    if isinstance(value, (datetime.datetime, datetime.time)):
        offset = value.utcoffset()
        if offset is not None and offset % datetime.timedelta(minutes=1):
            raise NotJsonError(f"{path or 'the value'} is {value}, whose offset has seconds")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            refuse_inexact(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for i, item in enumerate(value):
            refuse_inexact(item, f"{path}[{i}]")
