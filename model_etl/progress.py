"""A line on a terminal that shows how far a run is."""

from __future__ import annotations

import contextlib
import os
import sys
from types import TracebackType
from typing import Any, Protocol

from typing_extensions import Self


class _Tallied(Protocol):
    size: int
    records: int


class _Tallies(Protocol):
    input: Any


class Progress:
    """The progress of one run; silent unless shown.

    Args:
        name: the input, whose size it looks up if it is a local file.
        shown: whether to show anything.
    """

    def __init__(self, name: str, *, shown: bool) -> None:
        self._name = name
        self._shown = shown
        self._bar: Any = None

    def __enter__(self) -> Self:
        if self._shown:
            from tqdm import tqdm  # noqa: PLC0415  imported for a person at a terminal, not by cron

            total = None
            with contextlib.suppress(OSError):
                total = os.path.getsize(self._name)  # noqa: PTH202
            self._bar = tqdm(
                total=total, unit="B", unit_scale=True, leave=False, delay=0.5, dynamic_ncols=True, file=sys.stderr
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, tallies: _Tallies) -> None:
        """Show how much was read so far."""
        if self._bar is not None:
            tally: _Tallied = tallies.input
            self._bar.set_postfix_str(f"{tally.records:,} records", refresh=False)
            self._bar.update(tally.size - self._bar.n)
