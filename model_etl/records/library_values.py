"""Values of numpy, pandas and libraries like them as Python's own: the same value exactly, or none.

The libraries are known by what their objects can do: this module imports neither.
"""

from __future__ import annotations

import datetime
from typing import Any

from model_etl.records.times import duration_text

_COARSE = {"W": 604_800, "D": 86_400, "h": 3600, "m": 60}
"""The seconds of numpy's units that are longer than a second and always of one length."""
_YEAR_DIGITS = 4


class NotJsonError(ValueError):
    """A value has no strict JSON form; the message says where it is and why."""


class ExactText:
    """The text of a time that Python's types cannot hold; a schema that wants one of these refuses it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def is_of_library(value: Any) -> bool:
    """Return whether a value is an array of numpy, pandas or a library like them, or a scalar of these."""
    if callable(getattr(value, "tolist", None)):
        return True
    is_scalar = isinstance(value, (datetime.datetime, datetime.timedelta)) or type(value).__name__ == "NAType"
    return is_scalar and type(value).__module__.partition(".")[0] == "pandas"


def own_value(value: Any, path: str) -> Any:
    """Return the counterpart of a library's value; the items of a list may be values of the library again.

    Args:
        value: an array or a scalar; `is_of_library` is true.
        path: where it stands, for the error.

    Raises:
        NotJsonError: if it has none.
    """
    name = type(value).__name__
    dtype_kind = getattr(getattr(value, "dtype", None), "kind", "")
    if name in ("NaTType", "NAType"):
        return None
    if dtype_kind in ("m", "M"):
        if getattr(value, "ndim", 0):
            return list(value)
        return _numpy_time(value, path)
    if isinstance(value, datetime.datetime):  # of pandas
        text = value.isoformat()
        if not datetime.MINYEAR <= value.year <= datetime.MAXYEAR:
            return ExactText(text if text.startswith("-") else f"+{text}")
        return ExactText(text) if value.nanosecond else value.to_pydatetime()  # type: ignore[attr-defined]
    if isinstance(value, datetime.timedelta):
        return _numpy_time(value.to_timedelta64(), path)  # type: ignore[attr-defined]
    own = value.tolist() if callable(getattr(value, "tolist", None)) else value
    if type(own) is not type(value):
        return own
    if dtype_kind == "f" and float(value) == value:
        return float(value)
    raise NotJsonError(f"{path or 'the value'} is of type {name}")


def _numpy_time(value: Any, path: str) -> Any:
    if value != value:  # noqa: PLR0124  NaT
        return None
    dtype_kind, letter = value.dtype.kind, value.dtype.kind.upper() if value.dtype.kind == "M" else "m"
    unit = value.dtype.str.partition("[")[2].rstrip("]").lstrip("0123456789")
    if dtype_kind == "m" and unit in ("", "Y", "M"):
        reason = f"a number of {'years' if unit == 'Y' else 'months'}" if unit else "a timedelta64 without a unit"
        raise NotJsonError(f"{path or 'the value'} is {reason}, which is not a duration")
    own = value.tolist()
    if isinstance(own, (datetime.date, datetime.timedelta)):
        return own
    if unit in ("ns", "ps", "fs", "as"):
        coarse = value.astype(f"{letter}8[us]")
        if coarse == value and not isinstance(coarse.tolist(), int):
            return coarse.tolist()
    if dtype_kind == "M":
        text = str(value.astype("M8[D]") if unit in ("Y", "M") else value)
        return ExactText(f"+{text}" if text.find("-", 1) > _YEAR_DIGITS else text)
    count = int(value.astype("int64")) * int(value.dtype.str.partition("[")[2].rstrip("]abcdefhmnopsuDWYM") or 1)
    return ExactText(duration_text(count * _COARSE.get(unit, 1), "s" if unit in _COARSE else unit))
