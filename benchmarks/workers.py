"""Two worker processes against one process, on a random forest of 100 trees.

Exits with 1 if two workers are less than 1.7 times as fast.
"""

from __future__ import annotations

import sys
from functools import partial
from statistics import median

import common
from results import Results

CLAIM = 1.7
COUNT = 5_000_000
FOREST = "models:IrisForest"


def main() -> int:
    """Run the benchmark."""
    options = common.parsed(common.options(__doc__, rounds=3))
    results = Results("workers", options)
    count = common.scaled(COUNT, options)
    source = common.records(count)
    ways = {
        f"{number} worker{'s' if number > 1 else ''}, log {log}": partial(
            common.score,
            source,
            "--workers",
            str(number),
            *(common.NO_LOG if log == "off" else ()),
            model=FOREST,
        )
        for log in ("off", "on")
        for number in (1, 2)
    }
    runs = common.in_turn(ways, options.rounds)
    results.say(
        f"A random forest of 100 trees, {count:,} records, medians of {options.rounds} rounds; MiB are the parent's."
    )
    results.table(
        ["run", "seconds", "MiB"],
        [
            [name, common.spread([r.seconds for r in timings]), common.spread([r.mib for r in timings], 0)]
            for name, timings in runs.items()
        ],
    )
    alone, pair, alone_log, pair_log = ([run.seconds for run in timings] for timings in runs.values())
    results.say(
        f"With the log two workers are {common.spread(common.ratios(alone_log, pair_log))} times as fast as one."
    )
    times = common.ratios(alone, pair)
    text = f"two workers at least {CLAIM} times as fast as one process, a forest of 100 trees, {count:,} records"
    results.claim(text, common.spread(times), held=median(times) >= CLAIM)
    return results.end()


if __name__ == "__main__":
    sys.exit(main())
