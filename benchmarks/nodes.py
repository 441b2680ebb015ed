"""Where the time of a whole run goes: start-up, loading, the graph, and what each node takes of the processor."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from statistics import median

import common
from results import Results

WAYS: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "logistic regression, 1 M": (common.LOGISTIC_REGRESSION, 1_000_000, ("--prediction_log", "none")),
    "the same with the log": (common.LOGISTIC_REGRESSION, 1_000_000, ()),
    "SVC, 1 M": (common.SVC, 1_000_000, ("--prediction_log", "none")),
    "logistic regression, 5 M, 2 workers": (
        common.LOGISTIC_REGRESSION,
        5_000_000,
        ("--prediction_log", "none", "--workers", "2"),
    ),
    "SVC, 5 M, 2 workers": (common.SVC, 5_000_000, ("--prediction_log", "none", "--workers", "2")),
}


def once(model: str, source: Path, options: tuple[str, ...]) -> dict[str, float]:
    """Run once; give seconds by phase and node."""
    with common.folder() as work_folder:
        report_file = work_folder / "report.json"
        ours = [sys.executable, common.HERE / "watched.py", report_file, "run", "-m", model]
        run = common.timed([*ours, "-i", source, "-o", work_folder / "output.json", *options])
        inside: dict[str, dict[str, float]] = json.loads(report_file.read_text("utf-8"))
    phases, nodes = inside["phases"], inside["nodes"]
    found = {"the whole run": run.seconds, "start and end": run.seconds - sum(phases.values())}
    found |= {"load the model": phases["load"], "the graph": phases["score"], "sync, rename": phases["publish"]}
    found |= {f"processor: {name}": seconds for name, seconds in nodes.items()}
    return {**found, "processor: all processes": run.cpu}


def main() -> int:
    """Run the benchmark."""
    options = common.parsed(common.options(__doc__, rounds=3))
    results = Results("nodes", options)
    common.trained()
    ways = {
        name: partial(once, model, common.records(common.scaled(count, options)), asked)
        for name, (model, count, asked) in WAYS.items()
    }
    found = common.in_turn(ways, options.rounds)
    steps = list(dict.fromkeys(step for rounds in found.values() for times_of_run in rounds for step in times_of_run))
    steps.sort(key=lambda step: step.startswith("processor"))
    rows = [
        [step, *(f"{median(r[step] for r in rounds):.2f}" if step in rounds[0] else "" for rounds in found.values())]
        for step in steps
    ]
    results.say(f"Seconds of whole runs, medians of {options.rounds} rounds; of a node, its thread's processor time.")
    results.table(["", *found], rows)
    return results.end()


if __name__ == "__main__":
    sys.exit(main())
