"""Boosters of XGBoost, from files of `save_model`: UBJSON or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from model_etl.artefacts.boosters import classes_of, columns_of_booster
from model_etl.artefacts.file import ArtefactFile
from model_etl.artefacts.matrix import numbers
from model_etl.artefacts.options import ArtefactOptions
from model_etl.artefacts.predictor import Predictor, import_library
from model_etl.errors import ModelUnavailable, describe_exception

_CLASSES_OF_TWO = ("binary:logistic",)
_CLASSES_OF_MANY = ("multi:softprob", "multi:softmax")


def load(artefact: ArtefactFile, _: ArtefactOptions) -> Predictor:
    """Load a booster.

    Raises:
        ModelUnavailable: if it cannot be loaded, or has columns of categories or several outputs.
    """
    library = import_library("xgboost", "xgboost", artefact)
    if not artefact.content.startswith(b"{"):  # both formats do, and the library crashes on some that do not
        raise artefact.damaged("it is neither UBJSON nor JSON, as XGBoost's save_model writes")
    try:
        booster = library.Booster(model_file=bytearray(artefact.content))
        learner: Mapping[str, Any] = json.loads(booster.save_config())["learner"]
    except Exception as exc:
        raise artefact.damaged(f"XGBoost {library.__version__} cannot read it: {describe_exception(exc)}") from exc
    if "c" in (booster.feature_types or ()):
        raise _unusable(artefact, "it has columns of categories, which are numbers only beside its training data")
    if int(learner["learner_model_param"].get("num_target", 1)) > 1:
        raise _unusable(artefact, "it has several outputs")
    objective = str(learner["objective"]["name"])
    count = int(learner["learner_model_param"]["num_class"])
    classes: Sequence[int] = range(2) if objective in _CLASSES_OF_TWO else ()
    if objective in _CLASSES_OF_MANY:
        classes = range(count)
    names = booster.feature_names
    return Predictor(
        f"xgboost {library.__version__}",
        columns_of_booster(names, booster.num_features()),
        bool(names),
        int if classes else float,
        _Calls(library, booster, classes=bool(classes), softmax=objective == "multi:softmax"),
        () if objective == "multi:softmax" else classes,
        f"its objective is {objective}",
        frame="pyarrow",
    )


def _unusable(artefact: ArtefactFile, cause: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"cannot use the model {artefact.reference}: {cause}", "Write a class around it: docs/extending.md."
    )


class _Calls:
    """Asks a booster for its predictions.

    Args:
        library: the module xgboost.
        booster: the booster.
        classes: whether it is a classifier.
        softmax: whether it answers with classes, and not with probabilities.
    """

    def __init__(self, library: Any, booster: Any, *, classes: bool, softmax: bool) -> None:
        self._library = library
        self._booster = booster
        self._classes = classes
        self._softmax = softmax
        attributes = booster.attributes()
        best = attributes.get("best_iteration")
        # An estimator that stopped early predicts with its best iteration; a booster by itself with all.
        stopped = best is not None and "scikit_learn" in attributes
        self._range = (0, int(best) + 1) if stopped else (0, 0)

    def __call__(self, table: Any, _probability: bool) -> tuple[Any, Any]:
        matrix = self._library.DMatrix(numbers(table), feature_names=self._booster.feature_names)
        raw = self._booster.predict(matrix, iteration_range=self._range)
        if not self._classes:
            return raw, None
        return (raw.astype("int64"), None) if self._softmax else classes_of(raw)
