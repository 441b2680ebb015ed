"""The description of a model that is installed in another environment."""

from __future__ import annotations

from functools import partial
from typing import Any

from model_etl.scoring.scorer import ScoringSteps
from model_etl.scoring.worker_pool import WorkerPool


def describe_elsewhere(python: str, model: str, expect_version: str | None) -> Any:
    """Return what `model-etl describe` prints of a model in another environment.

    Args:
        python: the interpreter of the environment.
        model: `package.module:ClassName`.
        expect_version: the only version of the model to accept, or None for any.

    Raises:
        ConfigurationError: if the interpreter cannot serve.
        ModelUnavailable: if the model cannot be loaded or has another version.
        UsageError: if the name is malformed.
    """
    pool = WorkerPool(1, partial(ScoringSteps, model, expect_version=expect_version), python=python)
    try:
        pool.facts()
        return pool.ask("describe")
    finally:
        pool.end()
