"""Garbage collection at the exit of a command."""

from __future__ import annotations

import contextlib
import gc
import io

_WRITABLE_FILES = {io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom}


def freeze_before_exit() -> None:
    """Exempt every object from the garbage collections that Python runs while it exits.

    Those go through everything that was imported, several times: a tenth of the time of a run of a few records. Files
    are flushed first, because a file in a reference cycle is not closed any more. `weakref.finalize`, `atexit` and
    `__del__` of objects outside of cycles work as ever. For a command only: this changes the whole process.
    """
    try:
        objects = gc.get_objects()
    except MemoryError:
        return  # then Python collects, which needs no memory
    for file in [candidate for candidate in objects if type(candidate) in _WRITABLE_FILES]:
        with contextlib.suppress(OSError, ValueError):
            file.flush()
    gc.freeze()
