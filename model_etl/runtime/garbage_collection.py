"""Garbage collection at the exit of a command."""

from __future__ import annotations

import contextlib
import gc
import io

_WRITABLE_FILES = {io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom}


def freeze_before_exit() -> None:
    """Collect garbage once, then exempt every object from the collections that Python runs while it exits.

    Those go through everything that was imported, several times: a tenth of the time of a run of a few records with
    scikit-learn. `__del__` of objects without references, `weakref.finalize` and `atexit` work as ever. For a command
    only: this changes the whole process.
    """
    _flush_files()  # a file in a reference cycle may lose its last lines when it is collected
    gc.collect()
    _flush_files()  # `__del__` may have written to a file that is frozen, and so never closed
    gc.freeze()


def _flush_files() -> None:
    for file in [candidate for candidate in gc.get_objects() if type(candidate) in _WRITABLE_FILES]:
        with contextlib.suppress(OSError, ValueError):
            file.flush()
