"""Strict JSON: no NaN, no infinities, no unknown types; one record is one line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from model_etl.errors import RecordError

_ENCODER = msgspec.json.Encoder()


class NotJsonError(ValueError):
    """A value has no strict JSON form; the message has its path and the reason."""


def parse_object(document: bytes) -> dict[str, Any]:
    """Parse one record without any schema, as strict JSON.

    Raises:
        RecordError: with stage "parse"; the message has the position in the text.
    """
    try:
        value = msgspec.json.decode(document)
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
        msgspec.json.decode(text)  # refuses line breaks inside strings, so all others are between tokens
    except (ValueError, RecursionError):
        return text
    return text.translate(_BLANKS)


_BLANKS = bytes.maketrans(b"\r\n", b"  ")


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
    """Return a copy that has the types of JSON only; numpy's scalars and arrays become numbers and lists.

    Raises:
        NotJsonError: with the path of the first value that JSON cannot represent.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # the text itself, of an enumeration too
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        raise NotJsonError(f"{path or 'the value'} is {value}")
    if isinstance(value, Mapping):
        if bad := [k for k in value if not isinstance(k, str)]:
            raise NotJsonError(f"{path or 'the value'} has the name {bad[0]!r}, which is not a string")
        return {str.__str__(k): to_json_types(v, f"{path}.{k}" if path else k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_types(v, f"{path}[{i}]") for i, v in enumerate(value)]
    to_builtin = getattr(value, "tolist", None)  # numpy
    if callable(to_builtin):
        return to_json_types(to_builtin(), path)
    raise NotJsonError(f"{path or 'the value'} is of type {type(value).__name__}")


def without_numpy(value: Any) -> Any:
    """Return a copy in which numpy's scalars and arrays are Python numbers and lists; other values stay unchanged."""
    if isinstance(value, Mapping):
        return {name: without_numpy(item) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(without_numpy, value))
    to_builtin = getattr(value, "tolist", None)
    return to_builtin() if callable(to_builtin) else value


def refuse_not_finite(value: Any, path: str = "") -> None:
    """Check that a value contains no NaN and no infinity.

    Raises:
        NotJsonError: with the path of the first.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise NotJsonError(f"{path or 'the value'} is {value}")
    if isinstance(value, Mapping):
        for name, item in value.items():
            refuse_not_finite(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for i, item in enumerate(value):
            refuse_not_finite(item, f"{path}[{i}]")
