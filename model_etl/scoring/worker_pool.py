"""Worker processes that score batches: in order, few at a time, and if one dies the run ends with a clear error."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import multiprocessing
import os
import queue
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from model_etl.errors import ModelEtlError, ModelUnavailable
from model_etl.records.batch import Batch
from model_etl.runtime import garbage_collection
from model_etl.runtime.signals import signals_deferred
from model_etl.scoring.model import ModelFacts
from model_etl.scoring.worker_channel import SLOT, Channel

EACH = 2
"""Batches that a worker has at a time: one in work, one waiting."""
_TICK = 0.25
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl(2)


class Steps(Protocol):
    """What scores a batch; see `model_etl.scoring.scorer.ScoringSteps`."""

    facts: ModelFacts

    def __call__(self, batch: Batch) -> Batch:
        """Score a batch."""


class Workers:
    """Some processes, each with a model of its own.

    They are copies of this process if nothing else runs in it, which saves each the imports of ours. Else they start
    anew: what a library has started here (threads of BLAS or OpenMP) does not survive being copied.

    Args:
        count: how many.
        make: makes what scores a batch; called once in each process, to which it is pickled if that starts anew.
    """

    def __init__(self, count: int, make: Callable[[], Steps]) -> None:
        self._workers: list[_Worker] = []
        self._waiting: deque[tuple[_Worker, Batch]] = deque()
        self._turn = 0
        context = multiprocessing.get_context("fork" if _is_alone() else "spawn")
        try:
            with signals_deferred():  # a process whose start is interrupted could not be ended
                for _ in range(count):
                    self._workers.append(_Worker(context, make, count))
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End them at once."""
        for worker in self._workers:
            worker.end()

    def facts(self) -> ModelFacts:
        """Wait until a worker has loaded the model, and give what it tells of it.

        Raises:
            ModelUnavailable: if the worker has died.
            ModelEtlError: what loading raised.
        """
        facts: ModelFacts = _answered(self._workers[0].receive("while it loaded the model"))
        return facts

    @property
    def full(self) -> bool:
        """Whether each worker has what it may have: then take a result first."""
        return len(self._waiting) >= EACH * len(self._workers)

    @property
    def busy(self) -> bool:
        """Whether there are results to be taken."""
        return bool(self._waiting)

    def submit(self, batch: Batch) -> None:
        """Give a batch to the worker whose turn it is; if that has died, `result` tells."""
        worker = self._workers[self._turn]
        self._turn = (self._turn + 1) % len(self._workers)
        self._waiting.append((worker, batch))
        worker.send(batch)

    def result(self, stopped: Callable[[], bool]) -> Batch | None:
        """Wait for the result of the batch that was submitted first.

        Args:
            stopped: tells whether the run has been ended, so that nobody waits any longer.

        Returns:
            The scored batch, or None if the run was ended.

        Raises:
            ModelUnavailable: if its worker has died, or could not load the model.
            ModelEtlError: what a step raised.
        """
        worker, batch = self._waiting.popleft()
        span = f" at records {batch.positions[0]} to {batch.positions[-1]}" if batch.positions else ""
        answer: Any = None
        while answer is None or isinstance(answer, ModelFacts):  # which comes first
            while not worker.ready(_TICK):
                if stopped():
                    return None
            answer = _answered(worker.receive(f"{span.lstrip()} of {batch.source.name}"))
        if isinstance(answer, Batch):
            return answer
        outputs, internals, answers = answer
        return batch.replace(outputs=outputs, internals=internals, answers=answers)


def _is_alone() -> bool:
    """Tell whether this thread is the only one of the process, those of libraries counted."""
    try:
        return sum(1 for _ in Path("/proc/self/task").iterdir()) == 1
    except OSError:
        return False  # no Linux


def _answered(answer: Any) -> Any:
    if isinstance(answer, _Failure):
        raise answer.error
    return answer


class _Worker:
    """One process, as its parent sees it."""

    def __init__(self, context: Any, make: Callable[[], Steps], count: int) -> None:
        ours, theirs = context.Pipe()
        is_copy = context.get_start_method() == "fork"
        memory = mmap.mmap(-1, EACH * SLOT) if is_copy else None  # anonymous: who starts anew does not have it
        self._channel = Channel(ours, memory)
        self._sent = 0
        arguments = (Channel(theirs, memory), make, count, os.getpid(), ours if is_copy else None)
        self._process = context.Process(target=_serve, args=arguments, name="scoring worker", daemon=True)
        self._process.start()
        theirs.close()  # else its end would not be noticed

    def ready(self, seconds: float) -> bool:
        return bool(self._channel.connection.poll(seconds))

    def send(self, batch: Batch) -> None:
        with contextlib.suppress(OSError):  # it is dead, as `receive` will tell
            slot = self._sent % EACH
            self._sent += 1
            self._channel.send((slot, batch), slot)

    def receive(self, doing: str) -> Any:
        try:
            return self._channel.receive()
        except (EOFError, OSError) as exc:
            self._process.join(1)
            code = self._process.exitcode or 0
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended itself with code {code}"
            raise ModelUnavailable(
                f"a worker process {how} {doing}",
                "Was memory short? Then use fewer --workers. Else the model's own code crashed.",
            ) from exc

    def end(self) -> None:
        """End it at once: what it has in work is of no use any more."""
        if not self._channel.connection.closed:
            self._process.kill()
            self._process.join()
            self._channel.connection.close()


class _Failure:
    """What a worker could not do; travels instead of a result."""

    def __init__(self, exc: BaseException) -> None:
        if isinstance(exc, ModelEtlError):
            self.error: Exception = exc
        else:  # not every exception can travel
            told = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__)).rstrip()
            self.error = RuntimeError(f"in a worker process:\n{told}")


def _serve(
    channel: Channel, make: Callable[[], Steps], count: int, parent: int, copied: Connection[Any, Any] | None
) -> None:
    """Score what comes until nothing comes any more.

    Args:
        channel: to the parent.
        make: makes what scores.
        count: how many workers there are.
        parent: its process id.
        copied: its end of the connection, if we are a copy of it.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whoever signals the whole group means the parent, which ends us
    _die_with_parent(parent)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, _cores() // count)))  # BLAS would take all cores in each of us
    if copied:
        copied.close()  # else its end would not be noticed
    try:
        garbage_collection.postpone()
        score = make()
        garbage_collection.restore()
    except BaseException as exc:  # noqa: BLE001  told to the parent, whatever it is
        _answer(channel, _Failure(exc))
        return
    _answer(channel, score.facts)
    inbox: queue.Queue[tuple[int, Batch] | None] = queue.Queue(EACH)
    threading.Thread(target=_receive, args=(channel, inbox), daemon=True).start()
    while (message := inbox.get()) is not None:
        slot, batch = message
        try:
            scored = score(batch)
        except BaseException as exc:  # noqa: BLE001
            _answer(channel, _Failure(exc))
            return
        same = len(scored) == len(batch)  # then the parent has all but these
        _answer(channel, (scored.outputs, scored.internals, scored.answers) if same else scored, slot)


def _receive(channel: Channel, inbox: queue.Queue[tuple[int, Batch] | None]) -> None:
    """Take what comes as it comes, so that the parent never waits for us to take it."""
    try:
        while True:
            inbox.put(channel.receive())
    except (EOFError, OSError):
        inbox.put(None)


def _answer(channel: Channel, answer: Any, slot: int = 0) -> None:
    with contextlib.suppress(OSError):  # the parent is gone, and so are we
        channel.send(answer, slot)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # it died before we asked
