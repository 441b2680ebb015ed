"""The kinds of artefacts: how each is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from model_etl.artefacts import lightgbm_kind, mlflow_kind, onnx_kind, sklearn_kind, xgboost_kind
from model_etl.artefacts.columns_and_schema import fields_of_artefact
from model_etl.artefacts.file import ArtefactFile, read_artefact
from model_etl.artefacts.model import ArtefactModel
from model_etl.artefacts.names import ArtefactName
from model_etl.artefacts.options import ArtefactOptions
from model_etl.artefacts.predictor import Predictor
from model_etl.artefacts.schema_file import read_schema_file
from model_etl.errors import ConfigurationError, ModelUnavailable

_Load = Callable[[ArtefactFile, ArtefactOptions], Predictor]


class Loader(NamedTuple):
    """How artefacts of a scheme are loaded.

    Attributes:
        load: loads one; its library is imported by the call.
        folder: whether an artefact is a folder.
    """

    load: _Load
    folder: bool = False


KINDS = {
    "onnx": Loader(onnx_kind.load),
    "sklearn": Loader(sklearn_kind.load),
    "xgboost": Loader(xgboost_kind.load),
    "lightgbm": Loader(lightgbm_kind.load),
    "mlflow": Loader(mlflow_kind.load, folder=True),
}
"""All kinds, by the scheme of their names; `names.SUFFIXES` has the same."""


def load_artefact(reference: str, name: ArtefactName, options: ArtefactOptions) -> ArtefactModel:
    """Load an artefact as a model.

    Args:
        reference: the model as the user named it.
        name: the same, taken apart.
        options: what the user says about it.

    Raises:
        ModelUnavailable: if it cannot be loaded.
        ConfigurationError: if the user does not trust it, or its schema is not known.
    """
    options.check(name, reference)
    loader = KINDS[name.scheme]
    if name.is_remote and options.fetched is None:
        raise ConfigurationError(
            f"{reference} is not on this machine, and nothing here fetches it",
            "Copy the file to each machine that scores, and name its path.",
        )
    if not name.location:
        raise ModelUnavailable(f"{reference} names no file", f"Write it as {name.scheme}:PATH.")
    schema = read_schema_file(options.schema) if options.schema else None
    artefact = read_artefact(reference, options.fetched or name.location, folder=loader.folder)
    predictor = loader.load(artefact, options)
    fields = fields_of_artefact(artefact, predictor, schema)
    closed = schema is not None and schema.closed
    return ArtefactModel(name.scheme, artefact, predictor, fields, options.outputs, closed=closed)
