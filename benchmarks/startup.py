"""How long small things take: the help, scoring 15 records, and what a run adds to the model itself.

Exits with 1 if the help takes 0.3 s or more.
"""

from __future__ import annotations

import sys
from functools import partial
from statistics import median

import common

CLAIM = 0.3
PREDICT_ONCE = """
from iris_model.iris_predict import IrisModel
model = IrisModel()
model.predict(model.input_schema(sepal_length=4.4, sepal_width=2.9, petal_length=1.4, petal_width=0.2))
"""


def small_run() -> common.Run:
    """Score the 15 records as `make run` does, but into another folder."""
    with common.folder() as place:
        script = common.ROOT / "model_etl" / "etl_job.py"
        files = ["--input_file", common.ROOT / "data" / "input.json", "--output_file", place / "output.json"]
        return common.timed([sys.executable, script, *files])


def main() -> int:
    """Run the benchmark."""
    parser = common.options(__doc__, rounds=15)
    rounds = parser.parse_args().rounds
    bare, helped = "python -c pass", "model-etl --help"
    model, run = "import the model, predict once", "score 15 records"
    runs = common.in_turn(
        {
            bare: partial(common.timed, [sys.executable, "-c", "pass"]),
            helped: partial(common.timed, [common.MODEL_ETL, "--help"]),
            model: partial(common.timed, [sys.executable, "-c", PREDICT_ONCE]),
            run: small_run,
        },
        rounds,
    )
    print(f"start-up, medians of {rounds} rounds")
    rows = [
        [name, common.spread([r.seconds for r in some]), f"{median(r.mib for r in some):.0f}"]
        for name, some in runs.items()
    ]
    common.table(["command", "seconds", "MiB"], rows)
    added = [a.seconds - b.seconds for a, b in zip(runs[run], runs[model], strict=True)]
    print(f"a run adds {common.spread(added)} s to its model")
    took = common.seconds(runs[helped])
    return common.claim(f"the help in less than {CLAIM} s: {took:.2f} s", held=took < CLAIM)


if __name__ == "__main__":
    sys.exit(main())
