"""The public API in use: `python examples/python_api/score_in_python.py data/input.json predictions.json`.

It scores a file with the iris model and a business rule, then predicts a record by itself, then runs a Bonobo graph.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import model_etl.compat  # noqa: F401  Bonobo cannot be imported on today's Python without it

import bonobo

from model_etl import (
    ALLOW,
    BusinessRule,
    Decision,
    JobConfig,
    MLModelTransformer,
    ModelEtlError,
    Prediction,
    ReliableStrategy,
    Report,
    run_job,
    withhold,
)

MAX_PETAL_LENGTH_CM = 5


class ShortPetalsOnly(BusinessRule):
    """Withhold flowers with long petals."""

    when = "before_model"

    def decide(self, record: Mapping[str, Any], prediction: Prediction | None) -> Decision:  # noqa: ARG002  there is none
        """Decide on one record before it is predicted."""
        if record.get("petal_length", 0) > MAX_PETAL_LENGTH_CM:
            return withhold(f"petals are longer than {MAX_PETAL_LENGTH_CM} cm")
        return ALLOW


def score_file(input_file: str, output_file: str) -> Report:
    """Score a file as the command line does, with locks, checks and evidence; return the run report."""
    config = JobConfig.from_options(
        input_file=input_file,
        output_file=output_file,
        model="iris_model.iris_predict:IrisModel",
        rules=("score_in_python:ShortPetalsOnly",),
        max_errors="1%",
    )
    report, failure = run_job(config)
    if failure is not None:
        raise failure
    return report


def predict_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Predict one record."""
    transformer = MLModelTransformer(module_name="iris_model.iris_predict", class_name="IrisModel")
    return next(transformer(data=record))


def predict_in_graph(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Predict records in a Bonobo graph; if a node fails, its exception is raised here."""
    predictions: list[dict[str, Any]] = []

    def read() -> Iterator[Mapping[str, Any]]:
        yield from records

    graph = bonobo.Graph()
    graph.add_chain(read, MLModelTransformer("iris_model.iris_predict", "IrisModel"), predictions.append)
    bonobo.run(graph, strategy=ReliableStrategy())
    return predictions


def main(input_file: str, output_file: str) -> int:
    """Run the three examples."""
    flower = {"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}
    try:
        report = score_file(input_file, output_file)
    except ModelEtlError as exc:
        sys.stderr.write(f"{exc.message}\n{exc.remedy}\n")
        return exc.exit_code
    sys.stdout.write(f"{report.counts.summary(report.status)}\n")
    sys.stdout.write(f"one record: {predict_record(flower)}\n")
    sys.stdout.write(f"a graph: {predict_in_graph([flower, flower])}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
