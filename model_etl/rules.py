"""Business rules: decisions about records and predictions that are kept apart from the model.

A rule is a class with a `decide` method, named on the command line as `package.module:ClassName`:

    from model_etl.rules import ALLOW, BusinessRule, withhold

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
"""The decision that lets a record go on unchanged."""


def allow(*messages: str) -> Decision:
    """Return the decision that lets a record go on.

    Args:
        messages: reasons, for the prediction log.
    """
    return Decision("allow", messages)


def withhold(*messages: str) -> Decision:
    """Return the decision that withholds a record: it is logged and counted as withheld, and not published.

    Args:
        messages: reasons, for the prediction log.
    """
    return Decision("withhold", messages)


def replace(output: Mapping[str, Any], *messages: str) -> Decision:
    """Return the decision that publishes another output instead of the model's; only for rules after the model.

    Args:
        output: the output to publish. It must fit the model's output schema, or the record is rejected.
        messages: reasons, for the prediction log, which keeps both outputs.
    """
    return Decision("replace", messages, output)


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for one record, as a rule after the model sees it.

    Attributes:
        output: the output as plain JSON values; an earlier rule may have replaced the model's.
        model_name: the model's qualified name.
        model_version: the model's version.
    """

    output: Mapping[str, Any]
    model_name: str
    model_version: str


class BusinessRule:
    """Base class of business rules; any class with the same attributes is accepted.

    Attributes:
        when: "before_model", if the model must not see the records that the rule withholds; or "after_model".
    """

    when: Literal["before_model", "after_model"] = "after_model"

    def decide(self, record: Mapping[str, Any], prediction: Prediction | None) -> Decision:
        """Decide on one record.

        Args:
            record: the whole original record as plain JSON values, with the fields that the model does not know.
            prediction: the model's prediction, or None before the model.

        Returns:
            `ALLOW`, `allow(...)`, `withhold(...)` or `replace(...)`.

        Raises:
            Exception: any exception rejects the record, and no other.
        """
        raise NotImplementedError
