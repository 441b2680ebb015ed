"""A model and its rules, in this process or in another environment, for questions about them and for single records."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from model_etl.job.fetched_model import fetched_model
from model_etl.scoring.model import ModelFacts
from model_etl.scoring.scorer import ScoringSteps
from model_etl.settings.job_config import ScoringSettings, StorageSettings


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
    settings: ScoringSettings, storage: StorageSettings | None = None, python: str | None = None
) -> Iterator[LoadedModel]:
    """Load a model and its rules for the time of the block.

    Args:
        settings: the model and the rules.
        storage: how to reach the storage of a model that is a file; by default as the environment says.
        python: the interpreter of the model's environment, or None for that of this process.

    Raises:
        ModelUnavailable: if the model cannot be loaded or has another version.
        ConfigurationError: if a rule cannot be loaded, or the interpreter cannot serve.
        UsageError: if a name is malformed.
    """
    with fetched_model(settings.model, storage or StorageSettings()) as fetched:
        load_steps = partial(
            ScoringSteps,
            settings.model,
            settings.rules,
            expect_version=settings.expect_version,
            artefact=dataclasses.replace(settings.artefact, fetched=fetched),
            decorators=settings.configured_decorators,
        )
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
