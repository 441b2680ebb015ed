"""Ours and its peers on the same work: the same records, the same estimators, the same predictions.

    python benchmarks/peers.py                                   # all of it: an hour or more
    python benchmarks/peers.py --quick                           # start-up and 10 thousand records, one round
    python benchmarks/peers.py --sizes 1000000 --models svc --peers polars_whole duckdb_arrow

Each peer is a script in `benchmarks/peers/`, written as its own documentation would, with an environment of its own in
`benchmarks/data/venvs/`, made once. Peers have no prediction log; ours runs without and with it, and the ratios are to
ours without, unless the column says otherwise. Seconds are of the whole process with its imports; MiB is the largest
sum of the resident memory of the process and all that it starts, looked at 20 times a second; what several of them
share counts in each.

Prints tables, writes all runs to `benchmarks/data/peers.json`, and exits with 1 if a target is missed or predictions
differ.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import common
import psutil
from common import Run

sys.path.append(str(common.HERE / "peers"))
import environments
import inputs
import iris_models
import predictions
import processes
from predictions import Predictions

RESULTS = common.DATA / "peers.json"
START_UP = 15  # records
SIZES = (START_UP, 10_000, 100_000, 1_000_000, 5_000_000)
QUICK = (START_UP, 10_000)
OURS, OURS_LOG = "model_etl", "model_etl, log on"
CLASSES = {"logistic_regression": "LogisticRegressionModel", "svc": "SVCModel", "forest": "ForestModel"}
NO_LOG = ("--prediction_log", "none")
ATTEMPTS = 5


@dataclass(frozen=True)
class Peer:
    """Another way to do the work.

    Attributes:
        title: what tables call it.
        most: the most records that it is given; a forest gets a tenth of that, if it predicts one by one.
        package: the one whose version tells which peer it is.
        singly: predicts one by one.
        order: it writes in the order of its input; if not, its predictions are compared as a multiset.
    """

    title: str
    most: int = 1_000_000
    package: str = ""
    singly: bool = False
    order: bool = True


PEERS = {
    "original": Peer("the original's design", 100_000, "bonobo", singly=True),
    "json_loop": Peer("json loop, one by one", 100_000, singly=True),
    "msgspec_script": Peer("hand-written msgspec", 5_000_000, "msgspec"),
    "pandas_chunks": Peer("pandas in chunks", 5_000_000, "pandas"),
    "polars_whole": Peer("polars, whole file", 5_000_000, "polars"),
    "duckdb_arrow": Peer("duckdb, Arrow function", 5_000_000, "duckdb"),
    "mlflow_pyfunc": Peer("MLflow pyfunc", 5_000_000, "mlflow"),
    "dask_bag": Peer("Dask bag", package="dask"),
    "beam_local": Peer("Beam, local runner", package="apache-beam", order=False),
    "pyspark_local": Peer("PySpark, local[2]", package="pyspark", order=False),
    "ray_data": Peer("Ray Data", package="ray"),
}


@dataclass(frozen=True)
class Target:
    """How many times as long as ours a peer has to take; of several, the best counts."""

    peers: tuple[str, ...]
    records: int
    model: str
    times: float


TARGETS = (
    Target(("original",), 100_000, "logistic_regression", 20),
    Target(("original",), 100_000, "svc", 20),
    Target(("json_loop",), 100_000, "logistic_regression", 8),
    Target(("beam_local",), 1_000_000, "logistic_regression", 10),
    Target(("beam_local",), 1_000_000, "svc", 7),
    Target(("pyspark_local",), 1_000_000, "logistic_regression", 6),
    Target(("ray_data",), 1_000_000, "logistic_regression", 6),
    Target(("dask_bag",), 1_000_000, "logistic_regression", 5),
    Target(("mlflow_pyfunc",), 1_000_000, "logistic_regression", 2.5),
    Target(("pandas_chunks",), 1_000_000, "logistic_regression", 1.7),
    Target(("polars_whole", "duckdb_arrow"), 1_000_000, "logistic_regression", 1.0),
    Target(("polars_whole", "duckdb_arrow"), 1_000_000, "svc", 1.0),
)


@dataclass(frozen=True)
class Scored(Run):
    """A run and what it predicted."""

    predictions: Predictions


Cell = dict[str, list[Scored]]  # by peer, what was run in turn


@dataclass
class Findings:
    """All that a call of this command found out.

    Attributes:
        cells: by model, number of records and form of the input.
        left_out: why a peer took no part, or no longer does.
        differ: whose predictions are not ours.
    """

    rounds: int
    versions: dict[str, str] = field(default_factory=dict)
    cells: dict[tuple[str, int, str], Cell] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    differ: list[str] = field(default_factory=list)
    targets: list[dict[str, Any]] = field(default_factory=list)


def ours(model: str, source: Path, options: Sequence[str], output: Path) -> list[str | Path]:
    """Give our command."""
    return [common.MODEL_ETL, "run", "-i", source, "-o", output, "-m", f"ours:{CLASSES[model]}", *options]


def theirs(peer: str, model: str, source: Path, output: Path) -> list[str | Path]:
    """Give a peer's command; its environment is made if there is none yet.

    Raises:
        environments.NotInstallableError: if that cannot be done.
    """
    if peer == "original":
        return [sys.executable, common.HERE / "original.py", f"ours:{CLASSES[model]}", source, output]
    return [environments.python(peer), common.HERE / "peers" / f"{peer}.py", model, source, output]


def scored(command: Callable[[Path], list[str | Path]], count: int, attempts: int = 1) -> Scored:
    """Run a command and read what it wrote.

    Args:
        command: makes it from the path of the output.
        count: how many predictions there must be.
        attempts: stock Bonobo may lose a run in a race and say so nowhere; such a run is done again.

    Raises:
        processes.FailedError: if it fails, or writes too little or too much.
    """
    with common.folder() as place:
        output = place / "output.json"
        try:
            run = processes.timed(command(output))
            found = predictions.read(output)
            if sum(found.counts.values()) != count:
                raise processes.FailedError(f"{sum(found.counts.values())} predictions for {count} records")
        except (processes.FailedError, FileNotFoundError) as exc:
            if attempts <= 1:
                raise processes.FailedError(str(exc)) from exc
            return scored(command, count, attempts - 1)
        return Scored(run.seconds, run.cpu, run.mib, found)


def prepare(peers: Sequence[str], model: str, findings: Findings) -> list[str]:
    """Make the environments, and run each peer once, unmeasured: who fails here is left out."""
    iris_models.train()
    source = inputs.file(START_UP)
    able = []
    for peer in peers:
        try:
            scored(partial(theirs, peer, model, source), START_UP, ATTEMPTS if peer == "original" else 1)
        except (environments.NotInstallableError, processes.FailedError) as exc:
            findings.left_out[peer] = str(exc)
            print(f"left out: {PEERS[peer].title}: {exc}", flush=True)
            continue
        able.append(peer)
        package = PEERS[peer].package
        findings.versions[peer] = environments.release(peer, package) if package else f"Python {sys.version.split()[0]}"
    return able


def takes_part(peer: str, model: str, count: int) -> bool:
    """Tell whether a peer gets so many records: what takes minutes tells no more than what takes one."""
    most = PEERS[peer].most
    if model == "forest":
        most = most // 10 if PEERS[peer].singly else min(most, 1_000_000)
    return count <= most


def run_cell(ways: dict[str, Callable[[], Scored]], findings: Findings) -> Cell:
    """Run all ways in turn; one that fails is left out from then on."""

    def guarded(name: str) -> Scored | None:
        if name in findings.left_out:
            return None
        try:
            return ways[name]()
        except processes.FailedError as exc:
            if name not in PEERS:
                raise
            findings.left_out[name] = str(exc)
            print(f"left out from here on: {PEERS[name].title}: {exc}", flush=True)
            return None

    guards: dict[str, Callable[[], Any]] = {name: partial(guarded, name) for name in ways}
    found: dict[str, list[Any]] = common.in_turn(guards, findings.rounds)
    return {name: runs for name, runs in found.items() if None not in runs}


def check(cell: Cell, where: str, findings: Findings) -> None:
    """Note whose predictions are not those of our first run."""
    first = cell[next(iter(cell))][0].predictions
    for name, runs in cell.items():
        order = name not in PEERS or PEERS[name].order
        if not all(run.predictions.same(first, order=order) for run in runs):
            findings.differ.append(f"{name}: {where}")


def title(name: str, findings: Findings) -> str:
    """Tell what tables call a way."""
    return f"{PEERS[name].title} ({findings.versions[name]})" if name in PEERS else name


def row(name: str, runs: list[Scored], count: int, cell: Cell) -> list[str]:
    """Tell about the runs of one way."""
    times = [
        common.spread(common.ratios([run.seconds for run in runs], [run.seconds for run in cell[base]]))
        for base in (OURS, OURS_LOG)
        if base in cell
    ]
    rate = f"{count / common.seconds(runs):,.0f}" if count > START_UP else ""
    mib = f"{median(run.mib for run in runs):,.0f}"
    return [name, common.spread([run.seconds for run in runs]), rate, mib, *times]


def judge(findings: Findings) -> int:
    """Hold the ratios against the targets; give the exit code."""
    code = 0
    for target in TARGETS:
        cell = findings.cells.get((target.model, target.records, "ldjson"), {})
        if not all(peer in cell for peer in target.peers):
            continue
        best = min(target.peers, key=lambda peer: common.seconds(cell[peer]))
        times = common.ratios([run.seconds for run in cell[best]], [run.seconds for run in cell[OURS]])
        held = median(times) >= target.times
        name = "best of polars and duckdb: " + best if len(target.peers) > 1 else PEERS[best].title
        text = (
            f"{name} takes at least {target.times:g} times as long as ours, {target.model}, {target.records:,} records"
        )
        code |= common.claim(f"{text}: {common.spread(times)}", held=held)
        findings.targets.append({**asdict(target), "best": best, "ratios": times, "held": held})
    same = not findings.differ
    return code | common.claim(
        f"all wrote the same predictions{''.join(f'; not {d}' for d in findings.differ)}", held=same
    )


def compare(model: str, count: int, peers: Sequence[str], findings: Findings) -> None:
    """Run ours and the peers on one input."""
    source = inputs.file(count)
    ways: dict[str, Callable[[], Scored]] = {
        OURS: partial(scored, partial(ours, model, source, NO_LOG), count),
        OURS_LOG: partial(scored, partial(ours, model, source, ()), count),
    }
    for peer in peers:
        if takes_part(peer, model, count):
            attempts = ATTEMPTS if peer == "original" else 1
            ways[peer] = partial(scored, partial(theirs, peer, model, source), count, attempts)
    cell = findings.cells[model, count, "ldjson"] = run_cell(ways, findings)
    check(cell, f"{model}, {count:,} records", findings)
    print(f"\n{model}, {count:,} records{' (start-up)' if count == START_UP else ''}")
    head = ["", "seconds", "records/s", "MiB", "times ours", "times ours, log on"]
    common.table(
        head,
        [row(title(name, findings), runs, count, cell) for name, runs in cell.items()],
    )
    sys.stdout.flush()


def compare_formats(model: str, count: int, findings: Findings) -> None:
    """Run ours on all forms of the same records."""
    ways: dict[str, Callable[[], Scored]] = {
        form: partial(scored, partial(ours, model, inputs.file(count, form), NO_LOG), count) for form in inputs.FORMATS
    }
    cell = run_cell(ways, findings)
    check(cell, f"{model}, {count:,} records", findings)
    for form, runs in cell.items():
        if form != "ldjson":
            findings.cells[model, count, form] = {OURS: runs}
    print(f"\nours by the form of its input, {model}, {count:,} records")
    common.table(["", "seconds", "records/s", "MiB"], [row(form, runs, count, cell) for form, runs in cell.items()])
    sys.stdout.flush()


def save(findings: Findings, path: Path) -> None:
    """Write all runs as JSON, for documents and plots to be made from."""
    cells = [
        {
            "model": model,
            "records": count,
            "input": form,
            "way": name,
            "title": PEERS[name].title if name in PEERS else name,
            "runs": [asdict(run) for run in runs],
        }
        for (model, count, form), cell in findings.cells.items()
        for name, runs in cell.items()
    ]
    machine = {
        "python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / (1 << 30)),
    }
    made = datetime.now(timezone.utc).isoformat(timespec="seconds")
    about = {"made": made, "machine": machine, "rounds": findings.rounds, "versions": findings.versions}
    rest = {"left_out": findings.left_out, "differ": findings.differ, "targets": findings.targets, "cells": cells}
    path.write_text(json.dumps({**about, **rest}, indent=1) + "\n", "utf-8")


def main() -> int:
    """Run the benchmark."""
    parser = common.options(__doc__, rounds=3)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=SIZES, help=f"numbers of records; {START_UP} is start-up"
    )
    parser.add_argument("--models", nargs="+", choices=iris_models.MODELS, default=iris_models.MODELS)
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--quick", action="store_true", help="one round of start-up and 10 thousand records")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the runs go, as JSON")
    options = parser.parse_args()
    sizes, rounds = (QUICK, 1) if options.quick else (options.sizes, options.rounds)
    findings = Findings(rounds)
    peers = prepare(options.peers, options.models[0], findings)
    for model in options.models:
        for count in sizes:
            if count > START_UP or model == options.models[0]:
                compare(model, count, peers, findings)
                save(findings, options.results)
    compare_formats(options.models[0], min(max(sizes), 1_000_000), findings)
    print()
    code = judge(findings)
    save(findings, options.results)
    for peer, reason in findings.left_out.items():
        print(f"left out: {PEERS[peer].title}: {reason}")
    return code


if __name__ == "__main__":
    sys.exit(main())
