"""Models that meet with trouble on a worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

from acceptance_model import MoodyIris

ATTEMPT = os.environ.get("mapreduce_task_attempt_id", "")  # noqa: SIM112  Hadoop's own spelling


class Killed(MoodyIris):
    """Its process is killed in the midst of a task, the first time that this is tried."""

    def __init__(self) -> None:
        super().__init__()
        self._batches = 0

    def predict_batch(self, records: Sequence[Any]) -> Sequence[Any]:
        """Predict many, but not the third time."""
        self._batches += 1
        if self._batches == 3 and ATTEMPT.endswith("_m_000001_0"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().predict_batch(records)


class Elsewhere(MoodyIris):
    """Can be loaded where the job is started, but on no worker."""

    def __init__(self) -> None:
        super().__init__()
        if ATTEMPT:
            raise OSError("libgomp.so.1: cannot open shared object file")


class Dying(MoodyIris):
    """Takes its process with it."""

    def predict_batch(self, records: Sequence[Any]) -> Sequence[Any]:
        """Die."""
        os._exit(3)


class Slow(MoodyIris):
    """Never comes to an end."""

    def predict_batch(self, records: Sequence[Any]) -> Sequence[Any]:
        """Wait for ever."""
        while True:
            signal.pause()


class Talking(MoodyIris):
    """Prints where it should not."""

    qualified_name = "talking_iris"

    def predict_batch(self, records: Sequence[Any]) -> Sequence[Any]:
        """Predict many, and talk."""
        print("predicting")  # noqa: T201
        os.write(1, b"deep in C\n")
        return super().predict_batch(records)
