"""Signals that ask a run to end: each becomes an `Interrupted`, but never while files are published."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

from model_etl.errors import Interrupted

_SIGNALS: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Handles signals for the length of a run. A second one ends the process at once."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._held = False

    @contextlib.contextmanager
    def handled(self) -> Iterator[Interrupts]:
        """Handle the signals, but for those that whoever started us chose to ignore (nohup, a shell's `&`)."""
        before: dict[int, Any] = {}
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, self._receive)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing interrupt what must be done whole; a signal that came before is raised first."""
        self.check()
        self._held = True
        try:
            self.check()
            yield
        finally:
            self._held = False

    def check(self) -> None:
        """Raise what was received: Python swallows an exception that a handler raises inside a destructor.

        Raises:
            Interrupted: if a signal was received.
        """
        if self.received is not None:
            raise Interrupted(self.received)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._held:
            return  # the files are being renamed: it takes a moment, and then the run is done
        if self.received is not None:
            os._exit(128 + number)
        self.received = number
        raise Interrupted(number)
