"""What single features cost on a million records: the prediction log, rejects, and the report with its digests."""

from __future__ import annotations

import sys
from functools import partial
from statistics import median

import common

COUNT = 1_000_000


def main() -> int:
    """Run the benchmark."""
    parser = common.options(__doc__, rounds=5)
    parser.add_argument("--records", type=int, default=COUNT, help="how many (%(default)s)")
    options = parser.parse_args()
    clean, bad = common.records(options.records), common.records(options.records, bad_percent=1)
    base = "as it comes: with the log"
    ways = {
        base: partial(common.score, clean),
        "without the log": partial(common.score, clean, "--prediction_log", "none"),
        "1% bad rows, tolerated": partial(common.score, bad, "--max_errors", "2%"),
        "with a report, SHA-256 of each file": partial(common.score, clean, "--report", "{folder}/report.json"),
        "with the log's inputs hashed": partial(common.score, clean, "--log_inputs", "hashed"),
    }
    runs = common.in_turn(ways, options.rounds)
    rows = []
    for name, some in runs.items():
        wall = common.ratios([r.seconds for r in some], [r.seconds for r in runs[base]])
        cpu = common.ratios([r.cpu for r in some], [r.cpu for r in runs[base]])
        rows.append(
            [name, f"{common.seconds(some):.2f}", common.spread(wall), f"{median(r.cpu for r in some):.2f}",
             f"{median(cpu):.2f}"]
        )  # fmt: skip
    print(f"{options.records:,} records, whole runs, medians of {options.rounds} rounds; ratios to the first line")
    common.table(["run", "seconds", "ratio", "processor s", "ratio"], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
