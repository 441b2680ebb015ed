"""Whole processes, timed, with the memory of all that they start."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from common import HERE, Run, environment, peak

SAMPLE_INTERVAL_S = 0.05
TIME_LIMIT_S = 1800.0
_MIB = 1 << 20


class FailedError(Exception):
    """A process ended with a failure, or not at all; the message is one line."""


class Tree(threading.Thread):
    """Adds up, again and again, the resident memory of a process and of all below it.

    Pages that several of them share count in each of them.

    Args:
        pid: the process.

    Attributes:
        most: the largest sum, in MiB.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.most = 0.0
        self._root = psutil.Process(pid)
        self._ended = threading.Event()
        self._limit = time.monotonic() + TIME_LIMIT_S

    def run(self) -> None:
        """Read it until `stop` is called."""
        while not self._ended.wait(SAMPLE_INTERVAL_S):
            try:
                found = [self._root, *self._root.children(recursive=True)]
            except psutil.Error:
                return
            self.most = max(self.most, sum(map(_resident, found)) / _MIB, peak(self._root.pid))
            if time.monotonic() > self._limit:
                for process in found:
                    _kill(process)

    def stop(self) -> None:
        """Wait for the last reading."""
        self._ended.set()
        self.join()


def timed(command: Sequence[str | Path]) -> Run:
    """Run a command to its end, in `benchmarks/`, as `common.timed` does, and watch the memory of its whole tree.

    Raises:
        FailedError: if it fails, or takes more than half an hour.
    """
    with tempfile.TemporaryFile() as log_file:
        start = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            cwd=HERE,
            env=environment(),
        )
        tree = Tree(process.pid)
        tree.start()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        tree.stop()
        if process.returncode:
            log_file.seek(0)
            lines = [line.strip() for line in log_file.read().decode(errors="replace").splitlines() if line.strip()]
            raise FailedError(f"exit code {process.returncode}: {lines[-1] if lines else 'it log_file nothing'}")
    return Run(seconds, used.ru_utime + used.ru_stime, tree.most)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.Error:
        return
