"""How long small things take: the help, scoring 15 records, and what a run adds to the model itself.

Exits with 1 if the help takes 0.3 s or more, or a run adds 0.3 s or more to its model.
"""

from __future__ import annotations

import sys
from functools import partial
from statistics import median

import common
from results import Results

CLAIM = 0.3
PREDICT_ONCE = """
from iris_model.iris_predict import IrisModel
model = IrisModel()
model.predict(model.input_schema(sepal_length=4.4, sepal_width=2.9, petal_length=1.4, petal_width=0.2))
"""


def small_run() -> common.Run:
    """Score the 15 records as `make run` does, but into another folder."""
    with common.folder() as work_folder:
        script = common.ROOT / "model_etl" / "etl_job.py"
        files = ["--input_file", common.ROOT / "data" / "input.json", "--output_file", work_folder / "output.json"]
        return common.timed([sys.executable, script, *files])


def main() -> int:
    """Run the benchmark."""
    options = common.parsed(common.options(__doc__, rounds=15))
    results = Results("startup", options)
    bare, helped = "python -c pass", "model-etl --help"
    model, run = "import the model, predict once", "score 15 records"
    runs = common.in_turn(
        {
            bare: partial(common.timed, [sys.executable, "-c", "pass"]),
            helped: partial(common.timed, [common.MODEL_ETL, "--help"]),
            model: partial(common.timed, [sys.executable, "-c", PREDICT_ONCE]),
            run: small_run,
        },
        options.rounds,
    )
    results.say(f"Start-up, medians of {options.rounds} rounds.")
    rows = [
        [name, common.spread([r.seconds for r in timings]), f"{median(r.mib for r in timings):.0f}"]
        for name, timings in runs.items()
    ]
    results.table(["command", "seconds", "MiB"], rows)
    added = [a.seconds - b.seconds for a, b in zip(runs[run], runs[model], strict=True)]
    took = common.seconds(runs[helped])
    results.claim(f"the help in less than {CLAIM} s", f"{took:.2f} s", held=took < CLAIM)
    text = f"a run adds less than {CLAIM} s to importing its model and predicting once"
    results.claim(text, f"{common.spread(added)} s", held=median(added) < CLAIM)
    return results.end()


if __name__ == "__main__":
    sys.exit(main())
