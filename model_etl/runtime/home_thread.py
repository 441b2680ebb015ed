"""Calls that the threads of a graph hand to the thread that runs the graph, which loaded the models and rules.

Connections of sqlite3, the precision of decimal, numpy.seterr, sklearn.set_config and context variables belong to a
thread, and signal.signal works in the main thread alone. A model that sets such a thing where it is made needs it where
it is asked.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

from model_etl.errors import Interrupted
from model_etl.runtime.signals import raise_if_stopped
from model_etl.runtime.supervision import model_call

_A = TypeVar("_A")
_T = TypeVar("_T")
_CLOSED_CHECK_INTERVAL_S = 0.25
_current = threading.local()


class HomeThreadClosed(Exception):
    """The home thread takes no calls any more, because the run was ended."""


class HomeThread:
    """The calls to the thread that runs a graph, and the notices that a thread of the graph has ended."""

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._closed = False

    @contextlib.contextmanager
    def reachable(self) -> Iterator[None]:
        """Let `in_home_thread` reach this home thread from the calling thread; post a notice at the end."""
        _current.home = self
        try:
            yield
        finally:
            _current.home = None
            self._inbox.put(None)

    def call(self, function: Callable[[_A], _T], argument: _A, doing: Callable[[], str]) -> _T:
        """Have a function called by the home thread, and return or raise what it returns or raises.

        Args:
            function: calls a model or a rule.
            argument: its argument.
            doing: see `model_call`.

        Raises:
            HomeThreadClosed: after `close`.
        """
        call = _Call(function, argument, doing)
        self._inbox.put(call)
        while not call.done.wait(_CLOSED_CHECK_INTERVAL_S):
            if self._closed:
                raise HomeThreadClosed
        if call.error is not None:
            raise call.error
        result: _T = call.result
        return result

    def serve(self, timeout_s: float) -> bool:
        """Execute the next call, in the home thread.

        Args:
            timeout_s: how long to wait for a call.

        Returns:
            Whether there was a notice that a thread has ended.

        Raises:
            Interrupted, KeyboardInterrupt: what a signal handler raised.
        """
        try:
            call = self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            return False
        if call is None:
            return True
        if self._closed:
            call.refuse()
        else:
            call.execute()
        return False

    def close(self) -> None:
        """Refuse all calls from now on."""
        self._closed = True


def in_home_thread(function: Callable[[_A], _T], argument: _A, doing: Callable[[], str]) -> _T:
    """Call a function in the thread that runs the graph; without such a thread, in this one.

    Args:
        function: calls a model or a rule.
        argument: its argument.
        doing: returns a description of the call for messages; see `model_call`.

    Raises:
        HomeThreadClosed: if the run was ended.
        BaseException: what the function raises.
    """
    home: HomeThread | None = getattr(_current, "home", None)
    return function(argument) if home is None else home.call(function, argument, doing)


class _Call:
    """A call and its outcome."""

    def __init__(self, function: Callable[[Any], Any], argument: Any, doing: Callable[[], str]) -> None:
        self._function = function
        self._argument = argument
        self._doing = doing
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def refuse(self) -> None:
        self.error = HomeThreadClosed()
        self.done.set()

    def execute(self) -> None:
        try:
            with model_call(self._doing), exit_of_forked_copies():
                self.result = self._function(self._argument)
            raise_if_stopped()  # a model may swallow what a signal handler raises
        except (Interrupted, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001  the caller raises it
            raise_if_stopped()
            self.error = exc
        self.done.set()


@contextlib.contextmanager
def exit_of_forked_copies() -> Iterator[None]:
    """End a copy of this process that the block forks and that leaves the block: the run is not the copy's."""
    pid = os.getpid()
    try:
        yield
    except BaseException as exc:
        if os.getpid() != pid:
            _end_copy(exc)
        raise
    if os.getpid() != pid:
        _end_copy(None)


def _end_copy(exc: BaseException | None) -> NoReturn:
    while exc is not None and not isinstance(exc, SystemExit) and isinstance(exc.__cause__, BaseException):
        exc = exc.__cause__  # a step has translated what the model raised
    code = 0
    if isinstance(exc, SystemExit):
        code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    elif exc is not None:
        code = 1
        traceback.print_exception(exc)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code & 0xFF)
