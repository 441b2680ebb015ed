"""A model and its rules, in this process or in another environment, for questions about them and for single records."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from model_etl.scoring.model import ModelFacts
from model_etl.scoring.scorer import ScoringSteps


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model with its rules.

    Attributes:
        facts: the facts about the model that a run needs.
        ask: answers questions about the model and the rules; see `ScoringSteps.ask`.
    """

    facts: ModelFacts
    ask: Callable[..., Any]


@contextlib.contextmanager
def loaded_model(
    model: str, rules: Sequence[str] = (), *, expect_version: str | None = None, python: str | None = None
) -> Iterator[LoadedModel]:
    """Load a model and its rules for the time of the block.

    Args:
        model: `package.module:ClassName`.
        rules: the business rules, named in the same way.
        expect_version: the only version of the model to accept, or None for any.
        python: the interpreter of the model's environment, or None for that of this process.

    Raises:
        ModelUnavailable: if the model cannot be loaded or has another version.
        ConfigurationError: if a rule cannot be loaded, or the interpreter cannot serve.
        UsageError: if a name is malformed.
    """
    load_steps = partial(ScoringSteps, model, rules, expect_version=expect_version)
    if python is None:
        steps = load_steps()
        yield LoadedModel(steps.facts, steps.ask)
        return
    from model_etl.scoring.worker_pool import WorkerPool  # noqa: PLC0415  one process needs no multiprocessing

    pool = WorkerPool(1, load_steps, python=python)
    try:
        yield LoadedModel(pool.facts(), pool.ask)
    finally:
        pool.end()
