"""model-etl with one of its constants changed, for trying what cannot be set from outside.

    python benchmarks/patched.py [NAME=VALUE ...] run OPTIONS

Names: batch (bytes), queue (bags), turn (seconds), gc (on, off or frozen, while the graph runs), writes (bytes a second
that a file takes at most: a slow disk).
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from typing import Any


def batch(value: str) -> None:
    """Set how much text a reader takes at a time."""
    from model_etl.records import batch as records  # noqa: PLC0415  before those that take the constant from there

    records.BATCH_BYTES = int(value)


def queue(value: str) -> None:
    """Set how many bags wait before a node."""
    from model_etl.pipeline import strategy as execution  # noqa: PLC0415

    execution.QUEUE_SIZE = int(value)


def turn(value: str) -> None:
    """Set how long a thread may compute while others wait."""
    sys.setswitchinterval(float(value))


def garbage(value: str) -> None:
    """Collect garbage while the graph runs, or do not, or leave out what was there before; whatever ours does."""
    from model_etl.pipeline.strategy import ReliableStrategy  # noqa: PLC0415

    execute = ReliableStrategy.execute
    before = {"on": (gc.enable, gc.unfreeze), "off": (gc.disable,), "frozen": (gc.enable, gc.freeze)}[value]

    def executed(self: ReliableStrategy, graph: Any, **kwargs: Any) -> Any:
        for step in before:
            step()
        return execute(self, graph, **kwargs)

    ReliableStrategy.execute = executed  # type: ignore[method-assign]


def writes(value: str) -> None:
    """Let each file take only so many bytes a second."""
    from model_etl.records.run_counts import CountingWriter  # noqa: PLC0415

    write = CountingWriter.write

    def slowly(self: CountingWriter, data: Any) -> int:
        time.sleep(memoryview(data).nbytes / float(value))
        return write(self, data)

    CountingWriter.write = slowly  # type: ignore[method-assign]


SETTINGS: dict[str, Callable[[str], None]] = {
    "batch": batch,
    "queue": queue,
    "turn": turn,
    "gc": garbage,
    "writes": writes,
}


def main() -> None:
    """Change what is asked for, and run."""
    arguments = sys.argv[1:]
    while "=" in arguments[0]:
        name, _, value = arguments.pop(0).partition("=")
        SETTINGS[name](value)
    sys.argv[1:] = arguments
    from model_etl.__main__ import command  # noqa: PLC0415

    command()


if __name__ == "__main__":
    main()
