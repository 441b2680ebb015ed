"""Waiting for what another process does, and runs that hang."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from typing import Any

from typing_extensions import Self

from helpers.command import Etl


def wait_for(
    condition: Callable[[], object], run: subprocess.Popen[bytes] | None = None, *, seconds: float = 30
) -> None:
    """Wait until the condition holds.

    Raises:
        AssertionError: it did not hold in time, or the run ended before it did.
    """
    end = time.monotonic() + seconds
    while not condition():
        if run is not None and run.poll() is not None:
            raise AssertionError(f"the run ended with {run.returncode}: {run.communicate()}")
        assert time.monotonic() < end, "the condition did not hold in time"
        time.sleep(0.005)


def slowdown() -> float:
    """Return how much longer things may take than on a quiet machine.

    It is the number of processes that want to run for each processor, twice: the last minute's average lags behind.
    """
    return 2 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class HangingRuns:
    """Starts runs whose model hangs at a negative record while they hold their files, and kills them at the end."""

    def __init__(self, etl: Etl) -> None:
        self._etl = etl
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for run in self._started:
            run.kill()
            run.communicate()

    def start(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a run with these arguments beside the model's, and wait until it hangs."""
        run = self._etl.popen("run", "-m", "failing_models:Hangs", *arguments, env=env)
        self._started.append(run)
        return self.wait(run)

    def wait(self, run: subprocess.Popen[bytes], **options: Any) -> subprocess.Popen[bytes]:
        """Wait until the model of a run hangs, which it shows by a file."""
        sign = self._etl.folder / "hanging"
        wait_for(sign.exists, run, **options)
        sign.unlink()
        return run
