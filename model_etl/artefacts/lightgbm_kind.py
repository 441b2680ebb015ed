"""Boosters of LightGBM, from files of `save_model`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from model_etl.artefacts.boosters import classes_of, columns_of_booster
from model_etl.artefacts.file import ArtefactFile
from model_etl.artefacts.matrix import numbers
from model_etl.artefacts.options import ArtefactOptions
from model_etl.artefacts.predictor import Predictor, import_library
from model_etl.errors import ModelUnavailable, describe_exception

_UNNAMED = re.compile(r"Column_\d+")
"""The names that LightGBM gives to columns without names."""


def load(artefact: ArtefactFile, _: ArtefactOptions) -> Predictor:
    """Load a booster.

    Raises:
        ModelUnavailable: if it cannot be loaded, or has columns of categories.
    """
    library = import_library("lightgbm", "lightgbm", artefact)
    if not artefact.content.startswith(b"tree"):
        raise artefact.damaged("it does not start with `tree`, as LightGBM's save_model writes")
    if b"\nend of trees" not in artefact.content:  # the library ends the process for some files that are cut off
        raise artefact.damaged("it is not whole: it has no line `end of trees`")
    try:
        text = artefact.content.decode("utf-8")
        booster = library.Booster(model_str=text)
    except Exception as exc:
        raise artefact.damaged(f"LightGBM {library.__version__} cannot read it: {describe_exception(exc)}") from exc
    if booster.pandas_categorical or re.search(r"^cat_boundaries=", text, re.MULTILINE):
        raise ModelUnavailable(
            f"cannot use the model {artefact.reference}: it has columns of categories, which are numbers only beside"
            " its training data",
            "Save the pipeline that makes numbers of them, or write a class around it: docs/extending.md.",
        )
    objective = _header(text, "objective").partition(" ")[0]
    classes: Sequence[int] = range(2) if objective == "binary" else ()
    if objective in ("multiclass", "multiclassova"):
        classes = range(booster.num_model_per_iteration())
    names = booster.feature_name()
    named = not all(map(_UNNAMED.fullmatch, names))
    return Predictor(
        f"lightgbm {library.__version__}",
        columns_of_booster(names if named else None, len(names)),
        named,
        int if classes else float,
        _Calls(booster, classes=bool(classes)),
        classes,
        f"its objective is {objective or 'not known'}",
        frame="pyarrow",
    )


def _header(text: str, name: str) -> str:
    match = re.search(rf"^{name}=(.*)$", text, re.MULTILINE)
    return match[1].strip() if match else ""


class _Calls:
    """Asks a booster for its predictions.

    Args:
        booster: the booster.
        classes: whether it is a classifier.
    """

    def __init__(self, booster: Any, *, classes: bool) -> None:
        self._booster = booster
        self._classes = classes

    def __call__(self, table: Any, _probability: bool) -> tuple[Any, Any]:
        raw = self._booster.predict(numbers(table))
        return classes_of(raw) if self._classes else (raw, None)
