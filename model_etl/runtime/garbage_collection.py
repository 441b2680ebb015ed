"""The garbage collector while a command starts and ends, where it would go through all that was imported.

That takes a tenth to a sixth of the time of a short run. Used by the command only: it changes the whole process.
"""

from __future__ import annotations

import contextlib
import gc
import io

SELDOM = 250_000
"""Objects between two collections while a command starts: more than importing scikit-learn makes, and not without end,
for the sake of a model that makes garbage while it is loaded."""
_HOLD_BACK = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


class _Process:
    """What was found in this process."""

    usual: tuple[int, int, int] | None = None
    aged = 0


def postpone() -> None:
    """Collect seldom until `as_usual`. To disable would hide whether a model itself wants the collector on or off."""
    usual = gc.get_threshold()
    if 0 < usual[0] < SELDOM:
        _Process.usual = usual
        gc.set_threshold(SELDOM, *usual[1:])


def restore() -> None:
    """Collect as usual again; does nothing if it was not put off, or if a model sees to it itself by now."""
    usual, _Process.usual = _Process.usual, None
    if usual is not None and gc.get_threshold()[0] == SELDOM:
        gc.freeze()
        gc.unfreeze()  # together: what exists now is old, and the frequent collections do not go through it
        gc.set_threshold(*usual)
        _Process.aged = _collections_that_age()


def final_collection() -> None:
    """Collect for the last time and spare Python from taking all else apart, object by object, when it exits.

    What is no longer used is ended as ever: with `__del__`, if a model has one. What is still used, or was loaded as
    part of a cycle, is not; for that there is no promise (see `object.__del__`), but files would miss their last lines.
    """
    gc.collect(1 if _collections_that_age() == _Process.aged else 2)  # all that was made since `as_usual`
    for file in [found for found in gc.get_objects() if type(found) in _HOLD_BACK]:
        with contextlib.suppress(OSError, ValueError):
            file.flush()
    gc.freeze()


def _collections_that_age() -> int:
    """Give how often there was a collection after which what is young counts as old."""
    count: int = gc.get_stats()[1]["collections"]
    return count
