"""How a graph is run: bounded queues between the nodes, and the first failure ends the run.

Bonobo's own strategies log what a node raises and go on, and can hang. This one uses Bonobo's extension points only:
`bonobo.run(graph, services=..., strategy=ReliableStrategy())`.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable
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

from model_etl.errors import TryAgain
from model_etl.runtime.signals import signals_deferred

QUEUE = 2
"""Bags that wait before a node: with batches more of them only cost memory."""

GRACE = 2.0
"""Seconds that running nodes get to come to an end after a failure or a signal; less than whoever stops us waits (10 s
with Docker) before it kills. What they would still do is thrown away."""

TICK = 0.25
"""Seconds between two looks at the progress."""


class BoundedInput(Input):
    """A node's queue, which can be closed from outside: that wakes whoever waits at either end."""

    def __init__(self) -> None:
        super().__init__(QUEUE)
        self._closed = False

    def put(self, data: Any, block: bool = True, timeout: float | None = None) -> None:
        """Add a bag; after `close` refuse it."""
        if self._closed and data != BEGIN:
            if data == END:
                return
            raise InactiveWritableError("the run was ended")
        super().put(data, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take a bag; after `close` there is none."""
        if self._closed:
            raise InactiveReadableError("the run was ended")
        return super().get(block, timeout)

    def close(self) -> None:
        """Throw away what waits, and let nobody wait any longer."""
        with self.mutex:
            self._closed = True
            self.queue.clear()
            self.queue.append(END)
            self.maxsize = sys.maxsize  # whoever was let in before we closed finds room
            self.not_empty.notify_all()
            self.not_full.notify_all()


class ReliableNode(NodeExecutionContext):
    """Runs one node in its thread."""

    parent: ReliableGraph

    def start(self) -> None:
        """Set up, and find the node's signature once: Bonobo looks for it at every bag, which costs more than that."""
        super().start()
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            self.wrapped.__signature__ = inspect.signature(self.wrapped)

    def loop(self) -> None:
        """Take steps until the input ends; whatever is raised ends the whole run."""
        while self.should_loop and not self.parent.aborted:
            try:
                self.step()
            except InactiveReadableError:
                return
            except BaseException:  # noqa: BLE001  a thread has nobody else to catch it
                self.fatal(sys.exc_info())

    def stop(self) -> None:
        """Tear down; after a failure what the node holds is given up, not ended well."""
        if self.parent.aborted and self._stack:
            self._give_up()
        super().stop()

    def _give_up(self) -> None:
        held, self._stack._stack = self._stack._stack, []  # noqa: SLF001  Bonobo's own way ends them well
        for processor in reversed(held or ()):
            try:
                processor.close()
            except Exception:  # noqa: BLE001  a step's, and the run's first failure is told first
                self.fatal(sys.exc_info())

    def fatal(self, exc_info: Any, *, level: int = logging.CRITICAL) -> None:  # noqa: ARG002  Bonobo's signature
        """Keep what was raised and end the run; the job reports it, so nothing is logged here."""
        self.increment("err")
        self._defunct = True
        self.parent.fail(exc_info[1])

    error = fatal


class ReliableGraph(GraphExecutionContext):
    """A running graph that knows what failed."""

    NodeExecutionContextType = ReliableNode
    reports_failures = True  # see model_etl.scoring.strategy_check

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.failures: list[BaseException] = []
        self.aborted = False
        super().__init__(*args, **kwargs)

    def create_node_execution_context_for(self, node: Any) -> ReliableNode:
        """Give each node a bounded input."""
        return self.NodeExecutionContextType(node, parent=self, _input=BoundedInput())

    def fail(self, exc: BaseException) -> None:
        """Keep a failure, unless it only follows from the end of the run, and end the run."""
        if not (self.aborted and isinstance(exc, InactiveWritableError)):
            self.failures.append(exc)
        self.abort()

    def abort(self) -> None:
        """End the run: generators stop at their next item, and nobody waits at a queue any longer."""
        self.aborted = True
        for node in self.nodes:
            node._killed = True  # noqa: SLF001  kill() refuses nodes that are not running
            node.input.close()


class ReliableStrategy(Strategy):
    """Runs each node in a thread of its own and waits for all of them.

    Args:
        on_tick: called some times a second in the calling thread while the graph runs.
    """

    GraphExecutionContextType = ReliableGraph

    def __init__(self, on_tick: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._on_tick = on_tick or (lambda: None)

    def execute(self, graph: Any, **kwargs: Any) -> ReliableGraph:
        """Run a graph to its end.

        Raises:
            BaseException: the first thing that a node raised, or what a signal handler raised while it ran.
        """
        context: ReliableGraph = self.create_graph_execution_context(graph, **kwargs)
        context.write(BEGIN, (), END)
        threads: list[threading.Thread] = []
        ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        try:
            context.start()  # one node after the other and in this thread: a missing input fails before an output opens
            with signals_deferred():  # a thread whose start is interrupted could not be waited for
                for node in context.nodes:
                    thread = threading.Thread(target=_work, args=(node, ended), name=f"node {node.name}", daemon=True)
                    _start(thread)
                    threads.append(thread)
            self._wait(context, ended, len(threads))
        except BaseException as exc:
            context.abort()
            deadline = time.monotonic() + GRACE
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            _stop_unstarted(context, len(threads))
            if isinstance(exc, SystemExit):
                raise _raised(exc) from exc
            raise
        finally:
            context.unregister_plugins()
        if context.failures:
            raise _raised(context.failures[0])
        return context

    def _wait(self, context: ReliableGraph, ended: queue.SimpleQueue[None], running: int) -> None:
        deadline = None
        while running:
            try:
                ended.get(timeout=TICK)
                running -= 1
            except queue.Empty:
                self._on_tick()
            if context.aborted:
                deadline = deadline or time.monotonic() + GRACE
                if time.monotonic() > deadline:
                    return  # a node hangs in foreign code; the others have ended
        self._on_tick()


def _start(thread: threading.Thread) -> None:
    try:
        thread.start()
    except RuntimeError as exc:
        raise TryAgain(f"cannot start a thread: {exc}", "Raise the limit of processes (ulimit -u), or wait.") from exc


def _work(node: ReliableNode, ended: queue.SimpleQueue[None]) -> None:
    try:
        node.loop()
    finally:
        try:
            node.stop()  # after a normal end it has torn down already, before END went on to the next node
        finally:
            ended.put(None)


def _stop_unstarted(context: ReliableGraph, threads: int) -> None:
    """Tear down nodes that were set up but whose thread never ran, because a later one failed to start."""
    for node in context.nodes[threads:]:
        if node.started and not node.stopped:
            node.stop()


def _raised(exc: BaseException) -> BaseException:
    """Give what to raise for what a node raised: its sys.exit(0) must not end our process as a success."""
    if isinstance(exc, Exception):
        return exc
    error = RuntimeError(f"a step of the graph raised {type(exc).__name__}: {exc}")
    error.__cause__ = exc
    return error


class _quiet(contextlib.AbstractContextManager[None]):  # noqa: N801
    """Keep Bonobo from taking over the terminal and the root logger's level."""

    def __enter__(self) -> None:
        self._level = logging.getLogger().level
        # Otherwise they come from variables as common as DEBUG, and some values of these make Bonobo refuse to run.
        level = self._level or logging.WARNING
        ours = [(settings.DEBUG, False), (settings.QUIET, True), (settings.LOGGING_LEVEL, level)]
        self._before = [(setting, dict(vars(setting))) for setting, _ in ours]
        for setting, value in ours:
            setting.set(value)

    def __exit__(self, *_: object) -> None:
        for setting, before in self._before:
            vars(setting).clear()
            vars(setting).update(before)
        logging.getLogger().setLevel(self._level)


def run_graph(graph: Any, services: dict[str, Any], on_tick: Callable[[], None] | None = None) -> None:
    """Run a graph with Bonobo, reliably.

    Args:
        graph: a `bonobo.Graph`.
        services: the objects to inject, by name. `http` need not be given.
        on_tick: called some times a second while it runs.

    Raises:
        BaseException: the first thing that a node or a signal handler raised.
    """
    with _quiet():
        # Bonobo would import requests for a service that nobody asked for.
        context = bonobo.run(graph, services={"http": None, **services}, strategy=ReliableStrategy(on_tick))
    for part in (*context.nodes, context):
        vars(part).clear()  # breaks the reference cycles that would keep the model alive until a garbage collection
