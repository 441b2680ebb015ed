"""Waiting for what another process does, and runs that hang."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
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
    end = time.monotonic() + seconds * slowdown()
    while not condition():
        if run is not None and run.poll() is not None:
            raise AssertionError(f"the run ended with {run.returncode}: {run.communicate()}")
        assert time.monotonic() < end, "the condition did not hold in time"
        time.sleep(0.005)


def interrupt_group(run: subprocess.Popen[bytes]) -> None:
    """Send SIGINT to all processes of a run, as Ctrl-C on a terminal does; see that it ends with its one message.

    The process that waits for the others passes the signal on, too. On a busy machine that may come half a second after
    theirs, and then counts as a second one.
    """
    os.killpg(run.pid, signal.SIGINT)
    _, err = run.communicate(timeout=20 * slowdown())
    assert run.returncode == 130
    assert err in (
        b"model-etl: error: stopped by SIGINT; nothing was published\n",
        b"model-etl: error: stopped at once by SIGINT\n",
    )


def wait_until_asleep(run: subprocess.Popen[bytes], *, seconds: float = 60) -> None:
    """Wait until no thread of a run has had work for half a second; one that waits for a processor has."""
    awake = time.monotonic()

    def asleep() -> bool:
        nonlocal awake
        if set(_states(run.pid)) != {"S"}:
            awake = time.monotonic()
        return time.monotonic() - awake > 0.5

    wait_for(asleep, run, seconds=seconds)


def _states(pid: int) -> Iterator[str]:
    """Yield the state of each thread of a process and of its children, as in proc(5)."""
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            yield (task / "stat").read_text().rpartition(") ")[2][0]
            for child in (task / "children").read_text().split():
                yield from _states(int(child))
    except OSError:
        yield "ended"


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
