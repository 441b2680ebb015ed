"""What every engine does with a batch: score it by the steps of model_etl, and encode its results.

An engine reads batches, calls a `Scorer` on each, and routes the four results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from model_etl.evidence.prediction_log import PredictionLog
from model_etl.evidence.run_report import describe_run
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
    """A scored batch and its encoded results.

    Attributes:
        batch: the records with a prediction to publish; it has the rejected and the withheld records, too.
        predictions: the output records, each as a line of JSON without its end; aligned with the batch.
        events: the events of all records for the prediction log, as lines; empty without a log.
        rejects: the lines of the rejects file.
        withheld: how many records business rules withheld.
    """

    batch: Batch
    predictions: Sequence[bytes]
    events: bytes
    rejects: bytes
    withheld: int

    @property
    def counts(self) -> dict[str, int]:
        """Number of records of the batch by outcome."""
        return self.batch.outcomes


class Scorer:
    """Scores batches; each worker process builds one, which is never pickled.

    Args:
        settings: the model, the rules, and what the results hold.

    Attributes:
        facts: about the model; `facts.inputs` is an argument of a format's `read`.
        layout: the fields of an output record, an argument of a format's `writer`.

    Raises:
        ModelUnavailable, ConfigurationError, UsageError: if the model or a rule cannot be loaded.
    """

    def __init__(self, settings: ScorerSettings) -> None:
        self._steps = ScoringSteps(
            settings.model,
            settings.rules,
            internals=settings.log,
            expect_version=settings.expect_version,
            artefact=settings.artefact,
            decorators=settings.configured_decorators,
        )
        self._settings = settings
        self.facts: ModelFacts = self._steps.facts
        self.layout = Layout(self.facts.outputs, self.facts.inputs, settings.join, settings.keep, settings.csv_formulas)
        self._log = PredictionLog.for_model(self.facts, settings.job, settings.log_inputs, settings.redact)

    def __call__(self, batch: Batch) -> Scored:
        """Score a batch that a format's `read` yielded.

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
        """Return the first event of the prediction log.

        Args:
            run_id: identifies the run.
            settings: of the run, with secrets masked.
        """
        return self._log.started(run_id, describe_run(self._settings.job, self.facts, settings))
