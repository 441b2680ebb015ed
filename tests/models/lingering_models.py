"""Models that keep the process busy after all its files are published."""

from __future__ import annotations

import atexit
import sys
import threading
import time
from pathlib import Path
from typing import Any

from failing_models import GoodBatch


class LeavesThread(GoodBatch):
    """Leaves a thread that ends a while after the work."""

    def __init__(self) -> None:
        self._work_done = threading.Event()

    def predict_batch(self, records: Any) -> Any:
        """Predict, and start the thread."""
        if not self._work_done.is_set():
            self._work_done.set()
            threading.Thread(target=time.sleep, args=(1.0,)).start()
        return super().predict_batch(records)


class CleansUpSlowly(GoodBatch):
    """Does something for a while when Python exits."""

    def __init__(self) -> None:
        atexit.register(time.sleep, 0.5)


class HangsAtExit(GoodBatch):
    """Never lets Python exit."""

    def __init__(self) -> None:
        atexit.register(time.sleep, 3600)


class FillsStandardError(GoodBatch):
    """Says more than a pipe holds."""

    def fail(self) -> Any:
        """Print without end."""
        Path("hanging").touch()
        while True:
            print("x" * 1000, file=sys.stderr, flush=True)  # noqa: T201
