"""What batch size, queue length, switch interval and garbage collector do to a run: one changed at a time.

All run by the same script, `patched.py`, in turn with two unchanged runs. A ratio under 1 is faster than the defaults.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from statistics import mean, median

import common
from common import Run
from results import Results

COUNT = 1_000_000
DEFAULTS, AGAIN = "as it comes", "as it comes, again"
PATCHED = common.HERE / "patched.py"
VARIANTS = {
    DEFAULTS: (),
    "batches of 64 KiB": ("batch=65536",),
    "batches of 256 KiB": ("batch=262144",),
    "batches of 512 KiB": ("batch=524288",),
    "batches of 1 MiB": ("batch=1048576",),
    "batches of 2 MiB": ("batch=2097152",),
    AGAIN: (),
    "2 bags a queue": ("queue=2",),  # with 1 a run never starts: its first bags are put there before the threads
    "3 bags a queue": ("queue=3",),
    "4 bags a queue": ("queue=4",),
    "8 bags a queue": ("queue=8",),
    "turns of 5 ms": ("turn=0.005",),
    "turns of 20 ms": ("turn=0.02",),
    "turns of 50 ms": ("turn=0.05",),
    "turns of 200 ms": ("turn=0.2",),
    "garbage collector on": ("gc=on",),
    "garbage collector off": ("gc=off",),
    "garbage collector on, what was there frozen": ("gc=frozen",),
}
KINDS = {
    "logistic regression, no log": (common.LOGISTIC_REGRESSION, common.NO_LOG),
    "logistic regression, log": (common.LOGISTIC_REGRESSION, ()),
    "SVC, no log": (common.SVC, common.NO_LOG),
}


def run(source: Path, model: str, options: tuple[str, ...], settings: tuple[str, ...]) -> Run:
    """Score a file with some constants changed."""
    return common.score(source, *options, model=model, program=[sys.executable, PATCHED, *settings, "run"])


def main() -> int:
    """Run the benchmark."""
    parser = common.options(__doc__, rounds=3)
    parser.add_argument("--records", type=int, default=COUNT, help="how many (%(default)s)")
    options = common.parsed(parser)
    results = Results("overlap", options)
    count = common.scaled(options.records, options)
    source = common.records(count)
    common.trained()
    ways = {
        f"{workload}: {variant}": partial(run, source, model, flags, settings)
        for workload, (model, flags) in KINDS.items()
        for variant, settings in VARIANTS.items()
    }
    for model, flags in KINDS.values():
        run(source, model, flags, ())  # the first one meets cold files
    runs = common.in_turn(ways, options.rounds)
    bases = {
        workload: [mean(timing.seconds for timing in pair) for pair in zip(*pairs, strict=True)]
        for workload in KINDS
        for pairs in [(runs[f"{workload}: {DEFAULTS}"], runs[f"{workload}: {AGAIN}"])]
    }
    rows = []
    for variant in VARIANTS:
        row = [variant]
        for workload, base in bases.items():
            timings = runs[f"{workload}: {variant}"]
            ratios = common.ratios([timing.seconds for timing in timings], base)
            row += [common.spread(ratios), f"{median(timing.mib for timing in timings):.0f}"]
        rows.append(row)
    rows.append(["seconds of the defaults", *(cell for base in bases.values() for cell in (f"{median(base):.2f}", ""))])
    results.say(
        f"{count:,} records, whole runs, medians of {options.rounds} rounds: seconds divided by those of the defaults, "
        "which are the mean of two runs a round. Some changes are what the defaults are anyway: how far those and the "
        "two are from 1 is what chance does."
    )
    results.table(["", *(head for workload in KINDS for head in (workload, "MiB"))], rows)
    return results.end()


if __name__ == "__main__":
    sys.exit(main())
