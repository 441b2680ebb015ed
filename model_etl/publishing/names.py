"""Names of files that lie beside others, and so have longer names."""

from __future__ import annotations

import hashlib
import os

NAME_BYTES = 255
"""The longest name of a file on most file systems."""
_DIGEST_DIGITS = 16


def beside(stem: str, ending: str, limit: int = NAME_BYTES) -> str:
    """Return a name with an ending; where it would be too long, a digest takes the place of the end of the stem.

    Args:
        stem: start of the name, without slashes, in any encoding.
        ending: its end; only the part before a slash counts.
        limit: the longest name, in bytes.
    """
    room = limit - len(os.fsencode(ending.partition("/")[0]))
    if len(os.fsencode(stem)) <= room:
        return stem + ending
    digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:_DIGEST_DIGITS]
    start = stem
    while len(os.fsencode(start)) > room - _DIGEST_DIGITS - 1:
        start = start[:-1]
    return f"{start}-{digest}{ending}"
