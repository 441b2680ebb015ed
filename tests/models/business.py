"""Business rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_etl.rules import ALLOW, BusinessRule, Decision, Prediction, allow, replace, withhold


class NotInQuebec(BusinessRule):
    """The original's case: no predictions in certain jurisdictions."""

    when = "before_model"

    def decide(self, record: Mapping[str, Any], prediction: Prediction | None) -> Decision:
        """Hold back records from QC; the field is none of the model's."""
        assert prediction is None
        return withhold("no automated decisions in QC") if record.get("province") == "QC" else ALLOW


class NoGiants(BusinessRule):
    """Holds back large predictions, and knows whose they are."""

    def decide(self, record: Mapping[str, Any], prediction: Prediction | None) -> Decision:
        """Hold back more than 100."""
        assert prediction is not None
        if prediction.output["y"] > 100:
            return withhold(f"{prediction.output['y']} of {prediction.model_name} {prediction.model_version}")
        return allow("small enough")


class AtLeastTen:
    """Replaces small predictions; a rule needs no base class."""

    when = "after_model"

    def decide(self, record: Mapping[str, Any], prediction: Prediction) -> Decision:
        """Raise to 10."""
        return replace({"y": 10.0}, "raised to the minimum") if prediction.output["y"] < 10 else ALLOW
