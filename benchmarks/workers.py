"""Two worker processes against one process, on a random forest of 100 trees.

Exits with 1 if two workers are less than 1.7 times as fast.
"""

from __future__ import annotations

import sys
from functools import partial
from statistics import median

import common

CLAIM = 1.7
COUNT = 5_000_000
FOREST = "models:IrisForest"


def main() -> int:
    """Run the benchmark."""
    options = common.options(__doc__, rounds=3).parse_args()
    source = common.records(COUNT)
    ways = {
        f"{count} worker{'s' if count > 1 else ''}, log {log}": partial(
            common.score,
            source,
            "--workers",
            str(count),
            *(("--prediction_log", "none") if log == "off" else ()),
            model=FOREST,
        )
        for log in ("off", "on")
        for count in (1, 2)
    }
    runs = common.in_turn(ways, options.rounds)
    print(f"{COUNT:,} records, medians of {options.rounds} rounds; MiB are the parent's")
    common.table(
        ["run", "seconds", "MiB"],
        [
            [name, common.spread([r.seconds for r in some]), common.spread([r.mib for r in some], 0)]
            for name, some in runs.items()
        ],
    )
    one, two, one_log, two_log = ([run.seconds for run in some] for some in runs.values())
    print(f"with the log: {common.spread(common.ratios(one_log, two_log))} times as fast")
    times = common.ratios(one, two)
    return common.claim(
        f"two workers at least {CLAIM} times as fast: {common.spread(times)}", held=median(times) >= CLAIM
    )


if __name__ == "__main__":
    sys.exit(main())
