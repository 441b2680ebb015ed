"""The steps between reading and writing as one callable: for worker processes, and for engines other than Bonobo."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from model_etl.model import load_model
from model_etl.model_node import MLModelTransformer
from model_etl.records import Batch
from model_etl.rules import load_rule


def scoring_steps(model: str, rules: Sequence[str] = (), *, internals: bool = False) -> Callable[[Batch], Batch]:
    """Load a model and its rules, and give what scores a batch as it was read.

    Args:
        model: `package.module:ClassName`.
        rules: the business rules, in the same form.
        internals: whether to ask the model for what it computed on the way.

    Returns:
        A callable: decode, rules before the model, predict, rules after it. Its result holds no inputs any more.

    Raises:
        ModelUnavailable, ConfigurationError, UsageError: if one cannot be loaded.
    """
    loaded = load_model(model)
    transformer = MLModelTransformer(model=loaded, internals=internals)
    asked = [load_rule(rule, loaded) for rule in rules]
    before = [rule.apply for rule in asked if rule.before_model]
    after = [rule.apply for rule in asked if not rule.before_model]
    steps = [loaded.input.decode_batch, *before, transformer.predict, *after]

    def score(batch: Batch) -> Batch:
        for step in steps:
            batch = step(batch)
        return batch.replace(inputs=())

    return score
