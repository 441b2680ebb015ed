"""A warning for graphs that are run by hand with a strategy that loses failures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Protocol

_LOGGER = logging.getLogger("model_etl")


class NodeContext(Protocol):
    """The part of Bonobo's `NodeExecutionContext` that tells how the graph is run."""

    parent: object


def warn_if_failures_are_lost(context: NodeContext) -> None:
    """Log a warning if a graph is run with one of Bonobo's own strategies.

    They log what a node raises and go on, so a run that lost records ends like a success. It is logged, not raised: an
    exception in a node's thread would leave the other nodes waiting for ever.

    Args:
        context: the context of the graph's model node; there is one in each graph, so each run warns once.
    """
    if not getattr(context.parent, "reports_failures", False):
        _LOGGER.warning(
            "this graph is run with one of Bonobo's own strategies, which lose failures and may lose records; "
            "pass strategy=model_etl.ReliableStrategy() to bonobo.run"
        )


def check_strategy(node: object, context: NodeContext) -> Iterator[None]:  # noqa: ARG001  Bonobo passes both
    """Check the strategy when Bonobo starts a node: a context processor, for `__processors__` of a plain callable."""
    warn_if_failures_are_lost(context)
    yield
