"""Folders of MLflow: the signature tells the columns, pyfunc predicts in the environment at hand."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from model_etl.artefacts.file import ArtefactFile
from model_etl.artefacts.options import ArtefactOptions
from model_etl.artefacts.predictor import Column, FieldType, Predictor, import_library
from model_etl.artefacts.sklearn_file import require_trusted_digest
from model_etl.errors import ConfigurationError, ModelUnavailable, describe_exception
from model_etl.runtime.environment import install_command

_TYPES: dict[str, FieldType] = {
    "double": "number", "float": "number", "integer": "integer", "long": "integer", "boolean": "boolean",
    "string": "string", "datetime": "datetime-local",
}  # fmt: skip
_PREDICTIONS = {"double": float, "float": float, "integer": int, "long": int, "boolean": bool, "string": str}
_TENSORS = {"str": str, "object": str, "bool": bool}
_LIBRARIES = {
    "sklearn": ("sklearn_version", "scikit-learn"),
    "xgboost": ("xgb_version", "xgboost"),
    "lightgbm": ("lgb_version", "lightgbm"),
    "onnx": ("onnx_version", "onnx"),
}
"""Where a flavour has the version of its library, and the package of that library."""


def load(artefact: ArtefactFile, options: ArtefactOptions) -> Predictor:
    """Load a folder; nothing is installed.

    Raises:
        ConfigurationError: if the user does not trust the folder, whose code runs.
        ModelUnavailable: if it cannot be loaded here, or has no signature of columns.
    """
    if not (artefact.path / "MLmodel").is_file():
        raise artefact.damaged("the folder has no file MLmodel", "Name the folder that mlflow saved the model in.")
    require_trusted_digest(artefact, options)
    mlflow = import_library("mlflow", "mlflow", artefact)
    import_library("pandas", "mlflow", artefact)
    pyfunc = import_library("mlflow.pyfunc", "mlflow", artefact)
    with _loading(artefact):
        model = import_library("mlflow.models", "mlflow", artefact).Model.load(str(artefact.path))
        _refuse_other_versions(artefact, model.flavors)
        columns, prediction = _signature(artefact, model.signature)
        loaded = pyfunc.load_model(str(artefact.path), suppress_warnings=True)
    return Predictor(
        f"mlflow {mlflow.__version__}",
        columns,
        True,
        prediction,
        _Calls(loaded, columns),
        no_probability="pyfunc returns predictions only",
    )


@contextlib.contextmanager
def _loading(artefact: ArtefactFile) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ModelUnavailable, ConfigurationError):
        raise
    except ModuleNotFoundError as exc:
        requirements = artefact.path / "requirements.txt"
        raise artefact.damaged(
            f"it needs the module {exc.name}, which is not installed",
            f"Install it: {install_command('-r', str(requirements))}",
        ) from exc
    except Exception as exc:
        raise artefact.damaged(f"mlflow cannot load it: {describe_exception(exc)}") from exc


def _refuse_other_versions(artefact: ArtefactFile, flavours: Mapping[str, Any]) -> None:
    """Check that the flavour's library is the one that the model was saved with."""
    for flavour, (key, package) in _LIBRARIES.items():
        made = flavours.get(flavour, {}).get(key)
        if made is None:
            continue
        try:
            here = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # loading it says so
        if made != here:
            raise ModelUnavailable(
                f"{artefact.reference} was made with {package} {made}, and {here} is installed here; its predictions"
                " may be wrong",
                f"Install that version: {install_command(f'{package}=={made}')}",
            )
    made = str(flavours.get("python_function", {}).get("python_version", ""))
    here = ".".join(map(str, sys.version_info[:2]))
    if "cloudpickle_version" in str(flavours) and made and made.split(".")[:2] != here.split("."):
        raise ModelUnavailable(
            f"{artefact.reference} was pickled by Python {made}, and this is Python {here}",
            "Run model-etl in an environment of that version.",
        )


def _signature(artefact: ArtefactFile, signature: Any) -> tuple[list[Column], type]:
    if signature is None or signature.inputs is None or signature.inputs.is_tensor_spec():
        raise _unusable(artefact, "it has no signature with columns")
    columns = []
    for column in signature.inputs.to_dict():
        field_type = _TYPES.get(str(column["type"]))
        if field_type is None or not column.get("name"):
            raise _unusable(artefact, f"its signature has {column}, not a column with a name and a simple type")
        columns.append(Column(column["name"], field_type, nullable=not column.get("required", True)))
    return columns, _prediction(artefact, signature.outputs)


def _prediction(artefact: ArtefactFile, outputs: Any) -> type:
    described = outputs.to_dict() if outputs is not None else []
    if len(described) != 1:
        raise _unusable(artefact, f"its signature has {len(described)} outputs, not one")
    declared = described[0]
    if declared["type"] != "tensor":
        found = _PREDICTIONS.get(declared["type"])
    else:
        dtype, shape = declared["tensor-spec"]["dtype"], declared["tensor-spec"]["shape"]
        found = _TENSORS.get(dtype) or (float if "float" in dtype else int if "int" in dtype else None)
        found = None if list(shape) not in ([-1], [-1, 1]) else found
    if found is None:
        raise _unusable(artefact, f"its output is {declared}, not one value for each record")
    return found


def _unusable(artefact: ArtefactFile, cause: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"cannot use the model {artefact.reference}: {cause}",
        "Save it with a signature, infer_signature(inputs, predictions); or write a class around it: docs/extending.md",
    )


class _Calls:
    """Asks a pyfunc for its predictions.

    Args:
        loaded: the pyfunc.
        columns: of its signature.
    """

    def __init__(self, loaded: Any, columns: list[Column]) -> None:
        self._loaded = loaded
        self._types = {
            column["name"]: {"float": "float32", "integer": "int32"}[column["type"]]
            for column in loaded.metadata.signature.inputs.to_dict()
            if column["type"] in ("float", "integer")
        }
        self._required = {column.name for column in columns if not column.nullable}

    def __call__(self, frame: Any, _probability: bool) -> tuple[Any, Any]:
        types = {name: dtype for name, dtype in self._types.items() if name in self._required}
        answer = self._loaded.predict(frame.astype(types) if types else frame)
        if getattr(answer, "ndim", 1) == 2 and answer.shape[1] == 1:  # noqa: PLR2004
            answer = answer.iloc[:, 0] if hasattr(answer, "iloc") else answer[:, 0]
        return answer, None
