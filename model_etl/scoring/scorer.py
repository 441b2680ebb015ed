"""The steps between reading and writing as one callable: for worker processes, and for engines other than Bonobo."""

from __future__ import annotations

from collections.abc import Sequence

from model_etl.records.batch import Batch
from model_etl.scoring.model import load_model
from model_etl.scoring.model_step import MLModelTransformer
from model_etl.scoring.rule_step import load_rule


class ScoringSteps:
    """Scores a batch as it was read: decodes it, asks the rules before the model, predicts, asks the rules after it.

    Args:
        model: `package.module:ClassName`.
        rules: the business rules, in the same form.
        internals: whether to ask the model for what it computed on the way.
        expect_version: the only version of the model to accept, or None for any.

    Attributes:
        facts: what a run has to know of the model.
        decode: the first step.
        transformer: the step that runs the model.
        rules: the steps that apply the rules.

    Raises:
        ModelUnavailable, ConfigurationError, UsageError: if one cannot be loaded.
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
        """Score a batch; the result holds no inputs any more."""
        batch = self.decode(batch)
        for rule in self.rules:
            batch = rule.apply(batch) if rule.before_model else batch
        batch = self.transformer.predict(batch)
        for rule in self.rules:
            batch = batch if rule.before_model else rule.apply(batch)
        return batch.replace(inputs=())
