"""Signals that stop a run: each is raised as `Interrupted`, except while files are published."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from model_etl.errors import Interrupted

if TYPE_CHECKING:
    import asyncio

STOP_SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

DUPLICATE_SIGNAL_WINDOW_S = 0.5
"""A second signal within this time belongs to the same request: timeout(1) signals the process, then its group."""


class _SignalState:
    """The state that all handlers of this process share; only the main thread changes it."""

    deferral_depth = 0
    deferred_signal: int | None = None
    interruptible = False
    raised: Interrupted | None = None
    reset_in_copies = False
    mask: Any = None


class Interrupts:
    """Handles the stop signals during a run. A second signal ends the process at once.

    Attributes:
        received: number of the first signal, or None.
        raised: the exception that was raised for it, or None. If a run ends with another exception, a library has
            wrapped this one.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.raised: Interrupted | None = None
        self._received_at = 0.0
        self._publishing = False
        self._outcome_decided = False

    @contextlib.contextmanager
    def handled(self) -> Iterator[Interrupts]:
        """Handle the stop signals, except those that the parent process set to be ignored (nohup, a shell's `&`)."""
        previous: dict[signal.Signals, Any] = {}
        hook = sys.unraisablehook

        def ignore_interrupted(args: sys.UnraisableHookArgs) -> None:
            if not isinstance(args.exc_value, Interrupted):  # raised in a destructor: `check` raises it again
                hook(args)

        sys.unraisablehook = ignore_interrupted
        reset_in_forked_copies()
        for number in _handled_signals():
            previous[number] = signal.signal(number, self._receive)
        try:
            yield self
        finally:
            self._outcome_decided = True
            _SignalState.raised = None
            for number, handler in previous.items():
                signal.signal(number, handler)
            sys.unraisablehook = hook

    @contextlib.contextmanager
    def uninterruptible(self) -> Iterator[None]:
        """Let no signal interrupt the block, which publishes files; a signal that came before is raised first.

        A signal during the block or after it changes nothing: a run that has published is not reported as stopped.

        Raises:
            Interrupted: if a signal was received before.
        """
        self.check()
        self._publishing = True
        try:
            self.check()  # a signal may have come between the first check and the flag
            yield
        finally:
            self._outcome_decided = True
            self._publishing = False

    def check(self) -> None:
        """Raise `Interrupted` if a signal was received: Python drops exceptions raised inside a destructor.

        Raises:
            Interrupted: if a signal was received.
        """
        if self.received is not None:
            raise Interrupted(self.received)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if _SignalState.deferral_depth:
            _SignalState.deferred_signal = number
            return
        if self.received is None:
            self.received, self._received_at = number, time.monotonic()
        elif time.monotonic() - self._received_at > DUPLICATE_SIGNAL_WINDOW_S:
            exit_at_once(number)
        else:
            return
        too_late = self._publishing or self._outcome_decided
        if _SignalState.interruptible or not too_late:
            self.raised = _SignalState.raised = Interrupted(number)
            if too_late:
                self.raised.remark = "a part may have been published"
            raise self.raised


def raise_if_stopped() -> None:
    """Raise what a signal handler has raised in this run; code that it interrupted may have swallowed it.

    Raises:
        Interrupted: if a signal has stopped the run.
    """
    if _SignalState.raised is not None:
        raise _SignalState.raised


@contextlib.contextmanager
def signals_deferred() -> Iterator[None]:
    """Hold signals back until the block ends: for a few steps that must not be left half done."""
    _SignalState.deferral_depth += 1
    try:
        yield
    finally:
        _SignalState.deferral_depth -= 1
        if not _SignalState.deferral_depth and _SignalState.deferred_signal is not None:
            number, _SignalState.deferred_signal = _SignalState.deferred_signal, None
            signal.raise_signal(number)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Allow a signal to interrupt the block even during publishing, because the block may wait for ever."""
    _SignalState.interruptible = True
    try:
        yield
    finally:
        _SignalState.interruptible = False


@contextlib.contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """Yield an event that the first stop signal sets, for a service on asyncio; a second signal ends the process."""
    import asyncio  # noqa: PLC0415  a run of one machine does not need it

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    received_at = 0.0

    def receive(number: int) -> None:
        nonlocal received_at
        if not stop.is_set():
            received_at = time.monotonic()
            stop.set()
        elif time.monotonic() - received_at > DUPLICATE_SIGNAL_WINDOW_S:
            exit_at_once(number)

    reset_in_forked_copies()
    handled = _handled_signals()
    for number in handled:
        loop.add_signal_handler(number, receive, number)
    try:
        yield stop
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def ignore_stop_signals() -> None:
    """Ignore the stop signals in this process, but neither in its children nor in the programs that it starts."""
    reset_in_forked_copies()
    for number in STOP_SIGNALS:
        signal.signal(number, _ignore)  # SIG_IGN would be inherited by programs


def reset_in_forked_copies() -> None:
    """Have copies of this process that a model forks handle the stop signals as any program does: by ending.

    A pool ends its processes with SIGTERM. Our handlers would raise an exception in them instead, or do nothing.
    """
    if not _SignalState.reset_in_copies:
        _SignalState.reset_in_copies = True
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_reset_in_copy)


def _before_fork() -> None:
    # A signal that comes before the copy has reset its handlers waits until it has.
    _SignalState.mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def _after_fork() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _SignalState.mask)


def _reset_in_copy() -> None:
    for number in STOP_SIGNALS:
        handler = signal.getsignal(number)
        if getattr(handler, "__module__", None) in (__name__, "asyncio.unix_events"):
            signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(ValueError):  # a thread of its own started this
        signal.set_wakeup_fd(-1)  # asyncio's: this process must not wake the loop of its parent
    _SignalState.raised = None
    _after_fork()


def _ignore(number: int, frame: FrameType | None) -> None:
    pass


def _handled_signals() -> list[signal.Signals]:
    return [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def exit_at_once(number: int) -> None:
    """End the process without cleaning up; the next run takes over what is staged."""
    with contextlib.suppress(OSError):
        os.write(2, f"model-etl: error: stopped at once by {signal.Signals(number).name}\n".encode())
    os._exit(128 + number)
