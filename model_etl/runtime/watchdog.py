"""A thread that acts at given times, even if the main thread hangs in a library or waits for a lock."""

from __future__ import annotations

import _thread
import contextlib
import os
import select
import signal
import time
from collections.abc import Callable

_STOP = 0


class Watchdog:
    """Runs functions at given times in a thread of its own, and notices signals that the main thread does not handle.

    Python calls a handler of signals between two instructions of the main thread, thus never while that waits for a
    lock that a thread holds which writes to a full pipe.
    """

    def __init__(self) -> None:
        self._alarms: list[tuple[float, Callable[[], None]]] = []
        self._on_signal: Callable[[int], None] | None = None
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)  # the end that signals are written to
        self._started = False

    def call_at(self, moment: float, action: Callable[[], None]) -> None:
        """Call a function at a moment of the monotonic clock.

        Args:
            moment: when.
            action: called in the thread of the watchdog.
        """
        self._alarms.append((moment, action))
        self.start()
        self._wake(signal.SIGALRM)

    def on_signal(self, action: Callable[[int], None]) -> None:
        """Call a function for each signal from now on, at once; call this in the main thread.

        Args:
            action: called with the number of the signal, in the thread of the watchdog.
        """
        self._on_signal = action
        with contextlib.suppress(ValueError):  # not the main thread
            signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)

    def stop(self) -> None:
        """End the thread."""
        if self._on_signal is not None:
            with contextlib.suppress(ValueError):
                signal.set_wakeup_fd(-1)
        self._wake(_STOP)

    def start(self) -> None:
        """Start the thread, unless it runs: Python 3.12 and later start none once the process is ending."""
        if not self._started:
            self._started = True
            # Not a threading.Thread: a handler of signals, which may interrupt the threading module, starts this one.
            with contextlib.suppress(RuntimeError):  # no more threads are permitted; the main thread may still act
                _thread.start_new_thread(self._watch, ())

    def _wake(self, number: int) -> None:
        with contextlib.suppress(OSError):
            os.write(self._write_end, bytes([number]))

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._read_end, select.POLLIN)
        while True:
            now = time.monotonic()
            due = [alarm for alarm in self._alarms if alarm[0] <= now]
            for alarm in sorted(due, key=lambda alarm: alarm[0]):
                self._alarms.remove(alarm)
                alarm[1]()
            if due:
                continue
            next_moment = min((moment for moment, _ in self._alarms), default=None)
            if poll.poll(None if next_moment is None else max(0.0, next_moment - now) * 1000 + 1):
                numbers = os.read(self._read_end, 512)
                if _STOP in numbers:
                    return
                for number in numbers:
                    if number != signal.SIGALRM and self._on_signal is not None:
                        self._on_signal(number)
