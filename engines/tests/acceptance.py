"""The acceptance test of every engine: its results are those of the single-machine run of the same input."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SUPPORT = Path(__file__).resolve().parent / "support"
MODEL = "acceptance_model:MoodyIris"
RULES = ("acceptance_model:NotInQuebec", "acceptance_model:NoGiants")
SCORING = ["--model", MODEL, "--rules", RULES[0], "--rules", RULES[1], "--join", "--job", "acceptance"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{SUPPORT}"}
RECORDS = 100_000


def write_input(path: Path, records: int = RECORDS) -> None:
    """Write JSON Lines with every outcome: invalid JSON, schema errors, failures, withheld records and duplicates."""
    draw = random.Random(5)
    lines: list[bytes] = []
    for number in range(records):
        record: dict[str, object] = {
            "id": number,
            "sepal_length": round(draw.uniform(4.3, 7.9), 2),
            "sepal_width": round(draw.uniform(2.0, 4.4), 2),
            "petal_length": round(draw.uniform(1.0, 6.6), 2),
            "petal_width": round(draw.uniform(0.1, 2.5), 2),
        }
        if number % 20 == 3:
            record = json.loads(lines[number - 2]) if number % 40 == 3 else {**record, "id": number - 1}
        if number % 500 == 10:
            record["province"] = "QC"
        if number % 1000 == 20:
            record["petal_length"] = 6.66
        if number % 1000 == 30:
            record["petal_width"] = "wide"
        if number % 2000 == 40:
            del record["sepal_width"]
        line = json.dumps(record, ensure_ascii=False).encode()
        if number % 1000 == 50:
            line = line[: draw.randrange(5, 40)]  # cut off
        if number % 5000 == 60:
            line = b'{"name": "caf\xe9", ' + line[1:]  # Latin-1
        if number % 5000 == 70:
            line = b"[1, 2]"
        lines.append(line)
    blank = records // 2
    path.write_bytes(b"\n".join([*lines[:blank], b"", b"  ", *lines[blank:]]) + b"\n")


@dataclass(frozen=True)
class Results:
    """The results of a run as multisets, because an engine keeps no order.

    Attributes:
        predictions: the published records.
        events: the events of the prediction log, without their times.
        rejects: the lines of the rejects file.
    """

    predictions: Counter[bytes]
    events: Counter[str]
    rejects: Counter[str]

    @classmethod
    def of(cls, predictions: Iterable[bytes], events: Iterable[bytes], rejects: Iterable[bytes]) -> Results:
        """Build results from lines; the first event of the log and the times of the others differ in every run."""
        return cls(
            Counter(line.rstrip(b"\n") for line in predictions),
            Counter(filter(None, map(_event, events))),
            Counter(json.dumps(json.loads(line), sort_keys=True) for line in rejects),
        )

    def outcomes(self) -> dict[str, int]:
        """Return the number of events by outcome."""
        types = Counter(json.loads(event)["type"].rpartition(".")[2] for event in self.events.elements())
        return dict(types)


def _event(line: bytes) -> str | None:
    event = json.loads(line)
    if event["type"] == "model_etl.run.started":
        return None
    assert event.pop("time").endswith("Z")
    return json.dumps(event, sort_keys=True)


def lines_of(paths: Iterable[Path]) -> list[bytes]:
    """Return the lines of files, with their line ends."""
    return [line for path in paths for line in path.read_bytes().splitlines(keepends=True)]


def single_machine(input_file: str, folder: Path, **environment: str) -> Results:
    """Score an input with `model-etl run`, by the Python that the variable MODEL_ETL_PYTHON names."""
    output = folder / "single.json"
    run_on_one_machine("-i", input_file, "-o", output, "--max_errors", "10%", *SCORING, **environment)
    return Results.of(
        lines_of([output]), lines_of([folder / "single.log.ldjson"]), lines_of([folder / "single.rejects.ldjson"])
    )


def run_on_one_machine(*arguments: object, **environment: str) -> None:
    """Run `model-etl run`, by the Python that the variable MODEL_ETL_PYTHON names."""
    python = os.environ.get("MODEL_ETL_PYTHON", sys.executable)
    command = [python, "-m", "model_etl", "run", *map(str, arguments)]
    done = subprocess.run(command, env={**ENVIRONMENT, **environment}, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
