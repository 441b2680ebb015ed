"""A worker process of the pool: it loads a model of its own and scores the batches that come through a pipe.

It is a copy of the parent, a process that multiprocessing has spawned, or one that runs the interpreter of
--model_python: see `model_etl.scoring.worker_start`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Protocol, TypeAlias

from model_etl.errors import ModelEtlError, ModelUnavailable
from model_etl.records.batch import Answer, Batch
from model_etl.runtime.home_thread import exit_of_forked_copies
from model_etl.runtime.search_path import forget_safe_path
from model_etl.runtime.signals import STOP_SIGNALS, ignore_stop_signals
from model_etl.scoring.messages import decode, encode
from model_etl.scoring.model import ModelFacts

_PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)


class Scorer(Protocol):
    """What scores a batch; see `model_etl.scoring.scorer.ScoringSteps`."""

    facts: ModelFacts

    def __call__(self, batch: Batch) -> Batch:
        """Score a batch."""

    def ask(self, question: str, argument: Any) -> Any:
        """Answer a question about the model or the rules."""


class Start(NamedTuple):
    """Sent first to a worker that was not given them when it was started.

    Attributes:
        make_scorer: loads the model and the rules.
        workers: number of workers, which share the processor's cores.
        parent: the id of the parent's process.
    """

    make_scorer: Callable[[], Scorer]
    workers: int
    parent: int


class Question(NamedTuple):
    """Sent instead of a batch; see `Scorer.ask`."""

    question: str
    argument: Any


class Reply(NamedTuple):
    """The answer to a question."""

    value: Any


class ScoredColumns(NamedTuple):
    """The columns that scoring added to a batch; the parent has all others."""

    outputs: Sequence[Any]
    internals: Sequence[Any]
    answers: Sequence[tuple[Answer, ...]]


class Failure:
    """Sent instead of a result when loading or scoring raised an exception.

    Args:
        exc: the exception. Errors of model_etl are sent as they are; any other becomes a RuntimeError with its
            traceback as the message, because not every exception can be pickled.
    """

    def __init__(self, exc: BaseException) -> None:
        if isinstance(exc, ModelEtlError):
            self.error: Exception = exc
        else:
            lines = traceback.format_exception(type(exc), exc, exc.__traceback__)
            self.error = RuntimeError(f"in a worker process:\n{''.join(lines).rstrip()}")


Message: TypeAlias = "ModelFacts | Batch | ScoredColumns | Reply"
"""What a worker sends: the facts of its model once, then for each batch the scored columns, or the whole batch if
records have dropped out, and for each question a reply."""
Pipe: TypeAlias = "Connection[Any, Any]"


def serve(pipe: Pipe, make_scorer: Callable[[], Scorer], count: int, inherited: Pipe | None) -> None:
    """Load a model, then score batches until the parent sends None or closes the pipe.

    Args:
        pipe: this end of the pipe.
        make_scorer: loads the model and the rules.
        count: number of workers, which share the processor's cores.
        inherited: the parent's end of the pipe if this process was forked, else None.
    """
    process = parent_process()
    _set_up_process(count, process.pid if process and process.pid else 0)
    if inherited:
        inherited.close()  # else the end of the parent would go unnoticed
    _load_and_score(pipe, make_scorer)


def serve_started(descriptor: int) -> None:
    """Do the same in a process that another interpreter started, which sends a `Start` first.

    Args:
        descriptor: of this end of the pipe.
    """
    os.set_inheritable(descriptor, False)  # programs that a model starts would keep the pipe open
    pipe = Connection(descriptor)
    try:
        start: Start = decode(pipe.recv_bytes())
    except (EOFError, OSError):
        return  # the parent does not want this worker, or has died
    _set_up_process(start.workers, start.parent if start.parent == os.getppid() else 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)  # the parent has blocked them until they are ignored
    _load_and_score(pipe, start.make_scorer)


def _load_and_score(pipe: Pipe, make_scorer: Callable[[], Scorer]) -> None:
    try:
        scorer = make_scorer()
    except BaseException as exc:  # noqa: BLE001  the parent raises it
        _send(pipe, Failure(exc))
        return
    _send(pipe, scorer.facts)
    _score_until_closed(pipe, scorer)
    del scorer
    gc.collect()  # ends the executors of the model: multiprocessing waits for their processes, which wait for this


def _set_up_process(count: int, parent: int) -> None:
    """Ignore the signals that the parent handles, die with the parent, and limit the threads of BLAS and OpenMP.

    Args:
        count: number of workers.
        parent: the id of the parent's process, or 0 if a program between the two has started this one.
    """
    forget_safe_path()
    ignore_stop_signals()  # a signal to the whole process group is for the parent
    if sys.platform == "linux" and parent:
        _die_with(parent)
    if count > 1:
        threads = max(1, _usable_cores() // count)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # by default every worker would use every core


def _score_until_closed(pipe: Pipe, scorer: Scorer) -> None:
    inbox: queue.Queue[Batch | Question | Failure | None] = queue.Queue()
    threading.Thread(target=_receive, args=(pipe, inbox), daemon=True).start()
    while (message := inbox.get()) is not None:
        if isinstance(message, Failure):
            _send(pipe, message)
            return
        try:
            with exit_of_forked_copies():
                answer = _answer(scorer, message)
        except BaseException as exc:  # noqa: BLE001  the parent raises it
            _send(pipe, Failure(exc))
            return
        _send(pipe, answer)


def _answer(scorer: Scorer, message: Batch | Question) -> Message:
    if isinstance(message, Question):
        return Reply(scorer.ask(*message))
    scored = scorer(message)
    if len(scored) == len(message):
        return ScoredColumns(scored.outputs, scored.internals, scored.answers)
    return scored


def _receive(pipe: Pipe, inbox: queue.Queue[Batch | Question | Failure | None]) -> None:
    """Take each batch off the pipe as soon as it comes, so that the parent never blocks while it sends."""
    try:
        while (message := decode(pipe.recv_bytes())) is not None:
            inbox.put(message)
        inbox.put(None)
    except (EOFError, OSError):
        inbox.put(None)
    except ImportError as exc:
        problem = f"the environment of {sys.executable} lacks what a worker process needs for this input: {exc}"
        inbox.put(Failure(ModelUnavailable(problem, "Install model-etl there with all that it depends on.")))
    except BaseException as exc:  # noqa: BLE001  the parent raises it
        inbox.put(Failure(exc))


def _send(pipe: Pipe, message: Message | Failure) -> None:
    with contextlib.suppress(OSError):  # the parent has gone; this process ends next
        pipe.send_bytes(encode(message))


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _die_with(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before prctl was called
