"""The steps between reading and writing as one callable: for worker processes, and for engines other than Bonobo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from model_etl.artefacts.options import ArtefactOptions
from model_etl.records.batch import Batch
from model_etl.scoring.decorators import Configurations
from model_etl.scoring.faults import run_ending_exceptions
from model_etl.scoring.model_loading import load_model
from model_etl.scoring.model_step import MLModelTransformer
from model_etl.scoring.neighbours import check_neighbours
from model_etl.scoring.rule_step import load_rule
from model_etl.scoring.self_test import SelfTest


class ScoringSteps:
    """Decodes a batch, applies the rules before the model, predicts, and applies the rules after the model.

    Args:
        model: `package.module:ClassName`, or the name of an artefact.
        rules: the business rules, named in the same way.
        internals: whether to ask the model for its internals too.
        expect_version: the only version of the model to accept, or None for any.
        judged: whether a first batch that fails as a whole is a fault of the model or of a rule, and ends the run.
        artefact: what the user says about an artefact.
        decorators: the decorators around the model, with their configurations.
        self_test: known records, which the model must predict as expected.

    Attributes:
        facts: what a run must know of the model.
        transformer: the step that runs the model.
        rules: the steps that apply the rules.

    Raises:
        ModelUnavailable: if the model cannot be loaded, has another version, or does not pass the self-test.
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
        decorators: Configurations | None = None,
        self_test: SelfTest | None = None,
    ) -> None:
        loaded = load_model(model, expect_version=expect_version, artefact=artefact, decorators=decorators)
        if self_test is not None:
            self_test.run(loaded)
        self._model = loaded
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

    def describe(self) -> dict[str, Any]:
        """Return what `model-etl describe` prints."""
        return self._model.describe()

    def describe_rules(self) -> list[str]:
        """Return the name of each rule, and when it is applied."""
        return [f"{rule.name}, {'before' if rule.before_model else 'after'} the model" for rule in self.rules]

    def valid_records(self, batch: Batch) -> int:
        """Return how many records of a batch the input schema accepts."""
        return len(self.decode(batch))

    def compare(self, batch: Batch) -> bool:
        """Check that predictions are the same alone and among others; return whether the model predicts batches at all.

        Args:
            batch: the records, as a reader yields them.

        Raises:
            ModelUnavailable: if predictions depend on other records.
        """
        if not self._model.takes_batches:
            return False
        check_neighbours(self.transformer, batch)
        return True

    def ask(self, question: str, argument: Any = None) -> Any:
        """Return what one of the methods above returns, for a process that has only the name of it.

        Args:
            question: the name of the method.
            argument: its argument, if it has one.
        """
        method: Any = {
            "describe": self.describe,
            "describe_rules": self.describe_rules,
            "compare": self.compare,
            "score": self,
            "valid_records": self.valid_records,
        }[question]
        return method() if argument is None else method(argument)
