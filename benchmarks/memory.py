"""The most memory that whole runs hold, by the number of records; with the prediction log, and with 10% rejects.

Exits with 1 if the most of five million records is over that of one million by more than 10%.
"""

from __future__ import annotations

import sys
from functools import partial
from statistics import median

import common

CLAIM = 0.10
SIZES = (100_000, 1_000_000, 5_000_000)
TOLERATE = {0: (), 10: ("--max_errors", "11%")}


def main() -> int:
    """Run the benchmark."""
    parser = common.options(__doc__, rounds=3)
    parser.add_argument("--skip-largest", action="store_true", help="leave out the five million, and with it the claim")
    options = parser.parse_args()
    sizes = SIZES[:-1] if options.skip_largest else SIZES
    ways = {
        (count, bad): partial(common.score, common.records(count, bad_percent=bad), *tolerated)
        for bad, tolerated in TOLERATE.items()
        for count in sizes
    }
    runs = common.in_turn({f"{count:,} records, {bad}% bad": way for (count, bad), way in ways.items()}, options.rounds)
    most = dict(zip(ways, ([run.mib for run in some] for some in runs.values()), strict=True))
    rows = [
        [name, common.spread(most[key], 0), f"{common.seconds(runs[name]):.2f}"]
        for name, key in zip(runs, most, strict=True)
    ]
    print(f"most memory held, medians of {options.rounds} rounds, with the prediction log")
    common.table(["input", "MiB", "seconds"], rows)
    code = 0
    for bad in TOLERATE:
        small, *_, large = (median(most[count, bad]) for count in sizes)
        print(f"{bad}% bad: from {sizes[0]:,} to {sizes[-1]:,} records {large / small - 1:+.1%}")
        if not options.skip_largest:
            growth = large / median(most[SIZES[1], bad]) - 1
            text = f"{SIZES[2]:,} records within 10% of {SIZES[1]:,}, {bad}% bad: {growth:+.1%}"
            code |= common.claim(text, held=growth <= CLAIM)
    return code


if __name__ == "__main__":
    sys.exit(main())
