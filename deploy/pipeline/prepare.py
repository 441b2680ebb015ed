"""Names the records to score, checks them before any costly work, and splits the labelled records in two sets.

The set of a record depends on its text alone: more labelled records do not move the old ones, so that the tests of two
nights can be compared, and equal records are never in both sets.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args
from urllib.parse import unquote_plus

from iris_model.schemas import IrisModelInput, Species
from pydantic import ConfigDict, ValidationError

from model_etl.cli.main import main as run_command_line
from model_etl.errors import DataError, InputMissing, UsageError
from model_etl.publishing.publication import JSON_LINES
from pipeline.command import print_result, run
from pipeline.files import PREDICTIONS, TEST, TRAIN, locate_below_root, locate_in_run, read, read_variable, write

INCOMING = "incoming/"
SHIPPED_MODEL = "iris_model.iris_predict:IrisModel"
"""It has the same input schema as a trained model, and needs no training."""


class Labelled(IrisModelInput):
    """A flower whose species is known."""

    model_config = ConfigDict(extra="forbid")
    species: Species


def step() -> None:
    """Run the step that the module describes."""
    parser = argparse.ArgumentParser(prog="pipeline.prepare", description=__doc__)
    parser.add_argument("--object", default="", help="key below the root, URL-encoded; MODEL_ETL_INPUT_FILE if empty")
    parser.add_argument("--test_percent", type=int, choices=range(1, 100), default=30, metavar="1..99")
    parser.add_argument("--input_to", type=Path, required=True, help="local file for the name of the input to score")
    parser.add_argument("--name_to", type=Path, required=True, help="local file for the name to publish under")
    options = parser.parse_args()
    source, name = name_source(options.object)
    train, test = split_records(read_labelled(), options.test_percent)
    for file, records in ((TRAIN, train), (TEST, test)):
        write(locate_in_run(file), b"".join(json.dumps(record).encode() + b"\n" for record in records), JSON_LINES)
    print_result(f"labelled records: {len(train)} to train with, {len(test)} to test with")
    output = locate_in_run(PREDICTIONS).name
    code = run_command_line(["check", f"--input_file={source}", f"--output_file={output}", f"--model={SHIPPED_MODEL}"])
    if code:
        raise SystemExit(code)
    options.input_to.write_text(source, encoding="utf-8")
    options.name_to.write_text(name, encoding="utf-8")


def name_source(encoded: str) -> tuple[str, str]:
    """Return the name of the input to score, and the name to publish its predictions under.

    Args:
        encoded: the key as in notifications of S3, URL-encoded; empty for the nightly input.

    Raises:
        UsageError: if the object is in another folder: published results would be scored, too, again and again.
    """
    if not encoded:
        return read_variable("MODEL_ETL_INPUT_FILE"), "nightly"
    key = unquote_plus(encoded)
    if not key.startswith(INCOMING) or key.endswith("/") or "{{" in key or "$(" in key:
        raise UsageError(
            f"{key!r} is not to be scored: it is not an object below {INCOMING}, or has {{{{ or $( in its name",
            "Give it another name; and let the EventSource watch nothing else.",
        )
    return locate_below_root(key).name, f"arrivals/{key.removeprefix(INCOMING)}"


def read_labelled() -> Iterator[dict[str, Any]]:
    """Yield the labelled records.

    Raises:
        DataError: if a record is not valid.
        ModelEtlError: if they cannot be read.
    """
    location = locate_below_root("training/iris.csv")
    try:
        text = read(location).decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise DataError(
            f"{location.display_name} is not UTF-8: {exc.reason} at byte {exc.start}", "Save it as UTF-8."
        ) from exc
    except InputMissing as exc:
        exc.remedy = "Put labelled records there: a CSV file with the four measurements and species."
        raise
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in rows:
            yield Labelled.model_validate(row).model_dump()
    except (ValidationError, csv.Error) as exc:
        error = exc.errors()[0] if isinstance(exc, ValidationError) else {"loc": ["row"], "msg": str(exc)}
        raise DataError(
            f"{location.display_name}, line {rows.line_num}: {error['loc'][0]}: {error['msg']}",
            "Each line needs the four measurements in cm, and species.",
        ) from exc


def split_records(
    records: Iterator[Mapping[str, Any]], test_percent: int
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Split records into those to train with and those to test with.

    Raises:
        DataError: if a species is missing in a set: then the test would not mean anything.
    """
    sets: tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]] = ([], [])
    for record in records:
        digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).digest()
        sets[int.from_bytes(digest[:8], "big") % 100 < test_percent].append(record)
    for purpose, chosen in zip(("train", "test"), sets, strict=True):
        missing = set(get_args(Species)) - {record["species"] for record in chosen}
        if missing:
            raise DataError(
                f"none of the {len(chosen)} labelled records to {purpose} with is a {' or a '.join(sorted(missing))}",
                "Add labelled records of it.",
            )
    return sets


if __name__ == "__main__":
    run(step)
