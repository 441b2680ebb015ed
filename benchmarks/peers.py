"""Ours and its peers on the same work: the same records, the same estimators, the same predictions.

    python benchmarks/peers.py                                   # all of it: three quarters of an hour
    python benchmarks/peers.py --quick                           # start-up and 10 thousand records, one round
    python benchmarks/peers.py --sizes 1000000 --models svc --peers polars_whole duckdb_arrow

Each peer is a script in `benchmarks/peers/`, written as its own documentation would, with an environment of its own in
`benchmarks/data/venvs/`, made once. Peers have no prediction log; ours runs without and with it, and with two workers
where there is much to do. Seconds are of the whole process with its imports; MiB is the largest sum of the resident
memory of the process and all that it starts, looked at 20 times a second; what several of them share counts in each.

Prints tables and keeps all runs in `benchmarks/data/results/peers.json`. What is measured again replaces what was kept
of the same model and number of records; `--fresh` forgets all else. Exits with 1 if a target is missed or predictions
differ.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import common
import environments
import inputs
import iris_models
import predictions
import processes
import results
import ways
from findings import LDJSON, Cell, Findings, Scored
from targets import judge
from ways import OURS, PEERS, START_UP

QUICK = (START_UP, 10_000)
CLASSES = {"logistic_regression": common.LOGISTIC_REGRESSION, "svc": common.SVC, "forest": common.FOREST}
ATTEMPTS = 5
FAILED = 2
"""Exit code if ours fails: 1 is a missed target."""


def ours(way: str, model: str, source: Path, output: Path) -> list[str | Path]:
    """Return our command."""
    return [common.MODEL_ETL, "run", "-i", source, "-o", output, "-m", CLASSES[model], *ways.OPTIONS[way]]


def theirs(peer: str, model: str, source: Path, output: Path) -> list[str | Path]:
    """Return a peer's command; its environment is made if there is none yet.

    Raises:
        environments.NotInstallableError: if that cannot be done.
    """
    if peer == "original":
        return [sys.executable, common.HERE / "original.py", CLASSES[model], source, output]
    return [environments.python(peer), common.HERE / "peers" / f"{peer}.py", model, source, output]


def plain(exc: Exception) -> str:
    """Return a message without the folders of this machine: it goes into a document."""
    return re.sub(r"(?<![\w:/.])(?:/[^\s/:'\"]+)+/", ".../", str(exc))


def attempts(peer: str) -> int:
    """Return how often a peer may try: stock Bonobo may lose a run in a race without reporting it."""
    return ATTEMPTS if peer == "original" else 1


def scored(command: Callable[[Path], list[str | Path]], count: int, tries: int = 1) -> Scored:
    """Run a command and read what it wrote.

    Args:
        command: makes it from the path of the output.
        count: how many predictions there must be.
        tries: how often it may be run.

    Raises:
        processes.FailedError: if it fails, or writes too little or too much.
    """
    with common.folder() as work_folder:
        output = work_folder / "output.json"
        try:
            run = processes.timed(command(output))
            found = predictions.read(output)
            if sum(found.counts.values()) != count:
                raise processes.FailedError(f"{sum(found.counts.values())} predictions for {count} records")
        except (processes.FailedError, FileNotFoundError) as exc:
            if tries <= 1:
                raise processes.FailedError(str(exc)) from exc
            return scored(command, count, tries - 1)
        return Scored(run.seconds, run.cpu, run.mib, found)


def prepare(peers: Sequence[str], model: str, findings: Findings) -> list[str]:
    """Make the environments, and run each peer once, unmeasured: who fails here is left out."""
    iris_models.train()
    source = inputs.file(START_UP)
    able = []
    for peer in peers:
        findings.left_out.pop(peer, None)
        try:
            scored(partial(theirs, peer, model, source), START_UP, attempts(peer))
        except (environments.NotInstallableError, processes.FailedError) as exc:
            findings.left_out[peer] = plain(exc)
            print(f"left out: {PEERS[peer].title}: {exc}", flush=True)
            continue
        able.append(peer)
        package = PEERS[peer].package
        findings.versions[peer] = environments.release(peer, package) if package else f"Python {sys.version.split()[0]}"
    return able


def in_turn(
    calls: Mapping[str, Callable[[], Scored]], rounds: int, left_out: dict[str, str]
) -> dict[str, list[Scored]]:
    """Run all ways in turn; a peer that fails is left out from then on."""

    def guarded(way: str) -> Scored | None:
        if way in left_out:
            return None
        try:
            return calls[way]()
        except processes.FailedError as exc:
            if way not in PEERS:
                raise
            left_out[way] = plain(exc)
            print(f"left out from here on: {PEERS[way].title}: {exc}", flush=True)
            return None

    guards: dict[str, Callable[[], Any]] = {way: partial(guarded, way) for way in calls}
    found: dict[str, list[Any]] = common.in_turn(guards, rounds)
    return {way: runs for way, runs in found.items() if None not in runs}


def compare(model: str, count: int, peers: Sequence[str], rounds: int, findings: Findings) -> None:
    """Run ours and the peers on one input."""
    source = inputs.file(count)
    calls = {way: partial(scored, partial(ours, way, model, source), count) for way in ways.ours(count)}
    for peer in peers:
        if ways.takes_part(peer, model, count):
            calls[peer] = partial(scored, partial(theirs, peer, model, source), count, attempts(peer))
    cell = Cell(model, count, LDJSON, rounds)
    cell.runs = in_turn(calls, rounds, findings.left_out)
    cell.check(cell.runs[OURS][0].predictions)
    findings.add(cell)
    print(f"\n{ways.MODELS[model]}, {count:,} records{' (start-up)' if count == START_UP else ''}")
    results.show(*cell.table())


def compare_forms(model: str, count: int, rounds: int, findings: Findings) -> None:
    """Run ours on all forms of the same records."""
    calls = {
        input_format: partial(scored, partial(ours, OURS, model, inputs.file(count, input_format)), count)
        for input_format in inputs.FORMATS
    }
    found = in_turn(calls, rounds, findings.left_out)
    first = found[LDJSON][0].predictions
    print(f"\nours by the form of its input, {ways.MODELS[model]}, {count:,} records")
    for input_format, runs in found.items():
        cell = Cell(model, count, f"{input_format}, of forms", rounds, {OURS: runs})
        cell.check(first)
        findings.add(cell)
        print(f"{input_format}: {common.spread(cell.seconds(OURS))} s")


def sizes(model: str, asked: argparse.Namespace) -> list[int]:
    """Return the numbers of records that a model is given."""
    if asked.quick:
        return [count for count in QUICK if count > START_UP or model == asked.models[0]]
    return [count for count in asked.sizes or ways.SIZES[model] if asked.sizes or count in ways.SIZES[model]]


def measure(asked: argparse.Namespace, findings: Findings, path: Path) -> None:
    """Run all that is asked for, and keep it as it is found.

    Raises:
        processes.FailedError: if ours fails.
    """
    peers = prepare(asked.peers, asked.models[0], findings)
    for model in asked.models:
        for count in sizes(model, asked):
            compare(model, count, peers, asked.rounds, findings)
            findings.save(path)
    if not asked.no_forms:
        for count in QUICK[1:] if asked.quick else ways.FORM_SIZES:
            compare_forms(asked.models[0], count, asked.rounds, findings)
            findings.save(path)


def main() -> int:
    """Run the benchmark."""
    parser = common.options(__doc__, rounds=3)
    parser.add_argument("--sizes", type=int, nargs="+", help=f"numbers of records; {START_UP} is start-up")
    parser.add_argument("--models", nargs="+", choices=list(ways.MODELS), default=list(ways.MODELS))
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--no-forms", action="store_true", help="leave out CSV, Parquet and records with an id")
    parser.add_argument("--fresh", action="store_true", help="forget what was kept before")
    asked = common.parsed(parser)
    path = results.folder(quick=asked.quick) / "peers.json"
    findings = Findings() if asked.fresh else Findings.load(path)
    try:
        measure(asked, findings, path)
    except processes.FailedError as exc:
        print(f"ours failed: {exc}", file=sys.stderr)
        return FAILED
    print()
    verdicts = judge(findings)
    for verdict in verdicts:
        verdict_word = {True: "held", False: "MISSED", None: "open"}[verdict.held]
        print(f"{verdict_word}: {verdict.text}: {verdict.found}", flush=True)
    findings.save(path)
    for peer, reason in findings.left_out.items():
        print(f"left out: {PEERS[peer].title}: {reason}")
    return int(any(verdict.held is False for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
