"""What single features cost on a million records: the prediction log, rejects, and the report with its digests.

Exits with 1 if the log makes a run more than 1.9 times as long, or 1% bad rows more than 1.1 times.
"""

from __future__ import annotations

import sys
from functools import partial
from statistics import median

import common
from results import Results

COUNT = 1_000_000
LOG_CLAIM, BAD_CLAIM = 1.9, 1.1


def main() -> int:
    """Run the benchmark."""
    parser = common.options(__doc__, rounds=5)
    parser.add_argument("--records", type=int, default=COUNT, help="how many (%(default)s)")
    options = common.parsed(parser)
    results = Results("log_cost", options)
    count = common.scaled(options.records, options)
    clean, bad = common.records(count), common.records(count, bad_percent=1)
    base, log, bad_rows = "without the log", "with the log", "1% bad rows, tolerated; no log"
    tolerated = ("--max_errors", "2%")
    ways = {
        base: partial(common.score, clean, *common.NO_LOG),
        bad_rows: partial(common.score, bad, *tolerated, *common.NO_LOG),
        log: partial(common.score, clean),
        "log, 1% bad rows": partial(common.score, bad, *tolerated),
        "log, and a report with the SHA-256 of each file": partial(common.score, clean, "--report", "{folder}/report"),
        "log with its inputs hashed": partial(common.score, clean, "--log_inputs", "hashed"),
    }
    runs = common.in_turn(ways, options.rounds)

    def times(name: str, to: str) -> list[float]:
        return common.ratios([run.seconds for run in runs[name]], [run.seconds for run in runs[to]])

    rows = [
        [name, f"{common.seconds(timings):.2f}", common.spread(times(name, base)), common.spread(times(name, log)),
         f"{median(run.cpu for run in timings):.2f}"]
        for name, timings in runs.items()
    ]  # fmt: skip
    results.say(f"{count:,} records, the iris model, whole runs, medians of {options.rounds} rounds.")
    results.table(["run", "seconds", "to the first", "to the one with the log", "processor s"], rows)
    cost = times(log, base)
    text = f"the log makes a run at most {LOG_CLAIM} times as long, the iris model"
    results.claim(text, common.spread(cost), held=median(cost) <= LOG_CLAIM)
    cost = times(bad_rows, base)
    text = f"1% bad rows make a run at most {BAD_CLAIM} times as long, the iris model, no log"
    results.claim(text, common.spread(cost), held=median(cost) <= BAD_CLAIM)
    return results.end()


if __name__ == "__main__":
    sys.exit(main())
