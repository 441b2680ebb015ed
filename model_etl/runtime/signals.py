"""Signals that stop a run: each is raised as `Interrupted`, except while files are published and after that."""

from __future__ import annotations

import atexit
import contextlib
import enum
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from model_etl.errors import Interrupted, TimeIsUp
from model_etl.runtime.failure import describe_failure, write_without_waiting
from model_etl.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    import asyncio

STOP_SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

DUPLICATE_SIGNAL_WINDOW_S = 0.5
"""A second signal within this time belongs to the same request: timeout(1) signals the process, then its group."""
PUBLISHING_GRACE_S = 2.0
"""How long a step of publishing that may wait for ever (for a server, for the reader of a pipe) may take after a
signal."""
STOP_GRACE_S = 8.0
"""How long a run may take to end after a signal, whatever its storage does. Docker kills after 10 s."""
_SECOND_SIGNAL_GRACE_S = 1.0
"""How long publishing and the report may take after a second signal."""


class _SignalState:
    """The state that all handlers of this process share; only the main thread changes it."""

    deferral_depth = 0
    deferred: Callable[[], None] | None = None
    interruptible = False
    raised: Interrupted | None = None
    reset_in_copies = False
    mask: Any = None


class _Phase(enum.Enum):
    """How far a run has come, as far as signals are concerned."""

    RUNNING = "a signal ends the run"
    PUBLISHING = "a signal ends a step that waits for ever, and nothing else"
    DECIDED = "a signal changes nothing, but what is left to do has to end soon"
    REPORTED = "the message was printed and the exit code is known"


class Interrupts:
    """Handles the stop signals during a run. A second signal ends the process at once, or soon if it is publishing.

    Args:
        before_end: called just before the process is ended at once.

    Attributes:
        received: number of the first signal, or None.
        raised: the exception that was raised for it, or None. If a run ends with another exception, a library has
            wrapped this one.
    """

    def __init__(self, before_end: Callable[[], None] = lambda: None) -> None:
        self._before_end = before_end
        self.received: int | None = None
        self.raised: Interrupted | None = None
        self._cause: Interrupted | None = None
        self._received_at = 0.0
        self._phase = _Phase.RUNNING
        self._published = False
        self._failure: BaseException | None = None
        self._exit_code = 0
        self._grace_is_over = False
        self._ending = threading.Lock()
        self._watchdog: Watchdog | None = None

    @contextlib.contextmanager
    def handled(self) -> Iterator[Interrupts]:
        """Handle the stop signals, except those that the parent process set to be ignored (nohup, a shell's `&`)."""
        hook = sys.unraisablehook
        previous = self._install()
        try:
            yield self
        finally:
            self.decide()
            _SignalState.raised = None
            if self._watchdog is not None:
                self._watchdog.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)
            sys.unraisablehook = hook

    def handle_until_exit(self) -> None:
        """Handle the stop signals until the process has ended, for a command: none changes a decided exit code."""
        self._install()
        atexit.register(_disable_stop_signals)  # Python would put the default handlers back while it exits

    def _install(self) -> dict[signal.Signals, Any]:
        hook = sys.unraisablehook

        def ignore_interrupted(args: sys.UnraisableHookArgs) -> None:
            if not isinstance(args.exc_value, Interrupted):  # raised in a destructor: `check` raises it again
                hook(args)

        sys.unraisablehook = ignore_interrupted
        reset_in_forked_copies()
        return {number: signal.signal(number, self._receive) for number in _handled_signals()}

    def limit_time(self, seconds: float | None) -> None:
        """End the run as a signal does once it has taken too long.

        Args:
            seconds: from now on; None for no limit.
        """
        if seconds is not None:
            cause = TimeIsUp(seconds)
            self._watch().call_at(time.monotonic() + seconds, lambda: self._end_run_from_thread(cause))

    @contextlib.contextmanager
    def uninterruptible(self) -> Iterator[None]:
        """Let no signal interrupt the block, which publishes files; a signal that came before is raised first.

        A signal during the block or after it changes nothing: a run that has published is not reported as stopped.
        Only a step that waits for ever is interrupted; see `interruptible`.

        Raises:
            Interrupted: if a signal was received before.
        """
        self.check()
        self._phase = _Phase.PUBLISHING
        try:
            self.check()  # a signal may have come between the first check and the assignment
            yield
            self._published = True
        finally:
            self._phase = _Phase.DECIDED

    def check(self) -> None:
        """Raise `Interrupted` if a signal was received: Python drops exceptions raised inside a destructor.

        Raises:
            Interrupted: if a signal was received.
        """
        if self._cause is not None:
            raise self._cause

    def decide(self, failure: BaseException | None = None) -> None:
        """Note how the run ends: no signal changes that from now on.

        Args:
            failure: what ended it, or None.
        """
        if self._phase is not _Phase.REPORTED:
            self._phase = _Phase.DECIDED
            self._failure = failure or self._failure

    def report(self, exit_code: int) -> None:
        """Note that all is done and was said; the process ends with this exit code whatever comes.

        Args:
            exit_code: of the process.
        """
        self._exit_code = exit_code
        self._phase = _Phase.REPORTED
        self._watch().start()  # for a signal that comes while a model keeps Python from exiting

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._grace_is_over:
            self._interrupt_publishing()
        elif self.received is not None:
            self._receive_again(number)
        else:
            self._begin_to_end(number, self._cause or Interrupted(number))
            if _SignalState.deferral_depth:
                _SignalState.deferred = self._raise_unless_too_late
            else:
                self._raise_unless_too_late()

    def _begin_to_end(self, number: int, cause: Interrupted) -> None:
        self.received, self._received_at, self._cause = number, time.monotonic(), cause
        watchdog = self._watch()
        watchdog.on_signal(self._receive_again)
        watchdog.call_at(self._received_at + PUBLISHING_GRACE_S, lambda: self._end_grace(number))
        watchdog.call_at(self._received_at + STOP_GRACE_S, self._end_process)

    def _raise_unless_too_late(self) -> None:
        if self._phase is _Phase.RUNNING:
            self.raised = _SignalState.raised = self._cause
            self.check()

    def _end_run_from_thread(self, cause: Interrupted) -> None:
        """Do as if a signal had come, in the thread of the watchdog."""
        if self._cause is None:
            self._cause = cause
            self._watch().call_at(
                time.monotonic() + STOP_GRACE_S, self._end_process
            )  # if the main thread hangs in C code
            _signal_main_thread(signal.SIGTERM, self._receive)

    def _end_grace(self, number: int) -> None:
        self._grace_is_over = self._phase is _Phase.PUBLISHING
        if self._grace_is_over:
            _signal_main_thread(number, self._receive)

    def _interrupt_publishing(self) -> None:
        self._grace_is_over = False
        if self._phase is _Phase.PUBLISHING and _SignalState.interruptible and self._cause is not None:
            self.raised = _SignalState.raised = self._cause
            self.raised.remark = "a part may have been published"
            raise self.raised

    def _receive_again(self, number: int) -> None:
        """End the process because of a second signal, which either the main thread or the watchdog has noticed."""
        if time.monotonic() - self._received_at <= DUPLICATE_SIGNAL_WINDOW_S:
            return
        if self._phase in (_Phase.RUNNING, _Phase.REPORTED):
            self._end_process(number)
        elif self._watchdog is not None:  # a rename, or the report, is a matter of milliseconds
            self._watchdog.call_at(time.monotonic() + _SECOND_SIGNAL_GRACE_S, lambda: self._end_process(number))

    def _end_process(self, second: int | None = None) -> None:
        """End the process without cleaning up; the next run takes over what is staged.

        Args:
            second: number of the second signal, if that is the reason.
        """
        self._ending.acquire()  # for ever: another thread that comes here waits for the end
        text, code = self._last_words(second)
        if text:
            write_without_waiting(f"model-etl: error: {text}")
        self._before_end()
        os._exit(code)

    def _last_words(self, second: int | None) -> tuple[str, int]:
        """Return the message and the exit code of a process that ends at once."""
        if self._phase is _Phase.REPORTED:
            return "", self._exit_code
        if self._failure is not None:
            return f"{describe_failure(self._failure)}\n  The run report was not written.", _code_of(self._failure)
        assert self._cause is not None
        if self._published:
            remark = "; the predictions were published, but the run report was not written"
        elif self._phase is not _Phase.RUNNING:
            remark = "; a part may have been published"
        else:
            remark = "" if second else f"; {self._cause.remark}"
        if second:
            return f"stopped at once by {signal.Signals(second).name}{remark}", 128 + second
        return f"{self._cause}{remark}", self._cause.exit_code

    def _watch(self) -> Watchdog:
        if self._watchdog is None:
            self._watchdog = Watchdog()
        return self._watchdog


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
        if not _SignalState.deferral_depth and _SignalState.deferred is not None:
            raise_late, _SignalState.deferred = _SignalState.deferred, None
            raise_late()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Allow a signal to interrupt the block even during publishing, because the block may wait for ever.

    It is interrupted some seconds after the signal: what is merely slow is finished.
    """
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


def exit_at_once(number: int) -> NoReturn:
    """End the process without cleaning up; the next run takes over what is staged."""
    write_without_waiting(f"model-etl: error: stopped at once by {signal.Signals(number).name}")
    os._exit(128 + number)


def _handled_signals() -> list[signal.Signals]:
    return [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def _disable_stop_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _signal_main_thread(number: int, handler: Any) -> None:
    """Have the main thread call a handler of signals, and wake it if it waits."""
    if signal.getsignal(number) == handler and (main := threading.main_thread().ident) is not None:
        signal.pthread_kill(main, number)


def _code_of(failure: BaseException) -> int:
    return int(getattr(failure, "exit_code", 1))
