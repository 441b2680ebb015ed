"""The bytes of an Arrow column of text, and forms that all its texts have: faster than a pattern for each text.

A form that is found is sure. One that is not found says that a text has another, or that only a pattern can tell.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

_Array: TypeAlias = "np.ndarray[Any, Any]"

_ZERO, _NINE, _MINUS, _POINT = b"09-."
_LAST_CONTROL = 0x1F


def data_of(array: pa.Array) -> memoryview:
    """Return the bytes of texts one after the other, without a copy."""
    _, offsets, data = array.buffers()
    if not len(array) or data is None:
        return memoryview(b"")
    ends = memoryview(offsets).cast("i")
    return memoryview(data)[ends[array.offset] : ends[array.offset + len(array)]].cast("B")


def need_no_escapes(array: pa.Array) -> bool:
    """Return whether JSON has all texts between quotes as they are."""
    codes = np.frombuffer(data_of(array), np.uint8)
    return not len(codes) or bool(
        codes.min() > _LAST_CONTROL and not ((codes == ord('"')) | (codes == ord("\\"))).any()
    )


def have_length(array: pa.Array, length: int) -> bool:
    """Return whether each text has a number of bytes."""
    sizes = np.diff(_offsets(array))
    return bool(np.count_nonzero(sizes == length) == len(array) - array.null_count)


def are_integers(array: pa.Array, most_digits: int | None = None) -> bool:
    """Return whether each text is an integer as JSON writes it, without a sign.

    Args:
        array: the texts.
        most_digits: the most digits that it has, or None for any number.
    """
    codes, starts, sizes = _filled(array)
    if not len(codes) or len(starts) < len(array) - array.null_count:
        return False
    are_digits = codes.min() >= _ZERO and codes.max() <= _NINE
    if not are_digits or (most_digits is not None and sizes.max() > most_digits):
        return False
    return not (codes[starts[sizes > 1]] == _ZERO).any()


def are_decimals(array: pa.Array) -> bool:
    """Return whether each text is a number as JSON writes it, without an exponent, and none is `-0`."""
    codes, starts, sizes = _filled(array)
    if not len(codes) or len(starts) < len(array) - array.null_count:
        return False
    is_digit = codes - _ZERO <= _NINE - _ZERO  # modulo 256
    others = np.flatnonzero(~is_digit)
    minuses, points = others[codes[others] == _MINUS], others[codes[others] == _POINT]
    if len(minuses) + len(points) < len(others):
        return False
    has_minus = codes[starts] == _MINUS
    ends = starts + sizes
    if len(minuses) > np.count_nonzero(has_minus) or not is_digit[ends - 1].all():
        return False
    integers = starts + has_minus  # where the digits before the point start; a sign is not the last byte
    if not (is_digit[integers].all() and is_digit[points - 1].all() and is_digit[points + 1].all()):
        return False
    if len(points) > 1 and (np.diff(np.searchsorted(starts, points, side="right")) == 0).any():
        return False
    starts_with_zero = codes[integers] == _ZERO
    is_alone = integers + 1 == ends
    has_more = is_digit[np.minimum(integers + 1, len(codes) - 1)] & ~is_alone
    return not (starts_with_zero & (has_more | (is_alone & has_minus))).any()


def _filled(array: pa.Array) -> tuple[_Array, _Array, _Array]:
    """Return the bytes of texts, and the start and the number of bytes of each that is not empty."""
    offsets = _offsets(array)
    sizes = np.diff(offsets)
    starts = offsets[:-1] - offsets[0] if len(offsets) else offsets
    filled = sizes > 0
    return np.frombuffer(data_of(array), np.uint8), starts[filled], sizes[filled]


def _offsets(array: pa.Array) -> _Array:
    offsets = array.buffers()[1]
    if offsets is None:
        return np.zeros(1, np.int32)
    return np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
