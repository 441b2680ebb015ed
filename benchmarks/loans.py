"""Pipelines of scikit-learn over data frames: model_etl against the scripts that people write.

The runs of a round follow each other, and each ratio is that of one round. Exits with 1 if a claim is missed or
predictions differ.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import common
import environments
import loan_cases
import loan_inputs
import loan_predictions
from common import Run
from loan_cases import CASES, Case, Claim, Ours, Script
from results import Results

_LIBRARIES = ("polars",)
"""Libraries that a script needs and model_etl does not."""


class Outputs:
    """The predictions of the first way of a case, with which those of all others are compared."""

    def __init__(self) -> None:
        self._first: Any = None
        self.differ: dict[str, str] = {}

    def compare(self, way: str, path: Path) -> None:
        """Compare a file with the first one that was given, unless this way differed already."""
        found = loan_predictions.read(path)
        if self._first is None:
            self._first = found
        elif way not in self.differ and (difference := loan_predictions.difference(self._first, found)):
            self.differ[way] = difference


def command(way: Ours | Script, source: Path, output: Path, key: str) -> list[str | Path]:
    """Return the command of a way.

    Raises:
        environments.NotInstallableError: if its environment cannot be made.
    """
    if isinstance(way, Ours):
        log = [] if way.log else common.NO_LOG
        return [common.MODEL_ETL, "run", "-m", way.model, "--keep", key, "-i", source, "-o", output, *log, *way.options]
    python = environments.python(way.environment) if way.environment else sys.executable
    script = common.HERE / "peers" / "loans_script.py"
    return [python, script, way.way, common.DATA / way.pipeline, source, output]


def left_out(way: Ours | Script) -> str:
    """Return why a script cannot be run; empty if it can."""
    if isinstance(way, Script):
        if way.way in _LIBRARIES and importlib.util.find_spec(way.way) is None:
            return f"{way.way} is not installed"
        try:
            command(way, Path(), Path(), "")
        except environments.NotInstallableError as exc:
            return str(exc)
    return ""


def run(way: Ours | Script, source: Path, case: Case, name: str, outputs: Outputs) -> Run:
    """Run one way, and compare its predictions."""
    with common.folder() as work_folder:
        output = work_folder / f"out.{case.extension}"
        timing = common.timed(command(way, source, output, case.key))
        if case.same:
            outputs.compare(name, output)
        return timing


def measure(case: Case, options: Any, results: Results) -> None:
    """Run all ways of a case in turn, and judge its claims."""
    count = common.scaled(case.count, options)
    reasons = {name: left_out(way) for name, way in case.ways.items()}
    outputs = Outputs()
    calls: dict[str, Callable[[], Run]] = {
        name: partial(run, way, case.sources.get(name, case.source)(count), case, name, outputs)
        for name, way in case.ways.items()
        if not reasons[name]
    }
    runs = common.in_turn(calls, options.rounds)
    rows = [
        [name, *(common.spread(figures) for figures in ([r.seconds for r in timings], [r.cpu for r in timings])),
         common.spread([r.mib for r in timings], 0)]
        for name, timings in runs.items()
    ]  # fmt: skip
    results.table([f"{case.title}, {count:,} records", "seconds", "processor s", "MiB"], rows)
    for name, reason in reasons.items():
        if reason:
            results.say(f"Left out: {name}: {reason}")
    for claim in case.claims:
        judge(claim, runs, f"{case.title}, {count:,} records", results)
    most = max(median([r.mib for r in runs[name]]) for name, way in case.ways.items() if isinstance(way, Ours))
    results.claim(
        f"at most {case.most_mib} MiB, {case.title}, {count:,} records", f"{most:.0f}", held=most <= case.most_mib
    )
    if case.same:
        differ = "; ".join(f"{name}: {what}" for name, what in outputs.differ.items())
        results.claim(f"all predict the same, {case.title}, {count:,} records", differ or "they do", held=not differ)


def judge(claim: Claim, runs: dict[str, list[Run]], what: str, results: Results) -> None:
    """Judge one claim, round by round."""
    times = common.ratios([r.seconds for r in runs[claim.slower]], [r.seconds for r in runs[claim.faster]])
    if claim.least is not None:
        text = f"{claim.slower} takes at least {claim.least:g} times as long as {claim.faster}, {what}"
        results.claim(text, common.spread(times), held=median(times) >= claim.least)
    if claim.most is not None:
        text = f"{claim.slower} takes at most {claim.most:g} times as long as {claim.faster}, {what}"
        results.claim(text, common.spread(times), held=median(times) <= claim.most)


def measure_memory(options: Any, results: Results) -> None:
    """Compare the memory of runs over few and over many records, once each."""
    sizes = [common.scaled(size, options) for size in (loan_cases.SMALL, loan_cases.LARGE)]
    mib: dict[str, list[float]] = {}
    for name, (extension, log, _) in loan_cases.MEMORY.items():
        mib[name] = []
        for size in sizes:
            source = loan_inputs.loans_file(size, extension)
            case = Case(name, size, loan_inputs.loans_file, extension, {}, same=False)
            mib[name].append(run(Ours(loan_cases.MODEL, log), source, case, name, Outputs()).mib)
    small, large = (f"{size:,} records" for size in sizes)
    results.table(["MiB", small, large], [[name, *(f"{some:.0f}" for some in found)] for name, found in mib.items()])
    for name, found in mib.items():
        most = loan_cases.MEMORY[name][2]
        growth = found[1] / found[0] - 1
        text = f"memory with {large} of loans within {loan_cases.GROWTH:.0%} of {small}, {name}"
        results.claim(text, f"{growth:+.1%}", held=growth <= loan_cases.GROWTH)
        results.claim(f"at most {most} MiB, {large} of loans, {name}", f"{max(found):.0f}", held=max(found) <= most)


def main() -> int:
    """Run the benchmark."""
    options = common.parsed(common.options(__doc__, rounds=5))
    results = Results("loans", options)
    for model in ("loan_models.py", "wide_models.py"):
        common.timed([sys.executable, common.HERE / model])
    results.say(
        "Whole processes; loans have 12 columns and a logistic regression behind imputation, scaling and one-hot"
        f" encoding. Medians of {options.rounds} rounds. Both sides call the pipeline equally often."
    )
    for case in CASES:
        measure(case, options, results)
    measure_memory(options, results)
    return results.end()


if __name__ == "__main__":
    sys.exit(main())
