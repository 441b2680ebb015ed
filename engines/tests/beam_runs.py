"""The command of the Beam job, its small inputs, and what it wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from acceptance import ENVIRONMENT, ROOT, Results, lines_of

IRIS = ["--model", "iris_model.iris_predict:IrisModel"]
FLOWER = {"sepal_length": 6.3, "sepal_width": 3.3, "petal_length": 6.0, "petal_width": 2.5}
SMALL = ["--max_errors", "10%", "--split_bytes", str(1 << 20)]
TWO = ["--direct_running_mode", "multi_processing", "--direct_num_workers", "2"]
"""Runs in two worker processes."""


def command_of(*arguments: object) -> list[str]:
    """Return the command line."""
    return [sys.executable, "-m", "model_etl.engines.beam", *map(str, arguments)]


def beam(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    environment = {**ENVIRONMENT, **environment}
    command = command_of(*arguments)
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=False, text=True)


def results_in(folder: Path) -> Results:
    """Return the content of all files of a run."""
    return Results.of(
        lines_of(folder.glob("out-*.json")),
        lines_of(folder.glob("out.log-*.ldjson")),
        lines_of(folder.glob("out.rejects-*.ldjson")),
    )


def write_flowers(path: Path, *records: object) -> Path:
    """Write records as JSON Lines."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path
