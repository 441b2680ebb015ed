"""A pool of worker processes that score batches in order, a few at a time; if a worker dies, the run fails."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.context import ForkContext, SpawnContext
from pathlib import Path
from typing import Any, Protocol

from model_etl.errors import ModelUnavailable
from model_etl.records.batch import Batch
from model_etl.runtime.search_path import SafePathForChildren
from model_etl.runtime.signals import signals_deferred
from model_etl.runtime.supervision import LOADING_S, descendants, model_timed_out
from model_etl.scoring.interpreter import Interpreter, how_it_ended
from model_etl.scoring.messages import decode, encode
from model_etl.scoring.model import ModelFacts
from model_etl.scoring.worker import Failure, Message, Pipe, Question, Reply, ScoredColumns, Scorer, Start, serve

BATCHES_PER_WORKER = 2
"""How many batches a worker holds at most: one that it scores and one that waits."""
_STOP_CHECK_INTERVAL_S = 0.25
_EXIT_TIMEOUT_S = 1.0


class WorkerPool:
    """A pool of worker processes, each with its own model; results come back in the order of the batches.

    The workers are forked while this process has a single thread, which saves importing everything again. Otherwise
    they are spawned: the threads of BLAS, OpenMP or the caller do not survive a fork, and their locks may stay locked.
    With an interpreter of the user's, they are programs that it runs.

    Args:
        count: number of processes.
        make_scorer: builds the scorer; called once in each process, and pickled if the process is not a copy.
        timeout_s: seconds that loading the model or scoring a batch may take, or None for any time.
        python: the interpreter to run, as the user named it, or None for that of this process.

    Raises:
        ConfigurationError: if the interpreter cannot serve.
    """

    def __init__(
        self,
        count: int,
        make_scorer: Callable[[], Scorer],
        timeout_s: float | None = None,
        python: str | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._python_version: str | None = None
        self._code = "the model"
        self._workers: list[_WorkerProcess] = []
        self._pending: deque[tuple[_WorkerProcess, Batch]] = deque()
        self._next_worker = 0
        try:
            if python is None:
                self._start(count, make_scorer)
            else:
                self._start_interpreter(Interpreter(python), count, make_scorer)
        except BaseException:
            self.end()
            raise

    def _start(self, count: int, make_scorer: Callable[[], Scorer]) -> None:
        fork, spawn = multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")
        context = fork if _is_single_threaded() else spawn
        with signals_deferred(), SafePathForChildren():  # a process whose start is interrupted could not be ended
            for _ in range(count):
                self._workers.append(_WorkerProcess(*_start_process(context, make_scorer, count)))

    def _start_interpreter(self, interpreter: Interpreter, count: int, make_scorer: Callable[[], Scorer]) -> None:
        with signals_deferred(), SafePathForChildren():
            for _ in range(count):
                self._workers.append(_WorkerProcess(*interpreter.start()))
        for worker in self._workers:
            self._python_version = worker.greet(interpreter)
            worker.send(Start(make_scorer, count, os.getpid()))

    def end(self) -> None:
        """End the workers; those that hold batches, which are dropped, are killed."""
        deadline = time.monotonic() + (0.0 if self._pending else _EXIT_TIMEOUT_S)
        if not self._pending:
            for worker in self._workers:
                worker.ask_to_end()
        for worker in self._workers:
            worker.end(max(0.0, deadline - time.monotonic()))

    def facts(self) -> ModelFacts:
        """Wait until the first worker has loaded the model, and return what the run must know of the model.

        Raises:
            ModelUnavailable: if the worker has died, or takes too long.
            ModelEtlError: what loading raised.
        """
        self._wait(self._workers[0], time.monotonic(), f"{self._code}, while it was loaded", lambda: False)
        message = self._workers[0].receive("while it loaded the model")
        if not isinstance(message, ModelFacts):
            raise TypeError(f"a worker sent {type(message).__name__} before the facts of its model")
        self._code = f"the model {message.reference}"
        self._workers[0].loading = False
        return dataclasses.replace(message, python=self._python_version)

    def ask(self, question: str, argument: Any = None) -> Any:
        """Ask the first worker about the model or the rules while no batch is pending.

        Args:
            question: see `ScoringSteps.ask`.
            argument: of the question.

        Raises:
            ModelUnavailable: if the worker has died.
            ModelEtlError: what the answer raised.
        """
        worker = self._workers[0]
        worker.send(Question(question, argument))
        message = worker.receive(f"when it was asked to {question.replace('_', ' ')}")
        if not isinstance(message, Reply):
            raise TypeError(f"a worker sent {type(message).__name__} instead of a reply")
        return message.value

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
        if all(busy is not worker for busy, _ in self._pending):
            worker.begun_at = time.monotonic()
        self._pending.append((worker, batch))
        worker.send(batch)

    def result(self, stopped: Callable[[], bool]) -> Batch | None:
        """Wait for the result of the oldest submitted batch.

        Args:
            stopped: returns whether the run was ended, asked some times a second.

        Returns:
            The scored batch, or None if the run was ended.

        Raises:
            ModelUnavailable: if the worker has died, takes too long, or could not load the model.
            ModelEtlError: what a step raised.
        """
        worker, batch = self._pending.popleft()
        while True:
            if not self._wait(worker, worker.begun_at, f"{self._code}, at {batch.record_range}", stopped):
                return None
            message = worker.receive(f"at {batch.record_range}")
            worker.begun_at, worker.loading = time.monotonic(), False
            if isinstance(message, Batch):
                return message
            if isinstance(message, ScoredColumns):
                return batch.replace(**message._asdict())
            # The facts of the model, which every worker sends first.

    def _wait(self, worker: _WorkerProcess, begun_at: float, doing: str, stopped: Callable[[], bool]) -> bool:
        """Wait for a message of a worker; return False if the run was ended.

        Raises:
            ModelUnavailable: if it takes too long.
        """
        while not worker.ready(_STOP_CHECK_INTERVAL_S):
            if stopped():
                return False
            if self._timeout_s is not None:
                limit_s = self._timeout_s + (LOADING_S if worker.loading else 0.0)
                if time.monotonic() > begun_at + limit_s:
                    raise model_timed_out(doing, limit_s)
        return True


def _is_single_threaded() -> bool:
    """Return whether this thread is the only one of the process, threads of native libraries included."""
    try:
        return sum(1 for _ in Path("/proc/self/task").iterdir()) == 1
    except OSError:
        return False  # not Linux


class _Process(Protocol):
    """A process that this one has started: of multiprocessing, or a program."""

    @property
    def pid(self) -> int | None:
        """The id of the process."""

    @property
    def exitcode(self) -> int | None:
        """Its exit code, the negative number of the signal that ended it, or None if it has not ended."""

    def is_alive(self) -> bool:
        """Return whether it has not ended."""

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""

    def kill(self) -> None:
        """End it at once."""


def _start_process(
    context: ForkContext | SpawnContext, make_scorer: Callable[[], Scorer], count: int
) -> tuple[Pipe, _Process]:
    connection, child_end = context.Pipe()
    inherited = connection if context.get_start_method() == "fork" else None
    process = context.Process(target=serve, args=(child_end, make_scorer, count, inherited), name="scoring worker")
    process.start()
    child_end.close()  # else the end of the worker would go unnoticed
    return connection, process


class _WorkerProcess:
    """A worker as its parent sees it: the process, and this end of its pipe.

    Attributes:
        begun_at: since when the worker scores the batch that is waited for, or later.
        loading: whether it still loads the model.
    """

    def __init__(self, connection: Pipe, process: _Process) -> None:
        self.begun_at = 0.0
        self.loading = True
        self._connection = connection
        self._process = process

    def greet(self, interpreter: Interpreter) -> str:
        """Wait until a worker of another interpreter says that it can serve; return its version of Python.

        Raises:
            ConfigurationError: if it cannot.
        """
        deadline = time.monotonic() + LOADING_S
        while not self.ready(_STOP_CHECK_INTERVAL_S):
            if time.monotonic() > deadline:
                raise interpreter.is_silent(f"no answer within {LOADING_S:g} s")
        try:
            greeting = self._connection.recv_bytes() if self._connection.poll() else None
        except (EOFError, OSError):
            greeting = None
        if greeting is None:
            self._process.join(_EXIT_TIMEOUT_S)
            raise interpreter.is_silent(f"it {how_it_ended(self._process.exitcode)} without an answer")
        return interpreter.version_from(greeting)

    def ready(self, timeout_s: float) -> bool:
        """Wait until there is a message, or the worker has died; return False after the timeout."""
        # Children of the worker keep its end of the pipe open when it dies.
        return self._connection.poll(timeout_s) or not self._process.is_alive()

    def send(self, message: Batch | Question | Start) -> None:
        with contextlib.suppress(OSError):  # the worker has died, which `receive` reports
            self._connection.send_bytes(encode(message))

    def receive(self, doing: str) -> Message:
        """Wait for a message.

        Args:
            doing: what the worker was doing, for the message of the error.

        Raises:
            ModelUnavailable: if the worker has died.
            Exception: what the worker has sent as its failure.
        """
        try:
            while not self.ready(_STOP_CHECK_INTERVAL_S):
                pass
            if not self._connection.poll():
                raise EOFError
            message: Message | Failure = decode(self._connection.recv_bytes())
        except (EOFError, OSError) as exc:
            self._process.join(_EXIT_TIMEOUT_S)
            raise ModelUnavailable(
                f"a worker process {how_it_ended(self._process.exitcode)} {doing}",
                "If the machine ran out of memory, use fewer --workers; otherwise the model's code crashed.",
            ) from exc
        if isinstance(message, Failure):
            raise message.error
        return message

    def ask_to_end(self) -> None:
        """Ask the process to end as any process does, with its own children."""
        if not self._connection.closed:
            with contextlib.suppress(OSError):
                self._connection.send_bytes(encode(None))

    def end(self, grace_s: float) -> None:
        """Wait some seconds for the process to end, then kill it."""
        if not self._connection.closed:
            self._process.join(grace_s)
            left = descendants(self._process.pid or 0)
            self._process.kill()
            for pid in left:  # the model's, which would go on without the worker
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            self._process.join()
            self._connection.close()
