"""The Bonobo strategy: it never hangs, never loses a failure, and leaves no thread behind."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import model_etl.compat  # noqa: F401  before anything of bonobo

import bonobo
import pytest
from bonobo.config import Configurable, ContextProcessor, Option, use_context_processor
from bonobo.constants import BEGIN, END
from bonobo.errors import InactiveReadableError, InactiveWritableError
from helpers.waiting import slowdown

from model_etl.errors import TryAgain
from model_etl.pipeline import strategy as execution
from model_etl.pipeline.strategy import BoundedInput, run_graph
from model_etl.services.local.location import LocalFS


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Check that each test ends with the threads that it began with."""
    before = set(threading.enumerate())
    yield
    end = time.monotonic() + 5
    while set(threading.enumerate()) - before:
        assert time.monotonic() < end, threading.enumerate()
        time.sleep(0.01)


class Node(Configurable):
    """Passes on what it gets, notes what happens, and raises where it is told to."""

    name: str = Option(str, positional=True)
    log: list[str] = Option()
    fails: str = Option(str, default="", required=False)
    exc: BaseException = Option(default=ValueError("told to"), required=False)

    @ContextProcessor
    def life(self, context: Any) -> Iterator[None]:
        """Note the beginning and the end."""
        if self.fails == "start":
            raise self.exc
        self.log.append(f"{self.name} starts")
        try:
            yield  # after a failure elsewhere, what comes next is left out, and only this is closed
        finally:
            self.log.append(f"{self.name} ends")
        if self.fails == "teardown":
            raise self.exc

    def __call__(self, *data: Any) -> Iterator[Any]:
        """Pass it on."""
        if self.fails in ("first", str(data[0]) if data else ""):
            raise self.exc
        yield data[0] if data else 0


def _numbers(count: int) -> Callable[[], Iterator[int]]:
    def numbers() -> Iterator[int]:
        yield from range(count)

    return numbers


def _graph(*nodes: Any) -> Any:
    graph = bonobo.Graph()
    graph.add_chain(*nodes)
    return graph


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100])
def test_tiny_graphs_hundreds_of_times(count: int) -> None:
    """Stock Bonobo fails in most such runs, for its threads are not yet alive when it looks."""
    for _ in range(100):
        taken: list[int] = []
        run_graph(_graph(_numbers(count), bonobo.noop, taken.append), {})
        assert taken == list(range(count))


def test_a_graph_of_nothing() -> None:
    """Ends at once."""
    run_graph(bonobo.Graph(), {})


@pytest.mark.parametrize("when", ["start", "first", "50", "99", "teardown"])
@pytest.mark.parametrize("where", ["a", "b", "c"])
@pytest.mark.parametrize("count", [0, 100])
def test_a_node_that_fails_ends_the_run(when: str, where: str, count: int) -> None:
    """Whatever is queued; what was raised comes out, and every node that was set up is torn down once."""
    if count == 0 and when not in ("start", "teardown"):
        pytest.skip("it is never called")
    for _ in range(10):
        log: list[str] = []
        exc = ValueError("told to")
        nodes = [Node(name, log=log, fails=when if name == where else "", exc=exc) for name in "abc"]
        with pytest.raises(ValueError, match="told to") as caught:
            run_graph(_graph(_numbers(count), *nodes), {})
        assert caught.value is exc
        started = [line.split()[0] for line in log if line.endswith("starts")]
        ended = [line.split()[0] for line in log if line.endswith("ends")]
        assert sorted(ended) == sorted(started)


def test_full_queues_do_not_keep_a_failure_back() -> None:
    """A million bags upstream of a node that dies: the reader stops."""
    produced = 0

    def reader() -> Iterator[int]:
        nonlocal produced
        while produced < 1_000_000:
            produced += 1
            yield produced

    with pytest.raises(ValueError, match="told to"):
        run_graph(_graph(reader, bonobo.noop, Node("a", log=[], fails="100")), {})
    assert produced < 1000


@pytest.mark.parametrize("exc", [SystemExit(0), KeyboardInterrupt(), GeneratorExit("x")], ids=repr)
@pytest.mark.parametrize("when", ["start", "first", "teardown"])
def test_what_is_no_exception_is_a_failure_too(exc: BaseException, when: str) -> None:
    """A node that wants to end the process must not end it as a success, nor hang it."""
    if when == "start" and not isinstance(exc, SystemExit):
        pytest.skip("set-up is in the main thread, where a Ctrl-C is a Ctrl-C")
    with pytest.raises(RuntimeError, match=type(exc).__name__) as caught:
        run_graph(_graph(_numbers(10), Node("a", log=[], fails=when, exc=exc), bonobo.noop), {})
    assert caught.value.__cause__ is exc


def test_the_first_failure_is_the_one_that_is_told() -> None:
    """What follows from the end of the run is not."""
    log: list[str] = []
    first = Node("a", log=log, fails="3", exc=OSError("the cause"))
    then = Node("b", log=log, fails="teardown", exc=OSError("what follows"))
    for _ in range(30):
        with pytest.raises(OSError, match="the cause"):
            run_graph(_graph(_numbers(1000), first, then), {})


def test_a_fan_out_gives_each_branch_everything() -> None:
    """And a failure in one branch ends both."""
    left: list[int] = []
    right: list[int] = []
    graph = _graph(_numbers(500), bonobo.noop)
    graph.add_chain(left.append, _input=bonobo.noop)
    graph.add_chain(right.append, _input=bonobo.noop)
    run_graph(graph, {})
    assert left == right == list(range(500))

    graph = _graph(_numbers(100_000), bonobo.noop)
    graph.add_chain(lambda _: time.sleep(0.001), _input=bonobo.noop)
    graph.add_chain(Node("b", log=[], fails="10"), _input=bonobo.noop)
    start = time.monotonic()
    with pytest.raises(ValueError, match="told to"):
        run_graph(graph, {})
    assert time.monotonic() - start < 5 * slowdown()


def test_a_fan_in_ends_when_all_have_ended() -> None:
    """Many readers into one node; and none of them is left waiting when that one dies."""
    for _ in range(20):
        taken: list[int] = []
        graph = bonobo.Graph()
        graph.add_chain(taken.append, _input=None)
        for _ in range(5):
            graph.add_chain(_numbers(50), _output=taken.append)
        run_graph(graph, {})
        assert sorted(taken) == sorted(list(range(50)) * 5)

        failing = Node("b", log=[], fails="10")
        graph = bonobo.Graph()
        graph.add_chain(failing, _input=None)
        for _ in range(5):
            graph.add_chain(_numbers(100_000), _output=failing)
        with pytest.raises(ValueError, match="told to"):
            run_graph(graph, {})


def test_a_node_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the grace the failure is told, though one node never ends."""
    monkeypatch.setattr(execution, "SHUTDOWN_GRACE_S", 0.3)
    free = threading.Event()

    def hangs(number: int) -> Iterator[int]:
        free.wait(20)
        yield number

    graph = _graph(_numbers(10), bonobo.noop)
    graph.add_chain(hangs, _input=bonobo.noop)
    graph.add_chain(Node("b", log=[], fails="2"), _input=bonobo.noop)
    start = time.monotonic()
    with pytest.raises(ValueError, match="told to"):
        run_graph(graph, {})
    assert time.monotonic() - start < 3 * slowdown()
    free.set()


def test_a_signal_handler_that_raises_ends_the_run() -> None:
    """What is raised in the waiting thread comes out, and the nodes end."""

    class Stop(BaseException):
        pass

    def on_tick() -> None:
        raise Stop

    def slow() -> Iterator[int]:
        while True:
            time.sleep(0.3)
            yield 1

    with pytest.raises(Stop):
        run_graph(_graph(slow, bonobo.noop), {}, on_tick)


def test_threads_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit of processes: try again later, and those that were started end."""
    start, started = threading.Thread.start, []

    def limited(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    log: list[str] = []
    with pytest.raises(TryAgain, match="cannot start a thread"):
        run_graph(_graph(_numbers(1000), *(Node(name, log=log) for name in "abc")), {})
    assert sorted(log) == sorted(f"{name} {what}" for name in "abc" for what in ("starts", "ends"))


def test_progress_is_told_while_it_runs() -> None:
    """Some times a second, and at the end."""
    ticks: list[float] = []

    def slow() -> Iterator[int]:
        time.sleep(1)
        yield 1

    start = time.monotonic()
    run_graph(_graph(slow, bonobo.noop), {}, lambda: ticks.append(time.monotonic()))
    assert 2 <= len(ticks) <= 2 + 4 * (time.monotonic() - start)


def test_a_closed_queue_lets_nobody_wait() -> None:
    """Neither those that are in it already nor those that come later, at either end."""
    waiting = BoundedInput()
    for _ in range(2):
        waiting.put(BEGIN)
    waiting.put((1,))
    waiting.put((2,))
    raised: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def put() -> None:
        try:
            waiting.put((3,))
            raised.put(None)
        except BaseException as exc:  # noqa: BLE001
            raised.put(exc)

    threads = [threading.Thread(target=put) for _ in range(5)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    waiting.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    with pytest.raises(InactiveWritableError):
        waiting.put((4,))
    waiting.put(END)
    with pytest.raises(InactiveReadableError):
        waiting.get()


def test_stock_nodes_work(tmp_path: Path) -> None:
    """Readers, writers, filters and decorated functions of Bonobo's own."""
    (tmp_path / "in.csv").write_text("x,y\n1,a\n2,b\n3,c\n")
    log: list[str] = []

    def life(self: Any, context: Any) -> Iterator[str]:
        log.append("starts")
        yield "given"
        log.append("ends")

    @use_context_processor(life)
    def decorated(given: str, x: str, y: str) -> dict[str, str]:
        return {"x": x, "y": y, "given": given}

    graph = _graph(
        bonobo.CsvReader(str(tmp_path / "in.csv")),
        bonobo.Filter(lambda *row: "2" not in row),
        decorated,
        bonobo.LdjsonWriter(str(tmp_path / "out.json"), mode="w"),
    )
    run_graph(graph, {"fs": LocalFS()})
    assert log == ["starts", "ends"]
    assert (tmp_path / "out.json").read_text().split("\n") == [
        '{"x": "1", "y": "a", "given": "given"}',
        '{"x": "3", "y": "c", "given": "given"}',
    ]
    with pytest.raises(Exception, match="nowhere"):
        run_graph(_graph(bonobo.CsvReader(str(tmp_path / "nowhere.csv")), print), {"fs": LocalFS()})


def test_bonobo_takes_over_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the root logger nor standard output; and variables as common as DEBUG mean nothing to us."""
    for name, value in {"DEBUG": "1", "QUIET": "0", "LOGGING_LEVEL": "loud", "PROFILE": "1"}.items():
        monkeypatch.setenv(name, value)
    bonobo.settings.clear_all()
    root = logging.getLogger()
    level, handlers, out = root.level, list(root.handlers), sys.stdout
    seen: list[int] = []
    run_graph(_graph(lambda: seen.append(root.level)), {})
    assert (root.level, root.handlers, sys.stdout) == (level, handlers, out)
    assert seen == [level]
    assert capsys.readouterr() == ("", "")
    bonobo.settings.clear_all()
