"""The scoring graph: a chain, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import model_etl.compat  # noqa: F401  before anything of bonobo

import bonobo


def get_graph(
    *,
    reader: Any,
    model: Any,
    writer: Any,
    rules: Sequence[Any] = (),
    log_writer: Any = None,
    rejects_writer: Any = None,
) -> bonobo.Graph:
    """Chain the steps of a scoring run.

    Args:
        reader: yields batches (or, as Bonobo's own readers do, records).
        model: an `MLModelTransformer`.
        writer: writes the predictions.
        rules: `BusinessRuleTransformer`s; those for "before_model" go before the model.
        log_writer: writes the prediction log, or None for none.
        rejects_writer: writes the records that failed; leave it out only with a reader of single records.

    Returns:
        The graph; file systems are injected when it is run.
    """
    before = [rule for rule in rules if rule.before_model]
    after = [rule for rule in rules if not rule.before_model]
    writers = [node for node in (log_writer, rejects_writer, writer) if node is not None]
    graph = bonobo.Graph()
    graph.add_chain(reader, *before, model, *after, *writers)
    return graph
