"""Business rules: what may be predicted, what may be used, kept apart from the model.

A rule is a class with a `decide` method, named on the command line as `package.module:ClassName`:

    from model_etl.rules import ALLOW, BusinessRule, Decision, withhold

    class NotInQuebec(BusinessRule):
        when = "before_model"

        def decide(self, record, prediction):
            return withhold("no automated decisions in QC") if record.get("province") == "QC" else ALLOW
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from model_etl.records.batch import Decision

__all__ = ["ALLOW", "BusinessRule", "Decision", "Prediction", "allow", "replace", "withhold"]

ALLOW = Decision("allow")
"""The record goes on as it is."""


def allow(*messages: str) -> Decision:
    """Let the record go on, with messages for the log."""
    return Decision("allow", messages)


def withhold(*messages: str) -> Decision:
    """Keep the record from going on; it is logged and counted as withheld, never published."""
    return Decision("withhold", messages)


def replace(output: Mapping[str, Any], *messages: str) -> Decision:
    """Publish another output instead of the model's; it must fit the model's output schema. Only after the model."""
    return Decision("replace", messages, output)


@dataclass(frozen=True)
class Prediction:
    """What the model said, for rules that run after it.

    Attributes:
        output: the prediction as plain JSON values (of an earlier rule, if it replaced the model's).
        model_name: the model's qualified name.
        model_version: the model's version.
    """

    output: Mapping[str, Any]
    model_name: str
    model_version: str


class BusinessRule:
    """Base of business rules; any class with the same attributes will do.

    Attributes:
        when: "before_model": the model never sees a record that the rule withholds; or "after_model".
    """

    when: Literal["before_model", "after_model"] = "after_model"

    def decide(self, record: Mapping[str, Any], prediction: Prediction | None) -> Decision:
        """Decide on one record.

        Args:
            record: the whole original record as plain JSON values, also fields that the model does not know.
            prediction: what the model said, or None before the model.

        Returns:
            `ALLOW`, `allow(...)`, `withhold(...)` or `replace(...)`. What it raises rejects the record.
        """
        raise NotImplementedError
