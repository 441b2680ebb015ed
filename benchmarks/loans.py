"""A scikit-learn pipeline over a data frame, CSV to CSV: model_etl against scripts of pandas and of pyarrow.

The runs of a round follow each other, and each ratio is that of one round. Exits with 1 if a claim is missed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import common
from results import Results

COUNTS = (300_000, 1_000_000)
MOST_MIB = 400
OURS, OURS_LOG, PANDAS, CHUNKS = "model_etl", "model_etl, log", "pandas", "pyarrow in chunks"
CLAIMS = {
    (1_000_000, OURS, PANDAS): 1.2,
    (1_000_000, OURS_LOG, PANDAS): 1.0,
    (300_000, OURS, PANDAS): 0.9,
    (300_000, OURS_LOG, PANDAS): 0.75,
    (1_000_000, OURS, CHUNKS): 0.9,
}
"""How many times as long as model_etl a script takes at least."""


def source(count: int) -> Path:
    """Return a file of loans; it is made on first use."""
    path = common.DATA / f"loans-{count}.csv"
    if not path.exists():
        from loan_models import loans  # noqa: PLC0415  it imports scikit-learn

        print(f"making {path.relative_to(common.ROOT)} ...", file=sys.stderr)
        loans(count, seed=2)[0].to_csv(path.with_suffix(".part"), index=False)
        path.with_suffix(".part").replace(path)
    return path


def script(kind: str, path: Path) -> common.Run:
    """Run one of the scripts."""
    with common.folder() as place:
        return common.timed([sys.executable, common.HERE / "peers" / "loans_script.py", kind, path, place / "out.csv"])


def scored(path: Path, *options: str) -> common.Run:
    """Run model_etl."""
    with common.folder() as place:
        names = ("-m", "loan_models:LoanModel", "--keep", "loan_id", "-i", path, "-o", place / "out.csv")
        return common.timed([common.MODEL_ETL, "run", *names, *options])


def ways(path: Path) -> dict[str, Callable[[], common.Run]]:
    """Return what is run in each round."""
    return {
        OURS: partial(scored, path, *common.NO_LOG),
        OURS_LOG: partial(scored, path),
        PANDAS: partial(script, "pandas", path),
        CHUNKS: partial(script, "chunks", path),
    }


def main() -> int:
    """Run the benchmark."""
    options = common.parsed(common.options(__doc__, rounds=5))
    results = Results("loans", options)
    common.timed([sys.executable, common.HERE / "loan_models.py"])
    results.say(f"12 columns of loans, a pipeline with a logistic regression, medians of {options.rounds} rounds.")
    for count in COUNTS:
        size = common.scaled(count, options)
        runs = common.in_turn(ways(source(size)), options.rounds)
        rows = []
        for name, some in runs.items():
            figures = [common.spread([run.seconds for run in some]), common.spread([run.cpu for run in some])]
            rows.append([name, *figures, common.spread([run.mib for run in some], 0)])
        results.table([f"{size:,} records", "seconds", "processor", "MiB"], rows)
        seconds = {name: [run.seconds for run in some] for name, some in runs.items()}
        for (number, ours, peer), times in CLAIMS.items():
            if number == count:
                found = common.ratios(seconds[peer], seconds[ours])
                text = f"{peer} takes at least {times:g} times as long as {ours}, {size:,} loans"
                results.claim(text, common.spread(found), held=median(found) >= times)
        most = max(run.mib for name in (OURS, OURS_LOG) for run in runs[name])
        results.claim(f"at most {MOST_MIB} MiB, {size:,} loans", f"{most:.0f}", held=most <= MOST_MIB)
    return results.end()


if __name__ == "__main__":
    sys.exit(main())
