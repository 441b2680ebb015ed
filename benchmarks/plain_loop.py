"""Our own steps in a plain loop, `loop.py`, against the graph: five million records, whole processes.

Exits with 1 if the loop without a log takes less than 0.95 times as long as the graph.
"""

from __future__ import annotations

import filecmp
import sys
from functools import partial
from pathlib import Path
from statistics import median

import common
from common import Run
from results import Results

CLAIM = 0.95
COUNT = 5_000_000
MODELS = {"logistic regression": common.LOGISTIC_REGRESSION, "SVC": common.SVC}


def command(model: str, source: Path, work_folder: Path, *, log: bool) -> list[str | Path]:
    """Return the loop's command."""
    files = [source, work_folder / "output.json", *([work_folder / "log.ldjson"] if log else [])]
    return [sys.executable, common.HERE / "loop.py", model, *files]


def looped(model: str, source: Path, *, log: bool) -> Run:
    """Score a file in a loop."""
    with common.folder() as work_folder:
        return common.timed(command(model, source, work_folder, log=log))


def same(model: str) -> bool:
    """Return whether both write the same."""
    source = common.records(10_000)
    with common.folder() as work_folder:
        common.timed(command(model, source, work_folder, log=False))
        ours = work_folder / "ours.json"
        common.timed([common.MODEL_ETL, "run", "-i", source, "-o", ours, "-m", model, *common.NO_LOG])
        return filecmp.cmp(work_folder / "output.json", ours, shallow=False)


def main() -> int:
    """Run the benchmark."""
    parser = common.options(__doc__, rounds=3)
    parser.add_argument("--records", type=int, default=COUNT, help="how many (%(default)s)")
    options = common.parsed(parser)
    results = Results("plain_loop", options)
    count = common.scaled(options.records, options)
    source = common.records(count)
    common.trained()
    kinds = {
        f"{name}, {'with the log' if log else 'no log'}": (model, log)
        for log in (False, True)
        for name, model in MODELS.items()
        if not log or model == common.LOGISTIC_REGRESSION
    }
    ways = {}
    for workload, (model, log) in kinds.items():
        ways[f"{workload}: the graph"] = partial(common.score, source, *(() if log else common.NO_LOG), model=model)
        ways[f"{workload}: the loop"] = partial(looped, model, source, log=log)
    runs = common.in_turn(ways, options.rounds)
    rows, ratios = [], {}
    for workload in kinds:
        graph, loop = runs[f"{workload}: the graph"], runs[f"{workload}: the loop"]
        ratios[workload] = common.ratios([run.seconds for run in loop], [run.seconds for run in graph])
        times = [common.spread([run.seconds for run in timings]) for timings in (graph, loop)]
        mib = [f"{median(run.mib for run in timings):.0f}" for timings in (graph, loop)]
        rows.append([workload, *times, common.spread(ratios[workload]), *mib])
    results.say(f"{count:,} records, whole processes, medians of {options.rounds} rounds; ratio: loop / graph.")
    results.table(["", "the graph, s", "the loop, s", "ratio", "the graph, MiB", "the loop, MiB"], rows)
    first = next(iter(kinds))
    text = f"our own steps in a plain loop take at least {CLAIM} times as long as the graph, {count:,} records, {first}"
    results.claim(text, common.spread(ratios[first]), held=median(ratios[first]) >= CLAIM)
    equal = all(map(same, MODELS.values()))
    results.claim("loop and graph write the same", "they do" if equal else "they do not", held=equal)
    return results.end()


if __name__ == "__main__":
    sys.exit(main())
