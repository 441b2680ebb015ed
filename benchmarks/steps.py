"""Where the time of a run goes: the same steps on a million records, one after the other in one thread.

Nothing of Bonobo takes part, so what a real run needs beyond the sum is queues, threads and the disk.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, TypeVar

import common

COUNT = 1_000_000
Result = TypeVar("Result")


class Stopwatch:
    """Adds up the time of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, step: str, call: Callable[..., Result], *arguments: Any) -> Result:
        """Call something on account of a step."""
        start = time.perf_counter()
        result = call(*arguments)
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start
        return result


def once(count: int) -> dict[str, float]:
    """Score a file step by step."""
    from model_etl.formats.ldjson import LDJSON  # noqa: PLC0415  the help need not wait for it
    from model_etl.layout import Layout  # noqa: PLC0415
    from model_etl.model import load_model  # noqa: PLC0415
    from model_etl.model_node import MLModelTransformer  # noqa: PLC0415
    from model_etl.prediction_log import PredictionLog  # noqa: PLC0415
    from model_etl.records import Batch, Source  # noqa: PLC0415

    model = load_model(common.IRIS)
    transformer = MLModelTransformer(model=model, internals=True)
    log = PredictionLog("benchmark", model.name, model.version)
    watch = Stopwatch()
    with (
        common.folder() as place,
        common.records(count).open("rb") as source,
        (place / "log").open("wb") as log_file,
        (place / "output").open("wb") as output,
    ):
        writer = LDJSON.writer(output, Layout(model.output.fields(), model.input.fields()))
        batches: Iterator[Batch] = LDJSON.read(source, Source("input", "0" * 32, "ldjson"), model.input.fields())
        while (batch := watch.time("read, split into lines", next, batches, None)) is not None:
            decoded = watch.time("decode and check", model.input.decode_batch, batch)
            predicted = watch.time("predict, check, encode", transformer.predict, decoded)
            events = watch.time("make the log's events", log.encode, predicted)
            watch.time("write the log", log_file.write, events)
            watch.time("write the output", writer.write, predicted)
        for file in (log_file, output):
            file.flush()
            watch.time("fsync both", os.fsync, file.fileno())
    return watch.seconds


def main() -> int:
    """Run the benchmark."""
    parser = common.options(__doc__, rounds=5)
    parser.add_argument("--records", type=int, default=COUNT, help="how many (%(default)s)")
    options = parser.parse_args()
    rounds = [once(options.records) for _ in range(options.rounds)]
    middle = {step: median(r[step] for r in rounds) for step in rounds[0]}
    total = sum(middle.values())
    print(f"{options.records:,} records, one thread, medians of {options.rounds} rounds")
    rows = [[step, f"{taken:.3f}", f"{taken / total:.0%}"] for step, taken in middle.items()]
    common.table(["step", "seconds", "share"], [*rows, ["sum", f"{total:.3f}", ""]])
    return 0


if __name__ == "__main__":
    sys.exit(main())
