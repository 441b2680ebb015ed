"""What a million records cost on each engine, with its start-up, and where it would pay to leave one machine.

Runs every way on this machine, in turn, from the command to the published files: JSON Lines in, with a prediction log.
Clusters run already; their processor time is that of all their processes. Needs the environments of the engines (`make
engines`). Some of their servers listen on all addresses: it all runs where there is only a loopback.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
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
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def python_of(engine: str) -> Path:
    """Return the interpreter of an engine's environment."""
    return Path(sys.executable).parent.parent.with_name(f".venv-{engine}") / "bin" / "python"


def beam(source: Path, *options: str) -> Run:
    """Score a file by Beam."""
    with common.folder() as work_folder:
        files = ["--input", source, "--output", work_folder / "out.json", "--split_bytes", str(8 << 20)]
        command = [python_of("beam"), "-m", "model_etl.engines.beam", *files, "--model", IRIS, *JOIN, *options]
        return common.timed(command)


def mapreduce(source: Path, *options: str) -> Run:
    """Score a file by MapReduce."""
    with common.folder() as work_folder:
        files = ["--output", work_folder / "out.json", "--split_bytes", str(8 << 20), source]
        return common.timed(
            [python_of("mapreduce"), "-m", "model_etl.engines.mapreduce", "--model", IRIS, *JOIN, *options, *files]
        )


def processes() -> dict[int, tuple[int, float]]:
    """Return the parent of each process, and the processor seconds of the process and of its ended children."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = entry.read_text().rpartition(")")[2].split()
            found[int(entry.parent.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / _TICKS_PER_SECOND)
    return found


def children() -> set[int]:
    """Return the processes that this one has started."""
    return {pid for pid, (parent, _) in processes().items() if parent == os.getpid()}


def cpu_of(roots: Collection[int]) -> float:
    """Return the processor seconds of processes and of all that they have started."""
    table = processes()
    family = set(roots)
    while more := {pid for pid, (parent, _) in table.items() if parent in family} - family:
        family |= more
    return sum(table[pid][1] for pid in family if pid in table)


def with_cluster(cluster: Collection[int], way: Callable[[], Run]) -> Run:
    """Run a way; the processor time of its cluster is added to that of the command."""
    before = cpu_of(cluster)
    run = way()
    return dataclasses.replace(run, cpu=run.cpu + cpu_of(cluster) - before)


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
    with contextlib.ExitStack() as clusters:
        flinks = clusters.enter_context(flink())
        flink_processes = children()
        hadoops = clusters.enter_context(hadoop())
        hadoop_processes = children() - flink_processes
        ways: dict[str, Callable[[Path], Run]] = {
            "one machine": lambda source: common.score(source, *JOIN),
            "one machine, two workers": lambda source: common.score(source, *JOIN, "--workers", "2"),
            "Beam, in process": beam,
            "Beam, two processes": lambda source: beam(source, *two),
            "Beam, Flink with two TaskManagers": lambda source: with_cluster(
                flink_processes, lambda: beam(source, *flinks)
            ),
            "MapReduce, one process": lambda source: mapreduce(source, "-r", "inline"),
            "MapReduce, local processes": lambda source: mapreduce(source, "-r", "local"),
            "MapReduce, Hadoop with one NodeManager": lambda source: with_cluster(
                hadoop_processes, lambda: mapreduce(source, *hadoops)
            ),
        }
        for size in SIZES:
            source = common.records(common.scaled(size, options))
            for name, runs in common.in_turn(
                {n: partial(way, source) for n, way in ways.items()}, options.rounds
            ).items():
                found.setdefault(name, {})[size] = runs
    return found


@dataclasses.dataclass(frozen=True)
class Line:
    """What a way costs, by the smallest and the largest size.

    Attributes:
        start: seconds from the command to the files without any records.
        million: seconds of a million more.
        cpu: processor seconds of a million more.
    """

    start: float
    million: float
    cpu: float


def line(runs: dict[int, list[Run]]) -> Line:
    """Return what a way costs."""
    small, large = SIZES[0], SIZES[-1]
    seconds = {size: median(run.seconds for run in runs[size]) for size in (small, large)}
    cpu = {size: median(run.cpu for run in runs[size]) for size in (small, large)}
    slope = (seconds[large] - seconds[small]) / (large - small)
    million = (cpu[large] - cpu[small]) / (large - small) * 1e6
    return Line(max(0.0, seconds[small] - slope * small), slope * 1e6, million)


def crossing(machine: Line, engine: Line, machines: int) -> str:
    """Reckon from how many records on an engine is sooner done than one machine.

    Args:
        machine: the costs of one machine.
        engine: those of the engine, on one machine.
        machines: how many it has; on each, as here, all cores work.
    """
    gain = (machine.cpu - engine.cpu / machines) / (os.cpu_count() or 1) / 1e6
    return f"{max(0.0, engine.start - machine.start) / gain / 1e6:,.1f} million" if gain > 0 else "never"


def main() -> int:
    """Run the benchmark."""
    options = common.parsed(common.options(__doc__, rounds=3))
    if "ENGINES_ALONE" not in os.environ:
        command = [sys.executable, str(TESTS / "loopback.py"), sys.executable, *sys.argv]
        os.execve(command[0], command, {**os.environ, "ENGINES_ALONE": "1"})  # noqa: S606
    results = Results("other_engines", options)
    found = measure(options)
    lines = {name: line(runs) for name, runs in found.items()}
    alone = found["one machine"][SIZES[-1]]
    rounds = f"medians of {options.rounds} rounds"
    results.say(f"Seconds from the command to the published files, with the log; {rounds}.")
    results.table(
        ["way", *(f"{size:,} records" for size in SIZES), "start-up", "a million more"],
        [
            [
                name,
                *(common.spread([run.seconds for run in runs[size]]) for size in SIZES),
                f"{lines[name].start:.1f}",
                f"{lines[name].million:.1f}",
            ]
            for name, runs in found.items()
        ],
    )
    results.say(
        f"Processor seconds of the command and of the cluster's processes; {rounds}. They hold on a machine that others"
        f" use, too. The last column compares the runs of {SIZES[-1]:,} records round by round."
    )
    results.table(
        ["way", *(f"{size:,} records" for size in SIZES), "a million more", "times one machine"],
        [
            [
                name,
                *(common.spread([run.cpu for run in runs[size]], 1) for size in SIZES),
                f"{lines[name].cpu:.1f}",
                common.spread(common.ratios([run.cpu for run in runs[SIZES[-1]]], [run.cpu for run in alone]), 1),
            ]
            for name, runs in found.items()
        ],
    )
    results.say(
        "Where the lines would cross: from how many records on so many machines like this one would be done sooner than"
        " one with two workers. Reckoned from start-up and processor time as if sharing out lost nothing, which is the"
        " best case of the engine."
    )
    machine = lines["one machine, two workers"]
    engines = {
        name: lines[name] for name in ("Beam, Flink with two TaskManagers", "MapReduce, Hadoop with one NodeManager")
    }
    results.table(
        ["machines", *engines],
        [[str(n), *(crossing(machine, engine, n) for engine in engines.values())] for n in MACHINES],
    )
    return results.end()


if __name__ == "__main__":
    sys.exit(main())
