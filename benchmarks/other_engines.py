"""What a million records cost on each engine, with its start-up, and where it would pay to leave one machine.

Runs every way on this machine, in turn, from the command to the published files: JSON Lines in, with a prediction log.
Clusters run already. Needs the environments of the engines (`make engines`). Some of their servers listen on all
addresses: it all runs where there is only a loopback.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import common
from common import IRIS, ROOT, Run
from results import Results

TESTS = ROOT / "engines" / "tests"
sys.path.append(str(TESTS))
SIZES = (10_000, 100_000, 1_000_000)
JOIN = ("--join",)
MACHINES = (2, 4, 8, 16, 64)


def python_of(engine: str) -> Path:
    """Return the interpreter of an engine's environment."""
    return Path(sys.executable).parent.parent.with_name(f".venv-{engine}") / "bin" / "python"


def beam(source: Path, *options: str) -> Run:
    """Score a file by Beam."""
    with common.folder() as place:
        files = ["--input", source, "--output", place / "out.json", "--split_bytes", str(8 << 20)]
        command = [python_of("beam"), "-m", "model_etl.engines.beam", *files, "--model", IRIS, *JOIN, *options]
        return common.timed(command)


def mapreduce(source: Path, *options: str) -> Run:
    """Score a file by MapReduce."""
    with common.folder() as place:
        files = ["--output", place / "out.json", "--split_bytes", str(8 << 20), source]
        return common.timed(
            [python_of("mapreduce"), "-m", "model_etl.engines.mapreduce", "--model", IRIS, *JOIN, *options, *files]
        )


@contextlib.contextmanager
def flink() -> Iterator[Sequence[str]]:
    """Run a Flink cluster of two TaskManagers, and give Beam's options for it."""
    from flink_cluster import FlinkCluster  # noqa: PLC0415

    with FlinkCluster(python=str(python_of("beam"))) as cluster:
        yield cluster.options()


@contextlib.contextmanager
def hadoop() -> Iterator[Sequence[str]]:
    """Run HDFS and YARN, and give the job's options for them."""
    from hadoop_cluster import HadoopCluster  # noqa: PLC0415

    with HadoopCluster() as cluster:
        before = dict(os.environ)
        os.environ.update(cluster.environment)
        try:
            yield "-r", "hadoop", "--python-bin", str(python_of("mapreduce"))
        finally:
            os.environ.clear()
            os.environ.update(before)


def measure(options: argparse.Namespace) -> dict[str, dict[int, list[Run]]]:
    """Time all ways at all sizes."""
    found: dict[str, dict[int, list[Run]]] = {}
    two = ("--direct_running_mode", "multi_processing", "--direct_num_workers", "2")
    with flink() as flinks, hadoop() as hadoops:
        ways: dict[str, Callable[[Path], Run]] = {
            "one machine": lambda source: common.score(source, *JOIN),
            "one machine, two workers": lambda source: common.score(source, *JOIN, "--workers", "2"),
            "Beam, in process": beam,
            "Beam, two processes": lambda source: beam(source, *two),
            "Beam, Flink with two TaskManagers": lambda source: beam(source, *flinks),
            "MapReduce, one process": lambda source: mapreduce(source, "-r", "inline"),
            "MapReduce, local processes": lambda source: mapreduce(source, "-r", "local"),
            "MapReduce, Hadoop with one NodeManager": lambda source: mapreduce(source, *hadoops),
        }
        for size in SIZES:
            source = common.records(common.scaled(size, options))
            for name, runs in common.in_turn(
                {n: partial(way, source) for n, way in ways.items()}, options.rounds
            ).items():
                found.setdefault(name, {})[size] = runs
    return found


def line(runs: dict[int, list[Run]]) -> tuple[float, float]:
    """Return the start-up and the seconds a million records, by the smallest and the largest size."""
    small, large = SIZES[0], SIZES[-1]
    seconds = {size: median(run.seconds for run in runs[size]) for size in (small, large)}
    slope = (seconds[large] - seconds[small]) / (large - small)
    return max(0.0, seconds[small] - slope * small), slope * 1e6


def crossing(one: tuple[float, float], engine: tuple[float, float], machines: int) -> str:
    """Reckon from how many records on an engine is sooner done than one machine.

    Args:
        one: start-up and seconds a million records of one machine.
        engine: the same of the engine, on one machine.
        machines: how many it has.
    """
    gain = (one[1] - engine[1] / machines) / 1e6
    return f"{max(0.0, engine[0] - one[0]) / gain / 1e6:,.1f} million" if gain > 0 else "never"


def main() -> int:
    """Run the benchmark."""
    options = common.parsed(common.options(__doc__, rounds=3))
    if "ENGINES_ALONE" not in os.environ:
        command = [sys.executable, str(TESTS / "loopback.py"), sys.executable, *sys.argv]
        os.execve(command[0], command, {**os.environ, "ENGINES_ALONE": "1"})  # noqa: S606
    results = Results("other_engines", options)
    found = measure(options)
    results.say(f"Seconds from the command to the published files, with the log; medians of {options.rounds} rounds.")
    head = ["way", *(f"{size:,} records" for size in SIZES), "start-up", "a million more"]
    lines = {name: line(runs) for name, runs in found.items()}
    results.table(
        head,
        [
            [
                name,
                *(common.spread([run.seconds for run in runs[size]]) for size in SIZES),
                *(f"{n:.1f}" for n in lines[name]),
            ]
            for name, runs in found.items()
        ],
    )
    results.say(
        "Where the lines would cross: from how many records on so many machines like this one would be done sooner than"
        " one with two workers. Reckoned as if sharing out lost nothing, which is the best case of the engine."
    )
    one = lines["one machine, two workers"]
    clusters = {
        name: lines[name] for name in ("Beam, Flink with two TaskManagers", "MapReduce, Hadoop with one NodeManager")
    }
    results.table(
        ["machines", *clusters],
        [[str(n), *(crossing(one, engine, n) for engine in clusters.values())] for n in MACHINES],
    )
    return results.end()


if __name__ == "__main__":
    sys.exit(main())
