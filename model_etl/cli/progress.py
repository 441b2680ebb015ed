"""A line on a terminal that shows how far a run is."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from typing_extensions import Self

from model_etl.records.run_counts import RunCounters

DELAY = 0.5
"""Seconds that a run may take without showing anything."""


class Progress:
    """The progress of one run; silent unless shown.

    Args:
        shown: whether to show anything.
    """

    def __init__(self, *, shown: bool) -> None:
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

    def show(self, counters: RunCounters) -> None:
        """Show how much was read so far."""
        if not self._shown or time.monotonic() - self._since < DELAY:
            return
        if self._bar is None:
            self._bar = self._start(counters.expected_bytes)
        self._bar.n = counters.bytes_read
        self._bar.set_postfix_str(f"{counters.records_read:,} records")

    def _start(self, total: int | None) -> Any:
        from tqdm import tqdm  # noqa: PLC0415  imported for a person at a terminal, not by cron

        return tqdm(total=total, unit="B", unit_scale=True, leave=False, dynamic_ncols=True, file=sys.stderr)
