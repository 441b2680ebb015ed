"""The process that a command starts as waits for a copy of itself, which does the work.

Code of a model can end the process (`os._exit(0)`), crash it, or hang in C code that no signal handler interrupts. The
waiting process notices that: the exit code 0 of a copy that did not finish is not a success. See docs/decisions/0020.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import glob
import mmap
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from model_etl.errors import ConfigurationError, Interrupted, ModelTimedOut, ModelUnavailable
from model_etl.runtime.failure import report_failure
from model_etl.runtime.signals import DUPLICATE_SIGNAL_WINDOW_S, STOP_SIGNALS, exit_at_once

KILL_GRACE_S = 3.0
"""How long code of a model may go on after its time is over, or after a signal, before the process is killed. Longer
than an ordinary end takes, and shorter than the kill timeout of Docker (10 s)."""
LOADING_S = 30.0
"""How much longer than a call loading a model may take: it imports libraries, from a disk that may be slow."""
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # of Linux's prctl(2)
_FORWARDED = (*STOP_SIGNALS, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_GENERATIONS = 10
_PAGE_BYTES = 4096
_MEMORY_BYTES = 1024 * _PAGE_BYTES  # memory that is not written to costs nothing
_FINISHED = struct.Struct("<Q")  # 1 once the work ends in an orderly way
_CALL = struct.Struct("<QddI")  # number (odd during a call), the call's deadline or 0, time limit or 0, bytes of text
_STAGED = struct.Struct("<I")  # bytes of the list
_CALL_AT, _STAGED_AT, _TEXT_AT = 8, 64, 128


class Lifeline:
    """Memory that the two processes share: which call of a model goes on, and what a killed run leaves behind."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _MEMORY_BYTES)
        self._pid = 0
        self._number = 0
        self._limit_s = 0.0

    def work_begins(self) -> None:
        """Note which process does the work: children of a model have this memory too, and must not write to it."""
        self._pid = os.getpid()

    def finish(self) -> None:
        """Note that the work ends in an orderly way."""
        if self.is_worked_on_here:
            _FINISHED.pack_into(self._memory, 0, 1)

    @property
    def finished(self) -> bool:
        """Whether the work ended in an orderly way."""
        return bool(_FINISHED.unpack_from(self._memory, 0)[0])

    def limit(self, seconds: float) -> None:
        """Limit the time of each call from now on."""
        self._limit_s = seconds
        self._write(0.0, "")
        os.kill(os.getppid(), signal.SIGCHLD)  # the supervisor looks at the deadlines from now on

    @property
    def is_worked_on_here(self) -> bool:
        """Whether this process is the one that does the work, not a child of a model or a scoring worker."""
        return self._pid == os.getpid()

    def begin(self, doing: str, extra_s: float = 0.0) -> None:
        """Note that a call begins, which may take some seconds more than the limit."""
        self._number += 1
        limit_s = self._limit_s + extra_s
        self._write(time.monotonic() + limit_s if self._limit_s else 0.0, doing, limit_s)

    def end(self) -> None:
        """Note that the call has ended."""
        if self.is_worked_on_here:
            self._number += 1
            self._write(0.0, "")

    def _write(self, deadline: float, doing: str, limit_s: float | None = None) -> None:
        text = doing.encode("utf-8", "backslashreplace")[: _PAGE_BYTES - _TEXT_AT]
        self._memory[_TEXT_AT : _TEXT_AT + len(text)] = text
        limit_s = self._limit_s if limit_s is None or not deadline else limit_s
        _CALL.pack_into(self._memory, _CALL_AT, self._number, deadline, limit_s, len(text))

    def call(self) -> tuple[int, float, float]:
        """Return the number of the call, which is odd while it goes on, its deadline or 0, and the time limit or 0."""
        number, deadline, limit, _ = _CALL.unpack_from(self._memory, _CALL_AT)
        return number, deadline, limit

    def doing(self) -> str:
        """Return what the call does."""
        length = _CALL.unpack_from(self._memory, _CALL_AT)[3]
        return self._memory[_TEXT_AT : _TEXT_AT + length].decode("utf-8", "replace")

    def add_staged(self, path: str) -> None:
        """Note a staged file, or with a slash at the end a folder that was made for one."""
        name = os.fsencode(os.path.abspath(path)) + (b"/" if path.endswith("/") else b"") + b"\0"  # noqa: PTH100
        (length,) = _STAGED.unpack_from(self._memory, _STAGED_AT)
        start = _PAGE_BYTES + length
        if self.is_worked_on_here and start + len(name) <= _MEMORY_BYTES:  # else the next run takes the file over
            self._memory[start : start + len(name)] = name
            _STAGED.pack_into(self._memory, _STAGED_AT, length + len(name))

    def remove_staged(self) -> None:
        """Remove what a process that is dead has staged, unless another run has taken it over."""
        (length,) = _STAGED.unpack_from(self._memory, _STAGED_AT)
        for path in reversed(self._memory[_PAGE_BYTES : _PAGE_BYTES + length].split(b"\0")[:-1]):
            with contextlib.suppress(OSError):
                if path.endswith(b"/"):
                    os.rmdir(path)  # noqa: PTH106
                else:
                    _remove_unlocked(path)


class _Current:
    """The lifeline of this process, or None if nobody waits for it."""

    lifeline: Lifeline | None = None


def _remove_unlocked(path: bytes) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)  # noqa: PTH108
    finally:
        os.close(fd)


def note_staged(path: str) -> None:
    """Note a staged file (or a folder made for one, with a slash at the end), to be removed if this process dies."""
    if _Current.lifeline is not None:
        _Current.lifeline.add_staged(path)


def limit_model_calls(seconds: float | None) -> None:
    """Limit the time of each call of a model or a rule.

    Raises:
        ConfigurationError: if nobody supervises this process.
    """
    if seconds is None:
        return
    if _Current.lifeline is None:
        raise ConfigurationError(
            "--model_timeout needs the command model-etl on Linux, or --workers",
            "Call the command, or leave the option out.",
        )
    _Current.lifeline.limit(seconds)


@contextlib.contextmanager
def model_call(doing: Callable[[], str], *, extra_s: float = 0.0) -> Iterator[None]:
    """Tell the supervisor that the block is a call of a model or a rule.

    Args:
        doing: returns a description for messages, such as "the model m:M at records 1 to 5 of in.json".
        extra_s: how many seconds more than the limit it may take.

    Raises:
        ModelUnavailable: if the call takes longer than the limit.
    """
    lifeline = _Current.lifeline
    if lifeline is None or not lifeline.is_worked_on_here:
        yield
        return
    lifeline.begin(doing(), extra_s)
    try:
        yield
    except ModelTimedOut:
        raise model_timed_out(lifeline.doing(), lifeline.call()[2]) from None
    finally:
        lifeline.end()


def model_timed_out(doing: str, limit_s: float) -> ModelUnavailable:
    """Return the error for a call that took too long.

    Args:
        doing: which call.
        limit_s: the permitted seconds.
    """
    return ModelUnavailable(
        f"{doing}: no answer within {limit_s:g} s; nothing was published",
        "Correct the model, or raise --model_timeout.",
    )


def finish_supervised() -> None:
    """Note that this process ends in an orderly way."""
    if _Current.lifeline is not None:
        _Current.lifeline.finish()


def supervise() -> None:
    """Return in a copy of this process, and wait for the copy here; the exit code is that of the copy.

    On Linux only: elsewhere a copy cannot be made to die with its parent.
    """
    if sys.platform != "linux":
        return
    lifeline = Lifeline()
    awaited = {*_FORWARDED, signal.SIGCHLD}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    pid = os.fork()
    if pid:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)  # children that a model leaves become children of this
        _wait_for_copy(pid, lifeline, awaited)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    lifeline.work_begins()
    _Current.lifeline = lifeline
    signal.signal(signal.SIGRTMAX, _raise_timed_out)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _raise_timed_out(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    lifeline = _Current.lifeline
    if lifeline is not None:
        call, deadline, _ = lifeline.call()
        if call % 2 and deadline and time.monotonic() >= deadline:
            raise ModelTimedOut


def _wait_for_copy(pid: int, lifeline: Lifeline, awaited: set[signal.Signals]) -> NoReturn:
    supervisor = _Supervisor(pid, lifeline)
    while True:
        timeout = supervisor.next_check_s()
        received = signal.sigtimedwait(awaited, timeout) if timeout is not None else signal.sigwaitinfo(awaited)
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = _exit_code(os.waitstatus_to_exitcode(status), lifeline)
            if code:
                _kill_children()
            os._exit(code)
        if received is not None and received.si_signo != signal.SIGCHLD:
            supervisor.forward(received.si_signo)
        supervisor.kill_if_stuck()


class _Supervisor:
    """Forwards signals to the process that does the work, and kills it if a model keeps it from ending."""

    def __init__(self, pid: int, lifeline: Lifeline) -> None:
        self._pid = pid
        self._lifeline = lifeline
        self._stop_signal = 0
        self._stopped_at = 0.0
        self._stopped_call = 0
        self._overdue_call = 0

    def next_check_s(self) -> float | None:
        """Return after how many seconds to call `kill_if_stuck`, or None if there is nothing to wait for."""
        limit = self._lifeline.call()[2]
        if not (limit or self._stop_signal):
            return None
        return max(0.02, min(0.25, limit / 4)) if limit else 0.25

    def forward(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)
        if number not in STOP_SIGNALS or signal.getsignal(number) is signal.SIG_IGN:
            return
        if not self._stop_signal:
            self._stop_signal, self._stopped_at = number, time.monotonic()
            self._stopped_call = self._lifeline.call()[0]
        elif time.monotonic() - self._stopped_at > DUPLICATE_SIGNAL_WINDOW_S and self._is_stuck(self._stopped_call):
            time.sleep(0.1)  # the process itself is quicker if it can be
            if self._is_stuck(self._stopped_call):
                self._kill(remove=False)
                exit_at_once(number)

    def kill_if_stuck(self) -> None:
        """Interrupt a call whose time is over; kill the process if that, or a signal, has had no effect."""
        number, deadline, limit = self._lifeline.call()
        now = time.monotonic()
        if self._stop_signal and now - self._stopped_at > KILL_GRACE_S and self._is_stuck(self._stopped_call):
            self._kill()
            os._exit(report_failure(Interrupted(self._stop_signal)))
        if not (number % 2 and deadline and now >= deadline):
            return
        if self._overdue_call != number:
            self._overdue_call = number
            os.kill(self._pid, signal.SIGRTMAX)
        elif now >= deadline + KILL_GRACE_S:
            doing = self._lifeline.doing()
            if self._is_stuck(number):
                self._kill()
                os._exit(report_failure(model_timed_out(doing, limit)))

    def _is_stuck(self, call: int) -> bool:
        return bool(call % 2) and self._lifeline.call()[0] == call

    def _kill(self, *, remove: bool = True) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        _kill_children()  # which may hold the locks of the staged files
        if remove:
            self._lifeline.remove_staged()


def _kill_children() -> None:
    """Kill the processes that a model has left, which became children of this process."""
    for _ in range(_GENERATIONS):
        children = descendants(os.getpid())
        for pid in children:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        if not children:
            return


def descendants(pid: int) -> set[int]:
    """Return the ids of the children of a process, and of their children; on Linux only, elsewhere nothing."""
    found: set[int] = set()
    for name in glob.glob(f"/proc/{pid}/task/*/children"):  # noqa: PTH207  pathlib costs time at the start
        with contextlib.suppress(OSError), open(name, encoding="ascii") as file:  # noqa: PTH123
            for child in map(int, file.read().split()):
                found |= {child, *descendants(child)}
    return found


def _exit_code(code: int, lifeline: Lifeline) -> int:
    """Return the exit code for that of the process that did the work; report an end that is not orderly."""
    stopped = {128 + number for number in STOP_SIGNALS}
    if lifeline.finished or code in stopped:
        return code if code >= 0 else 128 - code
    if code < 0 and -code in STOP_SIGNALS:  # before it handled them
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
    _kill_children()
    lifeline.remove_staged()
    number, _, _ = lifeline.call()
    doing = lifeline.doing() if number % 2 else ""
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
    return report_failure(
        ModelUnavailable(
            f"the process {how} in the code of {doing}" if doing else f"the process {how} before it was finished",
            "If the machine ran out of memory, give it more; otherwise the model's code ended or crashed the process.",
        )
    )
