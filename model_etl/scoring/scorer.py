"""The steps between reading and writing as one callable: for worker processes, and for engines other than Bonobo."""

from __future__ import annotations

from collections.abc import Sequence

from model_etl.records.batch import Batch
from model_etl.scoring.model_loading import load_model
from model_etl.scoring.model_step import MLModelTransformer
from model_etl.scoring.rule_step import load_rule


class ScoringSteps:
    """Decodes a batch, applies the rules before the model, predicts, and applies the rules after the model.

    Args:
        model: `package.module:ClassName`.
        rules: the business rules, named in the same way.
        internals: whether to ask the model for its internals too.
        expect_version: the only version of the model to accept, or None for any.

    Attributes:
        facts: what a run must know of the model.
        decode: the first step.
        transformer: the step that runs the model.
        rules: the steps that apply the rules.

    Raises:
        ModelUnavailable: if the model cannot be loaded or has another version.
        ConfigurationError: if a rule cannot be loaded.
        UsageError: if a name is malformed.
    """

    def __init__(
        self, model: str, rules: Sequence[str] = (), *, internals: bool = False, expect_version: str | None = None
    ) -> None:
        loaded = load_model(model, expect_version=expect_version)
        self.facts = loaded.facts()
        self.decode = loaded.input.decode_batch
        self.transformer = MLModelTransformer(model=loaded, internals=internals)
        self.rules = [load_rule(rule, loaded) for rule in rules]

    def __call__(self, batch: Batch) -> Batch:
        """Score a batch as a reader yields it; the decoded inputs are dropped from the result."""
        batch = self.decode(batch)
        for rule in self.rules:
            batch = rule.apply(batch) if rule.before_model else batch
        batch = self.transformer.predict(batch)
        for rule in self.rules:
            batch = batch if rule.before_model else rule.apply(batch)
        return batch.replace(inputs=())
