"""What every engine does with a batch: score it by the steps of model_etl, and part what came of it.

An engine reads batches, calls a `Scorer` on each, and routes the four results. It knows nothing else of scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from model_etl.evidence.prediction_log import PredictionLog
from model_etl.evidence.run_report import about_model, about_software
from model_etl.formats import rejects
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Batch
from model_etl.scoring.model import ModelFacts
from model_etl.scoring.scorer import ScoringSteps
from model_etl.settings.job_config import ScoringSettings


@dataclass(frozen=True)
class ScorerSettings(ScoringSettings):
    """The scoring settings of an engine's workers.

    Attributes:
        log: whether there is a prediction log.
    """

    log: bool = True

    def scorer(self) -> Scorer:
        """Load the model and the rules; see `Scorer`."""
        return Scorer(self)


class Scored(NamedTuple):
    """A batch that was scored, and its results, encoded.

    Attributes:
        batch: the records that have a prediction to publish; with it those that were rejected and withheld.
        predictions: the published records, each as a line of JSON without its end; aligned with the batch.
        events: the prediction log's events of all records, as lines with their ends; empty without a log.
        rejects: the lines of the rejects file.
        withheld: how many records a rule held back; the log tells which, and why.
    """

    batch: Batch
    predictions: Sequence[bytes]
    events: bytes
    rejects: bytes
    withheld: int

    @property
    def counts(self) -> dict[str, int]:
        """How many records of the batch had which outcome, as a report counts them."""
        return {"written": len(self.batch), "rejected": len(self.batch.rejected), "withheld": self.withheld}


class Scorer:
    """Scores batches; a worker makes one, which holds the model, and never sends it anywhere.

    Args:
        settings: what to load.

    Attributes:
        facts: what is known of the model; `facts.inputs` is what a format's `read` wants.
        layout: what a published record holds; what a format's `writer` wants.

    Raises:
        ModelUnavailable, ConfigurationError, UsageError: if the model or a rule cannot be loaded.
    """

    def __init__(self, settings: ScorerSettings) -> None:
        self._steps = ScoringSteps(
            settings.model, settings.rules, internals=settings.log, expect_version=settings.expect_version
        )
        self._settings = settings
        self.facts: ModelFacts = self._steps.facts
        self.layout = Layout(self.facts.outputs, self.facts.inputs, settings.join, settings.keep)
        self._log = PredictionLog(
            settings.job, self.facts.name, self.facts.version, settings.log_inputs, frozenset(settings.redact)
        )

    def __call__(self, batch: Batch) -> Scored:
        """Score a batch as a format's `read` gives it.

        Raises:
            ConfigurationError: if a rule fails, or a record and its prediction cannot be joined.
        """
        scored = self._steps(batch)
        return Scored(
            scored,
            self.layout.documents(scored),
            self._log.encode(scored) if self._settings.log else b"",
            rejects.encode(scored.rejected),
            len(scored.withheld),
        )

    def started(self, run_id: str, settings: dict[str, Any]) -> bytes:
        """Give the log's first event: which model, packages and settings.

        Args:
            run_id: of this run.
            settings: those of the run, without secrets.
        """
        about = {"job": self._settings.job, "model": about_model(self.facts), "software": about_software()}
        return self._log.started(run_id, {**about, "settings": settings})
