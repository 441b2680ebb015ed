"""A worker process of the pool: it loads a model of its own and scores the batches that come through a pipe."""

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

from model_etl.errors import ModelEtlError
from model_etl.records.batch import Answer, Batch
from model_etl.runtime.home_thread import exit_of_forked_copies
from model_etl.runtime.search_path import forget_safe_path
from model_etl.runtime.signals import ignore_stop_signals
from model_etl.scoring.model import ModelFacts

_PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)


class Scorer(Protocol):
    """What scores a batch; see `model_etl.scoring.scorer.ScoringSteps`."""

    facts: ModelFacts

    def __call__(self, batch: Batch) -> Batch:
        """Score a batch."""


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


Message: TypeAlias = "ModelFacts | Batch | ScoredColumns"
"""What a worker sends: the facts of its model once, then for each batch the scored columns, or the whole batch if
records have dropped out."""
_Pipe: TypeAlias = "Connection[Any, Any]"


def serve(pipe: _Pipe, make_scorer: Callable[[], Scorer], count: int, inherited: _Pipe | None) -> None:
    """Load a model, then score batches until the parent sends None or closes the pipe.

    Args:
        pipe: this end of the pipe.
        make_scorer: loads the model and the rules.
        count: number of workers, which share the processor's cores.
        inherited: the parent's end of the pipe if this process was forked, else None.
    """
    _set_up_process(count)
    if inherited:
        inherited.close()  # else the end of the parent would go unnoticed
    try:
        scorer = make_scorer()
    except BaseException as exc:  # noqa: BLE001  the parent raises it
        _send(pipe, Failure(exc))
        return
    _send(pipe, scorer.facts)
    _score_until_closed(pipe, scorer)
    del scorer
    gc.collect()  # ends the executors of the model: multiprocessing waits for their processes, which wait for this


def _set_up_process(count: int) -> None:
    """Ignore the signals that the parent handles, die with the parent, and limit the threads of BLAS and OpenMP."""
    forget_safe_path()
    ignore_stop_signals()  # a signal to the whole process group is for the parent
    if sys.platform == "linux":
        _die_with_parent()
    threads = max(1, _usable_cores() // count)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # by default every worker would use every core


def _score_until_closed(pipe: _Pipe, scorer: Scorer) -> None:
    inbox: queue.Queue[Batch | None] = queue.Queue()
    threading.Thread(target=_receive, args=(pipe, inbox), daemon=True).start()
    while (batch := inbox.get()) is not None:
        try:
            with exit_of_forked_copies():
                scored = scorer(batch)
        except BaseException as exc:  # noqa: BLE001  the parent raises it
            _send(pipe, Failure(exc))
            return
        if len(scored) == len(batch):
            _send(pipe, ScoredColumns(scored.outputs, scored.internals, scored.answers))
        else:
            _send(pipe, scored)


def _receive(pipe: _Pipe, inbox: queue.Queue[Batch | None]) -> None:
    """Take each batch off the pipe as soon as it comes, so that the parent never blocks while it sends."""
    try:
        while (batch := pipe.recv()) is not None:
            inbox.put(batch)
        inbox.put(None)
    except (EOFError, OSError):
        inbox.put(None)


def _send(pipe: _Pipe, message: Message | Failure) -> None:
    with contextlib.suppress(OSError):  # the parent has gone; this process ends next
        pipe.send(message)


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = parent_process()
    if parent is None or os.getppid() != parent.pid:
        os._exit(1)  # the parent died before prctl was called
