"""Worker processes that score batches: in order, few at a time, and if one dies the run ends with a clear error."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import queue
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from typing_extensions import Self

from model_etl.errors import ModelEtlError, ModelUnavailable
from model_etl.records import Batch

Steps = Callable[[Batch], Batch]
EACH = 2
"""Batches that a worker has at a time: one in work, one waiting."""
_TICK = 0.25
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl(2)


class Workers:
    """Some processes, each with a model of its own.

    They start anew rather than as copies of this process: what a model's library has started here (threads of BLAS or
    OpenMP) does not survive being copied.

    Args:
        count: how many.
        make: makes what scores a batch; called once in each process, to which it is pickled.
        stopped: tells whether the run has been ended, so that nobody waits for a worker any longer.
    """

    def __init__(self, count: int, make: Callable[[], Steps], stopped: Callable[[], bool]) -> None:
        self._count = count
        self._make = make
        self._stopped = stopped
        self._workers: list[_Worker] = []
        self._waiting: deque[tuple[_Worker, Batch]] = deque()
        self._turn = 0

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        try:
            for _ in range(self._count):
                self._workers.append(_Worker(context, self._make))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for worker in self._workers:
            worker.end()

    @property
    def full(self) -> bool:
        """Whether each worker has what it may have: then take a result first."""
        return len(self._waiting) >= EACH * self._count

    @property
    def busy(self) -> bool:
        """Whether there are results to be taken."""
        return bool(self._waiting)

    def submit(self, batch: Batch) -> None:
        """Give a batch to the worker whose turn it is.

        Raises:
            ModelUnavailable: if that worker has died.
        """
        worker = self._workers[self._turn]
        self._turn = (self._turn + 1) % self._count
        self._waiting.append((worker, batch))
        worker.send(batch)

    def result(self) -> Batch | None:
        """Wait for the result of the batch that was submitted first; None if the run was ended.

        Raises:
            ModelUnavailable: if its worker has died, or could not load the model.
            ModelEtlError: what a step raised.
        """
        worker, batch = self._waiting.popleft()
        while not worker.ready(_TICK):
            if self._stopped():
                return None
        answer = worker.receive(batch)
        if isinstance(answer, _Failure):
            raise answer.error
        if isinstance(answer, Batch):
            return answer
        outputs, internals, answers = answer
        return batch.replace(outputs=outputs, internals=internals, answers=answers)


class _Worker:
    """One process, as its parent sees it."""

    def __init__(self, context: Any, make: Callable[[], Steps]) -> None:
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make), name="scoring worker", daemon=True)
        self._process.start()
        theirs.close()  # else its end would not be noticed

    def ready(self, seconds: float) -> bool:
        return bool(self._connection.poll(seconds))

    def send(self, batch: Batch) -> None:
        with contextlib.suppress(OSError):  # it is dead, as `receive` will tell
            self._connection.send(batch)

    def receive(self, batch: Batch) -> Any:
        try:
            return self._connection.recv()
        except (EOFError, OSError) as exc:
            self._process.join(1)
            code = self._process.exitcode or 0
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended itself with code {code}"
            where = f" at records {batch.positions[0]} to {batch.positions[-1]}" if batch.positions else ""
            raise ModelUnavailable(
                f"a worker process {how}{where} of {batch.source.name}",
                "Was memory short? Then use fewer --workers. Else the model's own code crashed.",
            ) from exc

    def end(self) -> None:
        """End it at once: what it has in work is of no use any more."""
        self._process.kill()
        self._process.join()
        self._connection.close()


class _Failure:
    """What a worker could not do; travels instead of a result."""

    def __init__(self, exc: BaseException) -> None:
        if isinstance(exc, ModelEtlError):
            self.error: Exception = exc
        else:  # not every exception can travel
            told = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__)).rstrip()
            self.error = RuntimeError(f"in a worker process:\n{told}")


def _serve(connection: Connection[Any, Any], make: Callable[[], Steps]) -> None:
    """Score what comes until nothing comes any more."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whoever signals the whole group means the parent, which ends us
    _die_with_parent()
    try:
        score = make()
    except BaseException as exc:  # noqa: BLE001  told to the parent, whatever it is
        _answer(connection, _Failure(exc))
        return
    inbox: queue.Queue[Batch | None] = queue.Queue(EACH)
    threading.Thread(target=_receive, args=(connection, inbox), daemon=True).start()
    while (batch := inbox.get()) is not None:
        try:
            scored = score(batch)
        except BaseException as exc:  # noqa: BLE001
            _answer(connection, _Failure(exc))
            return
        same = len(scored) == len(batch)  # then the parent has all but these
        _answer(connection, (scored.outputs, scored.internals, scored.answers) if same else scored)


def _receive(connection: Connection[Any, Any], inbox: queue.Queue[Batch | None]) -> None:
    """Take what comes as it comes, so that the parent never waits for us to take it."""
    try:
        while True:
            inbox.put(connection.recv())
    except (EOFError, OSError):
        inbox.put(None)


def _answer(connection: Connection[Any, Any], answer: Any) -> None:
    with contextlib.suppress(OSError):  # the parent is gone, and so are we
        connection.send(answer)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
