"""Models: loaded by name, and the two generations of the MLModel interface made one.

The interface (package ml_base): `display_name`, `qualified_name`, `description`, `version`, `input_schema` and
`output_schema` (pydantic classes) and `predict(data)`. The older one (module ml_model_abc) has `major_version` and
`minor_version`, `schema.Schema` objects, and dicts in and out. Any class with these attributes is taken.

Optional, and much faster: `predict_batch(records)` takes a sequence of validated records, with the fields of the
input schema as attributes (the older generation: dicts), and returns as many outputs in the same order.
`predict_columns(columns)`, faster still and of the present generation only, takes a mapping of fields to numpy arrays
and returns one of the output's fields to arrays. `predict_batch_with_internals(records)` returns two sequences, the
outputs and what the model computed on the way, for the prediction log.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_etl.errors import ModelUnavailable, UsageError
from model_etl.schema.codecs import InputSchema, OutputSchema, is_pydantic
from model_etl.schema.columns import Table, records_to_arrays
from model_etl.schema.fields import Field

_NEEDED = ("qualified_name", "display_name", "description", "input_schema", "output_schema", "predict")


@dataclass(frozen=True)
class ModelFacts:
    """What a run has to know of a model that is loaded, here or in another process.

    Attributes:
        reference: how it was named, `package.module:ClassName`.
        name: its qualified name.
        display_name: its name for people.
        version: its version.
        package_version: version of the package that its class comes from, if that says so.
        inputs: the fields of its records, by name.
        outputs: the fields of its predictions, by name; empty if its schema does not tell.
    """

    reference: str
    name: str
    display_name: str
    version: str
    package_version: str | None
    inputs: Mapping[str, Field]
    outputs: Mapping[str, Field]


class Model:
    """One loaded model, whatever its generation.

    Args:
        instance: an object with the attributes of MLModel.
        reference: how it was named, `package.module:ClassName`.

    Raises:
        ValueError: if the object lacks an attribute, or a schema is of no known kind.
    """

    def __init__(self, instance: Any, reference: str) -> None:
        missing = [name for name in _NEEDED if not hasattr(instance, name)]
        if not hasattr(instance, "version") and not hasattr(instance, "major_version"):
            missing.append("version")
        if missing:
            raise ValueError(f"{reference} is no MLModel: it has no {', '.join(missing)}")
        for name in ("input_schema", "output_schema"):
            schema = getattr(instance, name)
            if not is_pydantic(schema) and not callable(getattr(schema, "validate", None)):
                raise ValueError(
                    f"{reference} is no MLModel: its {name} is neither a pydantic class nor a schema.Schema"
                )
        self.instance = instance
        self.reference = reference
        self.name: str = str(instance.qualified_name)
        self.display_name: str = str(instance.display_name)
        self.description: str = str(instance.description)
        self.version: str = model_version(instance)
        self._batch: Callable[[Sequence[Any]], Any] | None = getattr(instance, "predict_batch", None)
        self._columns: Callable[[Mapping[str, Any]], Any] | None = getattr(instance, "predict_columns", None)
        self._internals: Callable[[Sequence[Any]], Any] | None = getattr(instance, "predict_batch_with_internals", None)
        self.input = InputSchema(instance.input_schema, attributes=self.takes_batches, columns=self.takes_columns)
        self.output = OutputSchema(instance.output_schema)
        self._field_types = self.input.field_types

    @property
    def takes_columns(self) -> bool:
        """Whether the model predicts many records in one call, given as columns."""
        return self._columns is not None and is_pydantic(self.instance.input_schema)

    @property
    def takes_batches(self) -> bool:
        """Whether the model predicts many records in one call, as columns or one by one."""
        return self._batch is not None or self.takes_columns

    @property
    def exposes_internals(self) -> bool:
        """Whether the model tells what it computed on the way."""
        return self.takes_batches and self._internals is not None

    @property
    def package_version(self) -> str | None:
        """Version of the package that the model's class comes from, if it says so."""
        top = sys.modules.get(type(self.instance).__module__.partition(".")[0])
        version = getattr(top, "__version__", None)
        return version if isinstance(version, str) else None

    def facts(self) -> ModelFacts:
        """Tell what a run has to know of it."""
        return ModelFacts(
            self.reference,
            self.name,
            self.display_name,
            self.version,
            self.package_version,
            self.input.fields(),
            self.output.fields(),
        )

    def describe(self) -> dict[str, Any]:
        """Tell what the model is and takes: names, version, schemas (JSON Schema) and which calls it offers."""
        return {
            "reference": self.reference,
            "qualified_name": self.name,
            "display_name": self.display_name,
            "description": self.description,
            "version": self.version,
            "package_version": self.package_version,
            "predict_batch": self._batch is not None,
            "predict_columns": self.takes_columns,
            "predict_batch_with_internals": self.exposes_internals,
            "input_schema": self.input.json_schema(),
            "output_schema": self.output.json_schema(),
        }

    def predict(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Predict one record given as Python values, as in an interactive session.

        Returns:
            The prediction, as plain JSON values.

        Raises:
            Exception: the model's own schema exception, if it refuses the record.
        """
        try:
            checked = self.input.validate(data)
        except Exception:
            if is_pydantic(self.input.schema):
                raise
            self.instance.predict(data)  # an older model raises its own exception, which wraps the schema's
            raise
        return self.output.decoded(self.instance.predict(checked if is_pydantic(self.input.schema) else data))

    def predict_one(self, record: Any) -> Any:
        """Predict one decoded record; whatever the model raises comes through."""
        return self.instance.predict(record)

    def predict_batch(self, records: Sequence[Any], *, internals: bool) -> tuple[Sequence[Any], Sequence[Any]]:
        """Predict decoded records in one call; whatever the model raises comes through.

        Returns:
            The outputs, and what the model exposed of its workings if that was asked for and it does, else nothing.

        Raises:
            TypeError: if the model did not return a sequence.
            ValueError: if it returned another number than it was given.
        """
        if internals and self._internals:
            both = self._internals(records)
            if not isinstance(both, tuple) or len(both) != 2:  # noqa: PLR2004
                raise TypeError("predict_batch_with_internals must return two sequences, outputs and internals")
            return _as_many(both[0], len(records), "outputs"), _as_many(both[1], len(records), "internals")
        if self._columns is not None and self._field_types:
            return _as_table(self._columns(records_to_arrays(records, self._field_types)), len(records)), ()
        if self._batch is None:
            raise TypeError(f"{self.reference} has no predict_batch")
        return _as_many(self._batch(records), len(records), "outputs"), ()


def _as_table(columns: Any, expected: int) -> Table:
    if not isinstance(columns, Mapping) or not columns:
        raise TypeError(f"predict_columns returned {type(columns).__name__}, not a mapping of fields to columns")
    for name, column in columns.items():
        # A text or a mapping has a length and items too, which would be taken for predictions.
        dimensions: int = getattr(column, "ndim", 0)
        if not (isinstance(column, (list, tuple)) or dimensions > 0):
            raise TypeError(f"predict_columns returned {type(column).__name__} as {name!r}, not an array or a list")
        if len(column) != expected:
            raise ValueError(f"predict_columns returned {len(column)} values of {name!r} for {expected} records")
    return Table(columns, dict)


def _as_many(values: Any, expected: int, what: str) -> Sequence[Any]:
    if values is None or isinstance(values, (Mapping, str, bytes)):
        raise TypeError(f"the model returned {type(values).__name__}, not a sequence of {what}")
    sequence: Sequence[Any] = values if isinstance(values, (list, tuple)) else list(values)
    if len(sequence) != expected:
        raise ValueError(f"the model returned {len(sequence)} {what} for {expected} records")
    return sequence


def model_version(instance: Any) -> str:
    """Give a model's version; the older generation's two numbers become "major.minor"."""
    version = getattr(instance, "version", None)
    return str(version) if version is not None else f"{instance.major_version}.{instance.minor_version}"


def load_class(reference: str) -> Any:
    """Import what `package.module:Name` names.

    The current folder is searched last, so that a file beside the data can hold a model or a rule but never shadows
    an installed package.

    Raises:
        UsageError: if the reference has another form.
        ImportError, AttributeError: if there is no such module or name; or whatever the module raises.
    """
    module_name, colon, name = reference.partition(":")
    if not (module_name and colon and name):
        raise UsageError(f"{reference!r} does not name a class", "Write it as package.module:ClassName.")
    here = os.getcwd()  # noqa: PTH109  sys.path holds strings
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    found: Any = importlib.import_module(module_name)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def load_model(reference: str, *, expect_version: str | None = None) -> Model:
    """Import and construct a model.

    Args:
        reference: `package.module:ClassName`.
        expect_version: the only version to accept, or None for any.

    Raises:
        ModelUnavailable: if it cannot be loaded, is no MLModel, or has another version.
    """
    try:
        model = Model(load_class(reference)(), reference)
    except UsageError:
        raise
    except (Exception, SystemExit) as exc:
        raise ModelUnavailable(
            f"cannot load the model {reference}: {describe_exception(exc)}", _load_remedy(exc)
        ) from exc
    if expect_version is not None and model.version != expect_version:
        raise ModelUnavailable(
            f"the model {reference} has version {model.version}, but {expect_version} is expected",
            "Install the expected version of the model's package, or change --expect_version.",
        )
    return model


def describe_exception(exc: BaseException) -> str:
    """Give the type and message of an exception in one line."""
    message = " ".join(str(exc).split())
    return f"{type(exc).__name__}: {message}" if message else type(exc).__name__


def _load_remedy(exc: BaseException) -> str:
    if isinstance(exc, ModuleNotFoundError):
        return "Install the package into the environment that runs this, or correct the name."
    if isinstance(exc, AttributeError):
        return "Check the class name after the colon."
    return "Check that the class can be constructed without arguments: `model-etl describe --model ...` shows it."
