"""The node that scores in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import model_etl.compat  # noqa: F401  before anything of bonobo

from bonobo.config import Configurable, ContextProcessor, Option
from bonobo.errors import InactiveReadableError

from model_etl.records.batch import Batch
from model_etl.scoring.strategy_check import warn_if_failures_are_lost
from model_etl.scoring.worker_pool import WorkerPool


class NodeContext(Protocol):
    """What the node needs of its execution context in Bonobo.

    Attributes:
        killed: whether the run was ended.
        parent: the execution context of the graph.
    """

    killed: bool
    parent: object

    def send(self, batch: Batch) -> None:
        """Pass a batch on to the next node."""


class WorkersTransformer(Configurable):
    """Scores batches in worker processes, and passes them on in the order of the input.

    Options:
        workers: the pool of worker processes.
        lasting: whether the pool goes on after the graph; by default it ends with it.
    """

    workers: WorkerPool = Option(positional=True)
    lasting: bool = Option(default=False)

    @ContextProcessor
    def next_result(self, context: NodeContext) -> Iterator[Callable[[], Batch]]:
        """Yield a function that waits for the oldest result; at the end, pass on all remaining results."""
        warn_if_failures_are_lost(context)

        def receive() -> Batch:
            batch = self.workers.result(lambda: context.killed)
            if batch is None:
                raise InactiveReadableError("the run was ended")
            return batch

        try:
            yield receive
            while self.workers.busy:
                context.send(receive())
        finally:
            if not self.lasting:
                self.workers.end()

    def __call__(self, next_result: Callable[[], Batch], batch: Batch) -> Iterator[Batch]:
        """Submit a batch; if all workers have enough to do, pass on the oldest result first."""
        if self.workers.full:
            yield next_result()
        self.workers.submit(batch)
