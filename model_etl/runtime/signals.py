"""Signals that ask a run to end: each becomes an `Interrupted`, but never while files are published."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from model_etl.errors import Interrupted

_SIGNALS: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

REPEAT = 0.5
"""Seconds in which a second signal is the same request: timeout(1) signals the process and then its whole group."""


class _Process:
    """What all handlers of this process have in common; changed by the main thread only."""

    deferring = 0
    pending: int | None = None
    yielding = False


class Interrupts:
    """Handles signals for the length of a run. A second one, some time after the first, ends the process at once.

    Attributes:
        received: number of the first signal.
        raised: what was raised for it. If something else comes out, a library has wrapped it: this is the cause.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.raised: Interrupted | None = None
        self._since = 0.0
        self._held = False
        self._decided = False

    @contextlib.contextmanager
    def handled(self) -> Iterator[Interrupts]:
        """Handle the signals, but for those that whoever started us chose to ignore (nohup, a shell's `&`)."""
        before: dict[int, Any] = {}
        hook = sys.unraisablehook

        def unraisable(args: Any) -> None:
            if not isinstance(args.exc_value, Interrupted):  # raised in a destructor: `check` raises it again
                hook(args)

        sys.unraisablehook = unraisable
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, self._receive)
        try:
            yield self
        finally:
            self._decided = True  # what the run came to is known, and a signal no longer changes it
            for number, handler in before.items():
                signal.signal(number, handler)
            sys.unraisablehook = hook

    @contextlib.contextmanager
    def uninterruptible(self) -> Iterator[None]:
        """Let nothing interrupt what must be done whole; a signal that came before is raised first.

        A signal that comes in the block or after it is too late: what is published must not be reported as stopped.
        """
        self.check()
        self._held = True
        try:
            self.check()
            yield
        finally:
            self._decided = True
            self._held = False

    def check(self) -> None:
        """Raise what was received: Python swallows an exception that a handler raises inside a destructor.

        Raises:
            Interrupted: if a signal was received.
        """
        if self.received is not None:
            raise Interrupted(self.received)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if _Process.deferring:
            _Process.pending = number
            return
        if self.received is None:
            self.received, self._since = number, time.monotonic()
        elif time.monotonic() - self._since > REPEAT:
            _leave(number)
        else:
            return
        late = self._held or self._decided
        if _Process.yielding or not late:
            self.raised = Interrupted(number)
            if late:
                self.raised.remark = "a part may have been published"
            raise self.raised


@contextlib.contextmanager
def signals_deferred() -> Iterator[None]:
    """Let a signal wait until the block is left: for a few steps that must not be left half done."""
    _Process.deferring += 1
    try:
        yield
    finally:
        _Process.deferring -= 1
        if not _Process.deferring and _Process.pending is not None:
            number, _Process.pending = _Process.pending, None
            signal.raise_signal(number)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let a signal end the block even while files are published: it may wait for somebody else for ever."""
    _Process.yielding = True
    try:
        yield
    finally:
        _Process.yielding = False


def _leave(number: int) -> None:
    """End the process at once, as was asked for twice; what is staged is taken over by the next run."""
    with contextlib.suppress(OSError):
        os.write(2, f"model-etl: error: stopped at once by {signal.Signals(number).name}\n".encode())
    os._exit(128 + number)
