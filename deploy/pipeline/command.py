"""What the commands of all steps share: exit codes and error messages."""

from __future__ import annotations

import sys
from collections.abc import Callable

from model_etl.errors import ModelEtlError


def print_result(text: str) -> None:
    """Print what a step did, for its log."""
    print(text, flush=True)  # noqa: T201


def run(step: Callable[[], None]) -> None:
    """Run a step; an error ends the process with its exit code, a bug with 1 and a traceback."""
    try:
        step()
    except ModelEtlError as exc:
        print(f"pipeline: error: {exc}", file=sys.stderr)  # noqa: T201
        sys.exit(exc.exit_code)
