"""Where the time of a run goes: the same steps on a million records, one after the other in one thread.

Nothing of Bonobo takes part, so what a real run needs beyond the sum is start-up, queues and threads; what it gains is
what overlaps.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import common
import loop
from loop import Result
from results import Results

COUNT = 1_000_000
MODELS = {"the iris model": common.IRIS, "logistic regression": common.LOGISTIC_REGRESSION, "SVC": common.SVC}


class Stopwatch:
    """Adds up the time of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, step: str, call: Callable[..., Result], *arguments: Any) -> Result:
        """Call something on account of a step."""
        start = time.perf_counter()
        result = call(*arguments)
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start
        return result


def once(model: str, count: int) -> dict[str, float]:
    """Score a file step by step."""
    watch = Stopwatch()
    source = common.records(count)
    with common.folder() as work_folder:
        loop.score(model, str(source), str(work_folder / "output.json"), str(work_folder / "log.ldjson"), watch)
    return watch.seconds


def main() -> int:
    """Run the benchmark."""
    parser = common.options(__doc__, rounds=5)
    parser.add_argument("--records", type=int, default=COUNT, help="how many (%(default)s)")
    options = common.parsed(parser)
    results = Results("steps", options)
    count = common.scaled(options.records, options)
    common.trained()
    columns = []
    for model in MODELS.values():
        once(model, min(count, 10_000))  # imports and first calls are not what is measured
        rounds = [once(model, count) for _ in range(options.rounds)]
        columns.append({step: median(r[step] for r in rounds) for step in rounds[0]})
    rows = [
        [step, *(cell for column in columns for cell in _cells(column[step], sum(column.values())))]
        for step in columns[0]
    ]
    total = ["sum", *(cell for column in columns for cell in (f"{sum(column.values()):.3f}", ""))]
    results.say(f"{count:,} records, one thread, with the log, medians of {options.rounds} rounds.")
    results.table(["step", *(head for name in MODELS for head in (f"{name}, s", "share"))], [*rows, total])
    return results.end()


def _cells(taken: float, total: float) -> tuple[str, str]:
    return f"{taken:.3f}", f"{taken / total:.0%}"


if __name__ == "__main__":
    sys.exit(main())
