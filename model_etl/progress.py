"""A line on a terminal that shows how far a run is."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from types import TracebackType
from typing import Any, Protocol

from typing_extensions import Self


class _Tallied(Protocol):
    size: int
    records: int


class _Tallies(Protocol):
    input: Any


DELAY = 0.5
"""Seconds that a run may take without showing anything."""


class Progress:
    """The progress of one run; silent unless shown.

    Args:
        name: the input, whose size it looks up if it is a local file.
        shown: whether to show anything.
    """

    def __init__(self, name: str, *, shown: bool) -> None:
        self._name = name
        self._shown = shown
        self._since = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, tallies: _Tallies) -> None:
        """Show how much was read so far."""
        if not self._shown or time.monotonic() - self._since < DELAY:
            return
        if self._bar is None:
            self._bar = self._start()
        tally: _Tallied = tallies.input
        self._bar.n = tally.size
        self._bar.set_postfix_str(f"{tally.records:,} records")

    def _start(self) -> Any:
        from tqdm import tqdm  # noqa: PLC0415  imported for a person at a terminal, not by cron

        total = None
        with contextlib.suppress(OSError):
            total = os.path.getsize(self._name) or None  # noqa: PTH202
        return tqdm(total=total, unit="B", unit_scale=True, leave=False, dynamic_ncols=True, file=sys.stderr)
