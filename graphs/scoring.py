"""The scoring graph: a chain of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import model_etl.compat  # noqa: F401  before anything of bonobo

import bonobo


class RuleNode(Protocol):
    """A node that applies a business rule.

    Attributes:
        before_model: whether the rule is asked before the model.
    """

    before_model: bool


def get_graph(
    *,
    reader: object,
    model: object,
    writer: object,
    rules: Sequence[RuleNode] = (),
    log_writer: object | None = None,
    rejects_writer: object | None = None,
) -> bonobo.Graph:
    """Build the graph of a scoring run: a chain of nodes, which are whatever Bonobo takes as such.

    Args:
        reader: reads batches, or single records as Bonobo's own readers do.
        model: an `MLModelTransformer`.
        writer: writes the predictions.
        rules: `BusinessRuleTransformer`s; those with `before_model` go before the model.
        log_writer: writes the prediction log, or None for no log.
        rejects_writer: writes the rejects; leave it out only with a reader of single records.

    Returns:
        The graph; the file systems are injected when it is run.
    """
    before = [rule for rule in rules if rule.before_model]
    after = [rule for rule in rules if not rule.before_model]
    writers = [node for node in (log_writer, rejects_writer, writer) if node is not None]
    graph = bonobo.Graph()
    graph.add_chain(reader, *before, model, *after, *writers)
    return graph
