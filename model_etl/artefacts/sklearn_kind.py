"""Estimators of scikit-learn, and of libraries that look like it, from files of skops and from pickles."""

from __future__ import annotations

from typing import Any

from model_etl.artefacts.file import ArtefactFile
from model_etl.artefacts.options import ArtefactOptions
from model_etl.artefacts.predictor import Predictor, import_library, plain, type_of_values
from model_etl.artefacts.sklearn_columns import columns_of_estimator
from model_etl.artefacts.sklearn_file import load_estimator
from model_etl.errors import ModelUnavailable


def load(artefact: ArtefactFile, options: ArtefactOptions) -> Predictor:
    """Load an estimator.

    Raises:
        ConfigurationError: if the user does not trust the file.
        ModelUnavailable: if it cannot be loaded, or is not a fitted estimator with one output.
    """
    return predictor_of(load_estimator(artefact, options), artefact)


def predictor_of(estimator: Any, artefact: ArtefactFile) -> Predictor:
    """Return the predictor of a loaded estimator.

    Raises:
        ModelUnavailable: if it is not a fitted estimator with one output.
    """
    if not callable(getattr(estimator, "predict", None)) or isinstance(estimator, type):
        raise _unusable(artefact, f"it holds {type(estimator).__name__}, which has no predict", "a fitted estimator")
    found = columns_of_estimator(estimator)
    if found is None:
        raise _unusable(artefact, f"its {type(estimator).__name__} is not fitted", "the estimator after fit")
    import_library("pandas", "sklearn", artefact)
    sklearn = import_library("sklearn", "sklearn", artefact)
    classes, prediction = _outputs(estimator, artefact)
    has_probability = callable(getattr(estimator, "predict_proba", None)) and bool(classes)
    return Predictor(
        f"scikit-learn {sklearn.__version__}",
        found.columns,
        found.named,
        prediction,
        _Calls(estimator, named=found.named),
        classes if has_probability else (),
        f"{type(estimator).__name__} has no predict_proba",
    )


class _Calls:
    """Asks an estimator for its predictions.

    Args:
        estimator: the estimator.
        named: whether it was trained with a data frame.
    """

    def __init__(self, estimator: Any, *, named: bool) -> None:
        self._estimator = estimator
        self._named = named

    def __call__(self, frame: Any, probability: bool) -> tuple[Any, Any]:
        data = frame if self._named else frame.to_numpy()
        probabilities = self._estimator.predict_proba(data) if probability else None
        predictions = self._estimator.predict(data)
        return predictions.ravel() if getattr(predictions, "ndim", 1) > 1 else predictions, probabilities


def _outputs(estimator: Any, artefact: ArtefactFile) -> tuple[tuple[Any, ...], type]:
    """Return the classes of an estimator, if it is a classifier, and the type of its predictions."""
    from sklearn.base import is_classifier  # noqa: PLC0415

    classes = getattr(estimator, "classes_", None)
    if classes is not None and is_classifier(estimator):
        names = plain(classes)
        prediction = type_of_values(names)
        if prediction is None:
            raise _unusable(artefact, "it has several outputs, or classes of several types", "a model of one output")
        return names, prediction
    role = getattr(estimator, "_estimator_type", None) or _estimator_type(estimator)
    return (), int if role in ("clusterer", "outlier_detector") else float


def _estimator_type(estimator: Any) -> str | None:
    tags = getattr(estimator, "__sklearn_tags__", None)
    return tags().estimator_type if tags else None


def _unusable(artefact: ArtefactFile, cause: str, wanted: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"cannot use the model {artefact.reference}: {cause}",
        f"Save {wanted}, or write a class around it: docs/extending.md.",
    )
