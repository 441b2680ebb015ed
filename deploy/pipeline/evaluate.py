"""Tests the model of this run with records that it was not trained with; exits with 65 if too few are right."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from iris_model.schemas import IrisModelInput

from model_etl.errors import DataError, ModelUnavailable
from pipeline.command import print_result, run
from pipeline.files import EVALUATION, MODEL, TEST, TESTED_MODEL, locate_below_root, locate_in_run, read, write
from pipeline.model import TrainedIrisModel


def step() -> None:
    """Run the step that the module describes."""
    parser = argparse.ArgumentParser(prog="pipeline.evaluate", description=__doc__)
    parser.add_argument("--threshold", type=parse_share, required=True, help="share of the records that must be right")
    parser.add_argument("--version_to", type=Path, required=True, help="local file for the version of what was tested")
    options = parser.parse_args()
    source = locate_in_run(TEST)
    records = [json.loads(line) for line in read(source).splitlines()]
    if not records:
        raise DataError(f"there are no records in {source.display_name}", "Add labelled records.")
    try:
        model = TrainedIrisModel()
    except ValueError as exc:
        raise ModelUnavailable(str(exc), "Run the step before this one again.") from exc
    outputs = model.predict_batch([IrisModelInput.model_validate(record) for record in records])
    right = sum(output["species"] == record["species"] for output, record in zip(outputs, records, strict=True))
    accuracy = right / len(records)
    facts = {"model_version": model.version, "records": len(records), "right": right, "accuracy": accuracy}
    # Written in any case: it shows why nothing was published.
    write(locate_in_run(EVALUATION), json.dumps({**facts, "threshold": options.threshold}, indent=1).encode())
    result = (
        f"version {model.version} of the model gets {right} of {len(records)} records of {source.display_name} right"
    )
    if accuracy < options.threshold:
        raise DataError(
            f"{result}: {accuracy:.3f} is under the threshold, {options.threshold}; nothing is scored or published",
            "Look at the labelled records that are new, or lower the workflow's parameter threshold.",
        )
    write(locate_below_root(TESTED_MODEL), read(locate_in_run(MODEL)))  # for workers that do not know of this run
    print_result(result)
    options.version_to.write_text(model.version, encoding="utf-8")


def parse_share(text: str) -> float:
    """Read a number from 0 to 1.

    Raises:
        ValueError: if the text is not such a number.
    """
    number = float(text)
    if not 0 <= number <= 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    run(step)
