"""The line on a terminal that shows the progress of a run."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from typing_extensions import Self

from model_etl.records.run_counts import RunCounters

SHOW_AFTER_S = 0.5
"""How long a run may take without a line that shows its progress."""


class Progress:
    """Shows the progress of one run on standard error.

    Args:
        shown: whether to show it at all.
    """

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._since = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, counters: RunCounters) -> None:
        """Show how many bytes and records were read so far."""
        if not self._shown or time.monotonic() - self._since < SHOW_AFTER_S:
            return
        if self._bar is None:
            self._bar = self._start(counters.expected_bytes)
        self._bar.n = counters.bytes_read
        self._bar.set_postfix_str(f"{counters.records_read:,} records")

    def _start(self, total: int | None) -> Any:
        from tqdm import tqdm  # noqa: PLC0415  not imported if nobody watches

        return tqdm(total=total, unit="B", unit_scale=True, leave=False, dynamic_ncols=True, file=sys.stderr)
