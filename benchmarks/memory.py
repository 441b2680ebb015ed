"""The most memory that whole runs hold, by the number of records: clean, with 10% rejects, and with slow writers.

Exits with 1 if a run holds over 250 MiB, or if five million records (one million with a slow writer) need over 10%
more than a hundred thousand.

A slow writer is a disk, for the output or for the prediction log, that takes a fifth of what a run makes in a second;
or a program that reads the output from a pipe at that speed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import BinaryIO

import common
from common import Run
from results import Results

GROWTH = 0.10
MOST_MIB = 250
SMALLEST, SMALL, LARGE, LARGEST = 10_000, 100_000, 1_000_000, 5_000_000
OUTPUT, LOG = 5_000_000, 20_000_000
"""Bytes a second that a slow writer takes; a run at full speed makes about five times as much."""
_BLOCK_BYTES = 1 << 16
PATCHED = common.HERE / "patched.py"


def slow_disk(source: Path, rate: int, *options: str) -> Run:
    """Score a file onto a disk that takes only so many bytes a second."""
    return common.score(source, *options, program=[sys.executable, PATCHED, f"writes={rate}", "run"])


def slow_pipe(source: Path, rate: int) -> Run:
    """Score a file into a pipe, and read that slowly."""

    def read(pipe: BinaryIO) -> None:
        while block := pipe.read(_BLOCK_BYTES):
            time.sleep(len(block) / rate)

    command: list[str | Path] = [
        common.MODEL_ETL,
        "run",
        "--input_file",
        source,
        "--output_file",
        "-",
        "--model",
        common.IRIS,
    ]
    return common.timed(command, reader=read)


def main() -> int:
    """Run the benchmark."""
    options = common.parsed(common.options(__doc__, rounds=3))
    results = Results("memory", options)
    smallest, small, large, largest = (common.scaled(size, options) for size in (SMALLEST, SMALL, LARGE, LARGEST))
    kinds: dict[str, tuple[tuple[int, ...], Callable[[int], Run]]] = {
        "with the log": ((smallest, small, large, largest), lambda n: common.score(common.records(n))),
        "no log": (
            (smallest, small, large, largest),
            lambda n: common.score(common.records(n), *common.NO_LOG),
        ),
        "log, 10% rejected": (
            (smallest, small, large, largest),
            lambda n: common.score(common.records(n, bad_percent=10), "--max_errors", "11%"),
        ),
        "no log, the output onto a slow disk": (
            (small, large),
            lambda n: slow_disk(common.records(n), OUTPUT, *common.NO_LOG),
        ),
        "log, all onto a slow disk": ((small, large), lambda n: slow_disk(common.records(n), LOG)),
        "no log, the output into a slow pipe": ((small, large), lambda n: slow_pipe(common.records(n), OUTPUT)),
    }
    for size in (smallest, small, large, largest):
        common.records(size)
        common.records(size, bad_percent=10)
    ways = {f"{measured}: {n}": partial(run, n) for measured, (sizes, run) in kinds.items() for n in sizes}
    runs = common.in_turn(ways, options.rounds)
    most = {name: median(run.mib for run in timings) for name, timings in runs.items()}
    rows = [
        [f"{measured}, {n:,} records", common.spread([run.mib for run in timings], 0), f"{common.seconds(timings):.2f}"]
        for measured, (sizes, _) in kinds.items()
        for n in sizes
        for timings in [runs[f"{measured}: {n}"]]
    ]
    results.say(f"The iris model, one process, most memory held, medians of {options.rounds} rounds.")
    results.table(["run", "MiB", "seconds"], rows)
    for measured, (sizes, _) in kinds.items():
        growth = most[f"{measured}: {sizes[-1]}"] / most[f"{measured}: {small}"] - 1
        text = f"memory with {sizes[-1]:,} records within {GROWTH:.0%} of {small:,}, {measured}"
        results.claim(text, f"{growth:+.1%}", held=growth <= GROWTH)
    text = f"at most {MOST_MIB} MiB in one process, the iris model"
    results.claim(text, f"{max(most.values()):.0f} MiB", held=max(most.values()) <= MOST_MIB)
    return results.end()


if __name__ == "__main__":
    sys.exit(main())
