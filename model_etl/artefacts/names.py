"""The names of artefacts: `onnx:churn.onnx`, `churn.onnx`, `mlflow:models/churn`, `sklearn:s3://bucket/churn.skops`."""

from __future__ import annotations

from typing import NamedTuple

PICKLES = (".joblib", ".pkl", ".pickle")
"""Suffixes of files whose loading runs the code that they name."""
SUFFIXES: dict[str, tuple[str, ...]] = {
    "onnx": (".onnx",),
    "sklearn": (".skops", *PICKLES),
    "xgboost": (".ubj",),
    "lightgbm": (),
    "mlflow": (),
}
"""The kinds of artefacts, by the scheme of their names, with the suffixes that need no scheme."""
_URI_SCHEMES = ("s3://", "file://")


class ArtefactName(NamedTuple):
    """The name of an artefact.

    Attributes:
        scheme: a key of `SUFFIXES`.
        location: a path or a URI.
    """

    scheme: str
    location: str

    @property
    def is_remote(self) -> bool:
        """Whether the artefact has to be fetched before it can be loaded."""
        return "://" in self.location and not self.location.startswith("file://")


def artefact_name(reference: str) -> ArtefactName | None:
    """Return the name of the artefact that a reference stands for, or None if it names a class.

    Args:
        reference: what `--model` names.
    """
    scheme, colon, location = reference.partition(":")
    if colon and scheme in SUFFIXES:
        return ArtefactName(scheme, location)
    path = reference
    for prefix in _URI_SCHEMES:
        path = path.removeprefix(prefix)
    if ":" in path:
        return None
    for scheme, suffixes in SUFFIXES.items():
        if path.lower().endswith(suffixes):
            return ArtefactName(scheme, reference)
    return None
