"""Models that fail on a worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

from acceptance_model import MoodyIris

ATTEMPT = os.environ.get("mapreduce_task_attempt_id", "")  # noqa: SIM112  Hadoop's own spelling


class Killed(MoodyIris):
    """Kills its process in the middle of a task, in the task's first attempt."""

    def __init__(self) -> None:
        super().__init__()
        self._batches = 0

    def predict_batch(self, records: Sequence[Any]) -> Sequence[Any]:
        """Return predictions, except for the third batch."""
        self._batches += 1
        if self._batches == 3 and ATTEMPT.endswith("_m_000001_0"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().predict_batch(records)


class Elsewhere(MoodyIris):
    """Can be loaded where the job is started, but not on a worker."""

    def __init__(self) -> None:
        super().__init__()
        if ATTEMPT:
            raise OSError("libgomp.so.1: cannot open shared object file")


class Dying(MoodyIris):
    """Ends its process."""

    def predict_batch(self, records: Sequence[Any]) -> Sequence[Any]:
        """End the process."""
        os._exit(3)


class Slow(MoodyIris):
    """Never returns."""

    def predict_batch(self, records: Sequence[Any]) -> Sequence[Any]:
        """Wait without end."""
        while True:
            signal.pause()


class Talking(MoodyIris):
    """Prints to standard output."""

    qualified_name = "talking_iris"

    def predict_batch(self, records: Sequence[Any]) -> Sequence[Any]:
        """Return predictions, and print from Python and from C."""
        print("predicting")  # noqa: T201
        os.write(1, b"deep in C\n")
        return super().predict_batch(records)
