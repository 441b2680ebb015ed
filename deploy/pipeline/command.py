"""What the commands of all steps share: exit codes, and errors that say what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable

from model_etl.errors import ModelEtlError


def say(text: str) -> None:
    """Tell what was done; a step's log is read only when somebody asks."""
    print(text, flush=True)  # noqa: T201


def run(step: Callable[[], None]) -> None:
    """Run a step and end the process with the exit code of what ended it; a bug ends it with 1 and a traceback."""
    try:
        step()
    except ModelEtlError as exc:
        print(f"pipeline: error: {exc}", file=sys.stderr)  # noqa: T201
        sys.exit(exc.exit_code)
