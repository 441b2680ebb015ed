"""Runs a graph with backpressure (bounded queues between the nodes); the first failure ends the run.

Bonobo's own strategies log what a node raises and continue, and can hang. `ReliableStrategy` uses only extension points
of Bonobo: `bonobo.run(graph, services=..., strategy=ReliableStrategy())`.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import model_etl.compat  # noqa: F401  before anything of bonobo

import bonobo
from bonobo import settings
from bonobo.constants import BEGIN, END
from bonobo.errors import InactiveReadableError, InactiveWritableError
from bonobo.execution.contexts.graph import GraphExecutionContext
from bonobo.execution.contexts.node import NodeExecutionContext
from bonobo.execution.strategies.base import Strategy
from bonobo.structs.inputs import Input
from typing_extensions import override

from model_etl.errors import TryAgain
from model_etl.publishing.storage import BinaryOpener
from model_etl.runtime.home_thread import HomeThread, HomeThreadClosed
from model_etl.runtime.signals import signals_deferred

QUEUE_SIZE = 2
"""How many bags may wait before a node: bags are whole batches, so more of them would only take memory."""

SHUTDOWN_GRACE_S = 2.0
"""How long running nodes may take to stop after a failure or a signal, in seconds. Shorter than the supervisor's kill
timeout (Docker: 10 s). Their remaining output is discarded."""

PROGRESS_INTERVAL_S = 0.25
"""Seconds between two reports of the progress."""


class BoundedInput(Input):
    """A node's queue, which another thread can close: that wakes the threads that wait to put or to get."""

    def __init__(self) -> None:
        super().__init__(QUEUE_SIZE)
        self._closed = False

    def put(self, data: Any, block: bool = True, timeout: float | None = None) -> None:
        """Add a bag.

        Raises:
            InactiveWritableError: after `close`.
        """
        if self._closed and data != BEGIN:
            if data == END:
                return
            raise InactiveWritableError("the run was ended")
        super().put(data, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take a bag.

        Raises:
            InactiveReadableError: after `close`.
        """
        if self._closed:
            raise InactiveReadableError("the run was ended")
        return super().get(block, timeout)

    def close(self) -> None:
        """Discard the waiting bags, and wake all waiting threads."""
        with self.mutex:
            self._closed = True
            self.queue.clear()
            self.queue.append(END)
            self.maxsize = sys.maxsize  # a thread that passed the check before the queue was closed finds room
            self.not_empty.notify_all()
            self.not_full.notify_all()


class ReliableNode(NodeExecutionContext):
    """Runs one node in its thread."""

    parent: ReliableGraph

    def start(self) -> None:
        """Set up the node, and inspect its signature once: Bonobo would inspect it for every bag."""
        super().start()
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            self.wrapped.__signature__ = inspect.signature(self.wrapped)

    def loop(self) -> None:
        """Process bags until the input ends; an exception ends the whole run."""
        while self.should_loop and not self.parent.aborted:
            try:
                self.step()
            except (InactiveReadableError, HomeThreadClosed):
                return
            except BaseException:  # noqa: BLE001  nothing else would catch it in this thread
                self.fatal(sys.exc_info())

    def stop(self) -> None:
        """Tear down the node; after a failure its context processors are closed, not resumed: no file is finished."""
        if self.parent.aborted and self._stack:
            self._close_processors()
        super().stop()

    def _close_processors(self) -> None:
        processors, self._stack._stack = self._stack._stack, []  # noqa: SLF001  Bonobo would resume them
        for processor in reversed(processors or ()):
            try:
                processor.close()
            except Exception:  # noqa: BLE001  the run's first failure is reported, which this is not
                self.fatal(sys.exc_info())

    def fatal(self, exc_info: Any, *, level: int = logging.CRITICAL) -> None:  # noqa: ARG002  Bonobo's signature
        """Keep the exception and end the run; the job reports it, so nothing is logged here."""
        self.increment("err")
        self._defunct = True
        self.parent.fail(exc_info[1])

    error = fatal


class ReliableGraph(GraphExecutionContext):
    """A running graph that keeps its failures.

    Attributes:
        failures: what the nodes raised, in order.
        aborted: whether the run was ended before the end of the input.
    """

    NodeExecutionContextType = ReliableNode
    reports_failures = True  # see model_etl.scoring.strategy_check

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.failures: list[BaseException] = []
        self.aborted = False
        super().__init__(*args, **kwargs)

    def create_node_execution_context_for(self, node: Any) -> ReliableNode:
        """Build the context of a node, with a bounded queue as its input."""
        return self.NodeExecutionContextType(node, parent=self, _input=BoundedInput())

    def fail(self, exc: BaseException) -> None:
        """Keep a failure and end the run; a refused bag after the end of the run is not a failure."""
        if not (self.aborted and isinstance(exc, InactiveWritableError)):
            self.failures.append(exc)
        self.abort()

    def abort(self) -> None:
        """End the run: generators stop at their next item, and no thread waits for a queue any longer."""
        self.aborted = True
        for node in self.nodes:
            node._killed = True  # noqa: SLF001  kill() refuses nodes that are not running
            node.input.close()


class ReliableStrategy(Strategy):
    """Runs each node in a thread of its own, and executes their calls of models and rules in the calling thread.

    Args:
        on_progress: called every `PROGRESS_INTERVAL_S` seconds while the graph runs and at its end, in the calling
            thread.
    """

    GraphExecutionContextType = ReliableGraph

    def __init__(self, on_progress: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._on_progress = on_progress or (lambda: None)

    def execute(self, graph: Any, **kwargs: Any) -> ReliableGraph:
        """Run a graph to its end.

        Raises:
            Exception: the first that a node raised.
            BaseException: what a signal handler raised meanwhile.
        """
        context: ReliableGraph = self.create_graph_execution_context(graph, **kwargs)
        context.write(BEGIN, (), END)
        threads: list[threading.Thread] = []
        home = HomeThread()
        try:
            context.start()  # the nodes in order, in this thread: a missing input fails before an output is opened
            with signals_deferred():  # a thread whose start is interrupted could not be waited for
                for node in context.nodes:
                    thread = threading.Thread(
                        target=_run_node, args=(node, home), name=f"node {node.name}", daemon=True
                    )
                    _start_thread(thread)
                    threads.append(thread)
            self._serve(context, home, len(threads))
        except BaseException as exc:
            context.abort()
            home.close()
            deadline = time.monotonic() + SHUTDOWN_GRACE_S
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            _stop_nodes_without_thread(context, len(threads))
            if isinstance(exc, SystemExit):
                raise _as_exception(exc) from exc
            raise
        finally:
            context.unregister_plugins()
        if context.failures:
            raise _as_exception(context.failures[0])
        return context

    def _serve(self, context: ReliableGraph, home: HomeThread, running: int) -> None:
        """Execute the calls of the nodes until all of them have ended."""
        deadline = None
        next_progress = time.monotonic() + PROGRESS_INTERVAL_S
        while running:
            running -= home.serve(PROGRESS_INTERVAL_S)
            if time.monotonic() >= next_progress:
                self._on_progress()
                next_progress = time.monotonic() + PROGRESS_INTERVAL_S
            if context.aborted:
                home.close()
                deadline = deadline or time.monotonic() + SHUTDOWN_GRACE_S
                if time.monotonic() > deadline:
                    return  # a node hangs in a library; the others have stopped
        self._on_progress()


def _start_thread(thread: threading.Thread) -> None:
    try:
        thread.start()
    except RuntimeError as exc:
        raise TryAgain(f"cannot start a thread: {exc}", "Raise the limit of processes (ulimit -u), or wait.") from exc


def _run_node(node: ReliableNode, home: HomeThread) -> None:
    with home.reachable():
        try:
            node.loop()
        finally:
            node.stop()  # after a normal end it has torn down already, before END went on to the next node


def _stop_nodes_without_thread(context: ReliableGraph, threads: int) -> None:
    """Tear down nodes that were set up but whose thread never ran, because a later one failed to start."""
    for node in context.nodes[threads:]:
        if node.started and not node.stopped:
            node.stop()


def _as_exception(exc: BaseException) -> Exception:
    """Return an Exception for what a node raised: its sys.exit(0) must not end the process as a success."""
    if isinstance(exc, Exception):
        return exc
    error = RuntimeError(f"a step of the graph raised {type(exc).__name__}: {exc}")
    error.__cause__ = exc
    return error


class _BonoboSilenced(contextlib.AbstractContextManager[None]):
    """Keeps Bonobo from writing to the terminal and from changing the root logger's level."""

    @override
    def __enter__(self) -> None:
        self._level = logging.getLogger().level
        # Bonobo's settings come from variables as common as DEBUG, with some values of which Bonobo refuses to run.
        level = self._level or logging.WARNING
        ours = [(settings.DEBUG, False), (settings.QUIET, True), (settings.LOGGING_LEVEL, level)]
        self._saved = [(setting, dict(vars(setting))) for setting, _ in ours]
        for setting, value in ours:
            setting.set(value)

    @override
    def __exit__(self, *_: object) -> None:
        for setting, saved in self._saved:
            vars(setting).clear()
            vars(setting).update(saved)
        logging.getLogger().setLevel(self._level)


def run_graph(
    graph: bonobo.Graph, services: Mapping[str, BinaryOpener | None], on_progress: Callable[[], None] | None = None
) -> None:
    """Run a graph with Bonobo and `ReliableStrategy`.

    Args:
        graph: the graph.
        services: the file systems to inject, by name.
        on_progress: called every `PROGRESS_INTERVAL_S` seconds while the graph runs.

    Raises:
        Exception: the first that a node raised.
        BaseException: what a signal handler raised meanwhile.
    """
    with _BonoboSilenced():
        # Without a service `http`, Bonobo would import requests for its own.
        context = bonobo.run(graph, services={"http": None, **services}, strategy=ReliableStrategy(on_progress))
    for part in (*context.nodes, context):
        vars(part).clear()  # breaks the reference cycles that would keep the model alive until a garbage collection
