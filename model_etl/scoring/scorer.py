"""The steps between reading and writing as one callable: for worker processes, and for engines other than Bonobo."""

from __future__ import annotations

from collections.abc import Sequence

from model_etl.artefacts.options import ArtefactOptions
from model_etl.records.batch import Batch
from model_etl.scoring.faults import run_ending_exceptions
from model_etl.scoring.model_loading import load_model
from model_etl.scoring.model_step import MLModelTransformer
from model_etl.scoring.rule_step import load_rule


class ScoringSteps:
    """Decodes a batch, applies the rules before the model, predicts, and applies the rules after the model.

    Args:
        model: `package.module:ClassName`, or the name of an artefact.
        rules: the business rules, named in the same way.
        internals: whether to ask the model for its internals too.
        expect_version: the only version of the model to accept, or None for any.
        judged: whether a first batch that fails as a whole is a fault of the model or of a rule, and ends the run.
        artefact: what the user says about an artefact.

    Attributes:
        facts: what a run must know of the model.
        transformer: the step that runs the model.
        rules: the steps that apply the rules.

    Raises:
        ModelUnavailable: if the model cannot be loaded or has another version.
        ConfigurationError: if a rule cannot be loaded.
        UsageError: if a name is malformed.
    """

    def __init__(
        self,
        model: str,
        rules: Sequence[str] = (),
        *,
        internals: bool = False,
        expect_version: str | None = None,
        judged: bool = False,
        artefact: ArtefactOptions | None = None,
    ) -> None:
        loaded = load_model(model, expect_version=expect_version, artefact=artefact)
        self.facts = loaded.facts()
        self._decode_batch = loaded.input.decode_batch
        self.transformer = MLModelTransformer(model=loaded, internals=internals, judged=judged)
        self.rules = [load_rule(rule, loaded, judged=judged) for rule in rules]

    def decode(self, batch: Batch) -> Batch:
        """Decode a batch, and check its records by the input schema of the model.

        Raises:
            ModelUnavailable: if a validator of the schema raises what ends a run.
        """
        with run_ending_exceptions(f"the input schema of {self.facts.reference}", batch):
            return self._decode_batch(batch)

    def __call__(self, batch: Batch) -> Batch:
        """Score a batch as a reader yields it; the decoded inputs are dropped from the result."""
        batch = self.decode(batch)
        for rule in self.rules:
            batch = rule.apply(batch) if rule.before_model else batch
        batch = self.transformer.predict(batch)
        for rule in self.rules:
            batch = batch if rule.before_model else rule.apply(batch)
        return batch.replace(inputs=())
