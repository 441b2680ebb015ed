"""The model and the business rules of the acceptance test: an iris model that can fail, and rules of both kinds."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from iris_model.iris_predict import IrisModel
from iris_model.schemas import IrisModelInput
from ml_base import MLModel
from pydantic import BaseModel

from model_etl.rules import ALLOW, BusinessRule, Decision, Prediction, replace, withhold


class MoodyIris(MLModel):
    """The iris model, except that it fails on petals of exactly 6.66."""

    display_name = "Moody iris"
    qualified_name = "moody_iris"
    description = "Fails on some records that its schema accepts."
    version = "2.1.0"
    input_schema = IrisModelInput
    output_schema: type[BaseModel] = IrisModel().output_schema

    def __init__(self) -> None:
        self._iris = IrisModel()

    def predict(self, data: Any) -> Any:
        """Return the prediction for a record."""
        return self.predict_batch([data])[0]

    def predict_batch(self, records: Sequence[Any]) -> Sequence[Any]:
        """Return the predictions for records, after the delay that ACCEPTANCE_DELAY sets in seconds."""
        if len(records) > 1000:  # a failing batch is called again in ever smaller parts
            time.sleep(float(os.environ.get("ACCEPTANCE_DELAY", "0")))
            Path(os.environ.get("ACCEPTANCE_MARK", os.devnull)).touch()
        if any(record.petal_length == 6.66 for record in records):
            raise ArithmeticError("petals of 6.66 bring bad luck")
        return self._iris.predict_batch(records)


class NotInQuebec(BusinessRule):
    """Withholds records before the model is called."""

    when = "before_model"

    def decide(self, record: Mapping[str, Any], prediction: Prediction | None) -> Decision:
        """Withhold records from QC."""
        return withhold("no automated decisions in QC") if record.get("province") == "QC" else ALLOW


class NoGiants(BusinessRule):
    """Withholds records after the model was called, and replaces some of its predictions."""

    def decide(self, record: Mapping[str, Any], prediction: Prediction | None) -> Decision:
        """Withhold the largest sepals, and replace the prediction for the next largest."""
        if record["sepal_length"] > 7.85:
            return withhold("larger than any that was measured")
        return replace({"species": "virginica"}, "too large for others") if record["sepal_length"] > 7.8 else ALLOW


class Numbered(BaseModel):
    """A prediction with an id."""

    id: int


class Echo(MoodyIris):
    """Predicts a field that the records have, too."""

    output_schema = Numbered

    def predict_batch(self, records: Sequence[Any]) -> Sequence[Any]:
        """Return numbers."""
        return [{"id": number} for number, _ in enumerate(records)]
