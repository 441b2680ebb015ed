"""A pool of worker processes that score batches in order, a few at a time; if a worker dies, the run fails."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable
from multiprocessing.context import ForkContext, SpawnContext
from pathlib import Path

from model_etl.errors import ModelUnavailable
from model_etl.records.batch import Batch
from model_etl.runtime.search_path import SafePathForChildren
from model_etl.runtime.signals import signals_deferred
from model_etl.scoring.model import ModelFacts
from model_etl.scoring.worker import Failure, Message, ScoredColumns, Scorer, serve

BATCHES_PER_WORKER = 2
"""How many batches a worker holds at most: one that it scores and one that waits."""
_STOP_CHECK_INTERVAL_S = 0.25
_EXIT_TIMEOUT_S = 1.0


class WorkerPool:
    """A pool of worker processes, each with its own model; results come back in the order of the batches.

    The workers are forked while this process has a single thread, which saves importing everything again. Otherwise
    they are spawned: the threads of BLAS, OpenMP or the caller do not survive a fork, and their locks may stay locked.

    Args:
        count: number of processes.
        make_scorer: builds the scorer; called once in each process, and pickled if the process is spawned.
    """

    def __init__(self, count: int, make_scorer: Callable[[], Scorer]) -> None:
        self._workers: list[_WorkerProcess] = []
        self._pending: deque[tuple[_WorkerProcess, Batch]] = deque()
        self._next_worker = 0
        fork, spawn = multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")
        context = fork if _is_single_threaded() else spawn
        try:
            with signals_deferred(), SafePathForChildren():  # a process whose start is interrupted could not be ended
                for _ in range(count):
                    self._workers.append(_WorkerProcess(context, make_scorer, count))
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Kill the workers; the batches that they hold are dropped."""
        for worker in self._workers:
            worker.end()

    def facts(self) -> ModelFacts:
        """Wait until the first worker has loaded the model, and return what the run must know of the model.

        Raises:
            ModelUnavailable: if the worker has died.
            ModelEtlError: what loading raised.
        """
        message = self._workers[0].receive("while it loaded the model")
        if not isinstance(message, ModelFacts):
            raise TypeError(f"a worker sent {type(message).__name__} before the facts of its model")
        return message

    @property
    def full(self) -> bool:
        """Whether every worker holds `BATCHES_PER_WORKER` batches: call `result` before the next `submit`."""
        return len(self._pending) >= BATCHES_PER_WORKER * len(self._workers)

    @property
    def busy(self) -> bool:
        """Whether there are results to wait for."""
        return bool(self._pending)

    def submit(self, batch: Batch) -> None:
        """Send a batch to the next worker in turn; if that worker has died, `result` raises the error."""
        worker = self._workers[self._next_worker]
        self._next_worker = (self._next_worker + 1) % len(self._workers)
        self._pending.append((worker, batch))
        worker.send(batch)

    def result(self, stopped: Callable[[], bool]) -> Batch | None:
        """Wait for the result of the oldest submitted batch.

        Args:
            stopped: returns whether the run was ended, asked some times a second.

        Returns:
            The scored batch, or None if the run was ended.

        Raises:
            ModelUnavailable: if the worker has died, or could not load the model.
            ModelEtlError: what a step raised.
        """
        worker, batch = self._pending.popleft()
        records = f"at records {batch.positions[0]} to {batch.positions[-1]} " if batch.positions else ""
        while True:
            while not worker.ready(_STOP_CHECK_INTERVAL_S):
                if stopped():
                    return None
            message = worker.receive(f"{records}of {batch.source.name}")
            if isinstance(message, Batch):
                return message
            if isinstance(message, ScoredColumns):
                return batch.replace(**message._asdict())
            # The facts of the model, which every worker sends first.


def _is_single_threaded() -> bool:
    """Return whether this thread is the only one of the process, threads of native libraries included."""
    try:
        return sum(1 for _ in Path("/proc/self/task").iterdir()) == 1
    except OSError:
        return False  # not Linux


class _WorkerProcess:
    """A worker as its parent sees it: the process, and this end of its pipe."""

    def __init__(self, context: ForkContext | SpawnContext, make_scorer: Callable[[], Scorer], count: int) -> None:
        self._connection, child_end = context.Pipe()
        inherited = self._connection if context.get_start_method() == "fork" else None
        arguments = (child_end, make_scorer, count, inherited)
        self._process = context.Process(target=serve, args=arguments, name="scoring worker", daemon=True)
        self._process.start()
        child_end.close()  # else the end of the worker would go unnoticed

    def ready(self, timeout_s: float) -> bool:
        """Wait until there is a message, or the worker has died; return False after the timeout."""
        return self._connection.poll(timeout_s)

    def send(self, batch: Batch) -> None:
        with contextlib.suppress(OSError):  # the worker has died, which `receive` reports
            self._connection.send(batch)

    def receive(self, doing: str) -> Message:
        """Wait for a message.

        Args:
            doing: what the worker was doing, for the message of the error.

        Raises:
            ModelUnavailable: if the worker has died.
            Exception: what the worker has sent as its failure.
        """
        try:
            message: Message | Failure = self._connection.recv()
        except (EOFError, OSError) as exc:
            self._process.join(_EXIT_TIMEOUT_S)
            code = self._process.exitcode or 0
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
            raise ModelUnavailable(
                f"a worker process {how} {doing}",
                "If the machine ran out of memory, use fewer --workers; otherwise the model's code crashed.",
            ) from exc
        if isinstance(message, Failure):
            raise message.error
        return message

    def end(self) -> None:
        """Kill the process; its work is not needed any more."""
        if not self._connection.closed:
            self._process.kill()
            self._process.join()
            self._connection.close()
