"""Model: one interface to both generations of MLModel.

The current generation (package ml_base) has `display_name`, `qualified_name`, `description`, `version`,
`input_schema` and `output_schema` (pydantic classes) and `predict(data)`. The older one (module ml_model_abc) has
`major_version` and `minor_version` instead of `version`, `schema.Schema` objects as schemas, and takes and returns
dicts. Any class with these attributes is accepted.

Four methods are optional and much faster:

- `predict_batch(records)` takes a sequence of validated records, with the fields of the input schema as attributes
  (the older generation: dicts), and returns as many outputs in the same order.
- `predict_columns(columns)`, only of the current generation, takes a mapping of field names to numpy arrays and
  returns a mapping of output field names to arrays.
- `predict_frame(frame)`, only of the current generation, takes a data frame of the library that the attribute `frame`
  names ("pandas" if there is none), and returns a frame, a series, an array or a mapping of columns.
- `predict_batch_with_internals(records)` returns two sequences, the outputs and the model's internals (intermediate
  results, such as probabilities), for the prediction log.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from model_etl.columns.column_input import ColumnInput
from model_etl.schema.codecs import InputSchema, OutputSchema, is_pydantic
from model_etl.schema.columns import Table, WrongAnswer, records_to_arrays
from model_etl.schema.fields import Field
from model_etl.scoring.frame_calls import makes_frames

if TYPE_CHECKING:
    from model_etl.frames.frame_model import FrameModel

BATCHES_OF_A_FRAME = 12
"""How many usual batches make one for a model that predicts frames: some 20,000 records, since each call of a pipeline
of scikit-learn has a cost of its own of some 10 ms."""

_Predict: TypeAlias = Callable[[Any], Any]
_REQUIRED_ATTRIBUTES = ("qualified_name", "display_name", "description", "input_schema", "output_schema", "predict")


@dataclass(frozen=True)
class ModelFacts:
    """What a run must know of a model that is loaded in this process or in another.

    Attributes:
        reference: the model as the user named it, `package.module:ClassName`.
        name: its qualified name.
        display_name: its name for people.
        version: its version.
        package_version: `__version__` of the package that defines its class, or None.
        inputs: the fields of its input schema, by name.
        outputs: the fields of its output schema, by name; empty if the schema does not list them.
        exposes_internals: whether it can return internals, whose names no schema has.
        takes_frames: whether it predicts data frames, or makes them of its records, and so wants large batches.
        python: the version of Python that runs it, if that is not the Python of the run.
        artefact: what identifies the file that it was loaded from: kind, library, bytes, sha256; None for a class.
        takes_columns: whether it predicts columns.
        decorators: the references of the decorators around it, the innermost first.
    """

    reference: str
    name: str
    display_name: str
    version: str
    package_version: str | None
    inputs: Mapping[str, Field]
    outputs: Mapping[str, Field]
    exposes_internals: bool = False
    takes_frames: bool = False
    python: str | None = None
    artefact: Mapping[str, Any] | None = None
    takes_columns: bool = False
    decorators: tuple[str, ...] = ()

    @property
    def batch_settings(self) -> dict[str, Any]:
        """The attributes of a `Source` that depend on how the model takes records."""
        scale = BATCHES_OF_A_FRAME if self.takes_frames else 1
        return {"scale": scale, "in_columns": self.takes_frames or self.takes_columns}


class NotAModelError(ValueError):
    """An object has not the attributes of MLModel."""


class Model:
    """A loaded model of either generation.

    Args:
        instance: an object with the attributes of MLModel.
        reference: the model as the user named it, `package.module:ClassName`.
        decorators: the references of the decorators that the instance has around it.

    Raises:
        NotAModelError: if the object lacks an attribute, or a schema is neither a pydantic class nor a `schema.Schema`.
    """

    def __init__(self, instance: Any, reference: str, decorators: tuple[str, ...] = ()) -> None:
        missing = [name for name in _REQUIRED_ATTRIBUTES if not hasattr(instance, name)]
        if getattr(instance, "version", None) is None and getattr(instance, "major_version", None) is None:
            missing.append("version (it is None)" if hasattr(instance, "version") else "version")
        if missing:
            raise NotAModelError(f"{reference} is not an MLModel: it lacks {', '.join(missing)}")
        for name in ("input_schema", "output_schema"):
            schema = getattr(instance, name)
            if not is_pydantic(schema) and not callable(getattr(schema, "validate", None)):
                raise NotAModelError(
                    f"{reference} is not an MLModel: its {name} is neither a pydantic class nor a schema.Schema"
                )
        self.instance = instance
        self.reference = reference
        self.decorators = decorators
        self.name: str = str(instance.qualified_name)
        self.display_name: str = str(instance.display_name)
        self.description: str = str(instance.description)
        self.version: str = model_version(instance)
        self.artefact: Mapping[str, Any] | None = getattr(instance, "artefact", None)
        self._predict_batch: _Predict | None = getattr(instance, "predict_batch", None)
        self._predict_columns: _Predict | None = getattr(instance, "predict_columns", None)
        self._predict_batch_with_internals: _Predict | None = getattr(instance, "predict_batch_with_internals", None)
        self._predict_frame: _Predict | None = getattr(instance, "predict_frame", None)
        self._frames = _frame_model(instance) if self.takes_frames else None
        takes_records = not (self.takes_columns or self.takes_frames) and is_pydantic(instance.input_schema)
        self._makes_frames = takes_records and makes_frames(self._predict_batch)
        self.input = (
            ColumnInput(instance.input_schema, frames=self.takes_frames or self._makes_frames)
            if self.takes_columns or self.takes_frames or self._makes_frames
            else InputSchema(instance.input_schema, attributes=self.takes_batches)
        )
        self.output = OutputSchema(instance.output_schema)
        self._field_types = self.input.field_types

    @property
    def takes_columns(self) -> bool:
        """Whether the model predicts a batch as columns, in one call of `predict_columns`."""
        return self._predict_columns is not None and is_pydantic(self.instance.input_schema)

    @property
    def takes_frames(self) -> bool:
        """Whether the model predicts a batch as a data frame, in one call of `predict_frame`."""
        return self._predict_frame is not None and is_pydantic(self.instance.input_schema)

    @property
    def takes_batches(self) -> bool:
        """Whether the model predicts a batch in one call, as records, as columns or as a frame."""
        return self._predict_batch is not None or self.takes_columns or self.takes_frames

    @property
    def exposes_internals(self) -> bool:
        """Whether the model can return its internals for the prediction log."""
        return self.takes_batches and self._predict_batch_with_internals is not None

    @property
    def package_version(self) -> str | None:
        """`__version__` of the package that defines the model's class, or None; of an artefact, its library's."""
        if self.artefact is not None:
            return str(self.artefact["library"]).rpartition(" ")[2]
        instance = self.instance
        for _ in self.decorators:
            instance = instance.__dict__["_model"]
        top = sys.modules.get(type(instance).__module__.partition(".")[0])
        version = getattr(top, "__version__", None)
        return version if isinstance(version, str) else None

    def facts(self) -> ModelFacts:
        """Return what a run must know of the model."""
        return ModelFacts(
            self.reference,
            self.name,
            self.display_name,
            self.version,
            self.package_version,
            self.input.fields(),
            self.output.fields(),
            self.exposes_internals,
            self.takes_frames or self._makes_frames,
            artefact=self.artefact,
            takes_columns=self.takes_columns,
            decorators=self.decorators,
        )

    def describe(self) -> dict[str, Any]:
        """Return names, version, schemas (as JSON Schema) and the optional methods of the model, for `describe`."""
        return {
            "reference": self.reference,
            "qualified_name": self.name,
            "display_name": self.display_name,
            "description": self.description,
            "version": self.version,
            "package_version": self.package_version,
            **({"artefact": self.artefact} if self.artefact else {}),
            **({"decorators": list(self.decorators)} if self.decorators else {}),
            "predict_batch": self._predict_batch is not None,
            "predict_columns": self.takes_columns,
            "predict_frame": self.takes_frames,
            "predict_batch_with_internals": self.exposes_internals,
            "input_schema": self.input.json_schema(),
            "output_schema": self.output.json_schema(),
        }

    def predict(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Validate and predict one record, as in an interactive session.

        Args:
            data: the fields of the record as Python values.

        Returns:
            The prediction as plain JSON values.

        Raises:
            Exception: the model's own schema exception for an invalid record, or whatever the model raises.
        """
        try:
            checked = self.input.validate(data)
        except Exception:
            if is_pydantic(self.input.schema):
                raise
            self.instance.predict(data)  # an older model raises its own exception, which wraps that of the schema
            raise
        return self.output.decoded(self.instance.predict(checked if is_pydantic(self.input.schema) else data))

    def predict_one(self, record: Any) -> Any:
        """Predict one decoded record; exceptions of the model propagate."""
        return self.instance.predict(record)

    def predict_batch(self, records: Sequence[Any], *, internals: bool) -> tuple[Sequence[Any], Sequence[Any]]:
        """Predict decoded records in one call; exceptions of the model propagate.

        Args:
            records: the decoded records.
            internals: whether to ask for the model's internals too.

        Returns:
            One output for each record, and one item of internals for each record; the latter is empty if they were
            not asked for or the model has none.

        Raises:
            WrongAnswer: if the model did not return sequences, or returned one of another length.
        """
        count = len(records)
        if internals and self._predict_batch_with_internals:
            both = self._predict_batch_with_internals(records)
            if not isinstance(both, tuple) or len(both) != 2:  # noqa: PLR2004
                raise WrongAnswer("predict_batch_with_internals must return two sequences, outputs and internals")
            outputs, exposed = both
            return _checked_sequence(outputs, count, "outputs"), _checked_sequence(exposed, count, "internals")
        if self._frames is not None:
            table = self._frames.predict(records, self.output.accepted_names)
            return _with_columns(table, "predict_frame", self.output.required_names), ()
        if self._predict_columns is not None and self._field_types:
            table = _checked_table(self._predict_columns(records_to_arrays(records, self._field_types)), count)
            return _with_columns(table, "predict_columns", self.output.required_names), ()
        if self._predict_batch is None:
            raise TypeError(f"{self.reference} lacks predict_batch")
        return _checked_sequence(self._predict_batch(records), count, "outputs"), ()


def _frame_model(instance: Any) -> FrameModel:
    from model_etl.frames.frame_model import FrameModel  # noqa: PLC0415  it imports pyarrow

    return FrameModel(instance)


def _checked_table(columns: Any, expected: int) -> Table:
    if not isinstance(columns, Mapping) or not columns:
        raise WrongAnswer(f"predict_columns returned {type(columns).__name__}, not a mapping of fields to columns")
    for name, column in columns.items():
        # A string or a mapping has a length and items too, which would be taken for predictions.
        dimensions: int = getattr(column, "ndim", 0)
        if not (isinstance(column, (list, tuple)) or dimensions > 0):
            raise WrongAnswer(f"predict_columns returned {type(column).__name__} as {name!r}, not an array or a list")
        if len(column) != expected:
            raise WrongAnswer(f"predict_columns returned {len(column)} values of {name!r} for {expected} records")
    return Table(columns, dict)


def _with_columns(table: Table, method: str, required: Collection[str]) -> Table:
    if missing := [name for name in required if name not in table.columns]:
        raise WrongAnswer(f"{method} returned no column {', '.join(map(repr, sorted(missing)))} for the output schema")
    return table


def _checked_sequence(values: Any, expected: int, name: str) -> Sequence[Any]:
    if values is None or isinstance(values, (Mapping, str, bytes)):
        raise WrongAnswer(f"the model returned {type(values).__name__}, not a sequence of {name}")
    sequence: Sequence[Any] = values if isinstance(values, (list, tuple)) else list(values)
    if len(sequence) != expected:
        raise WrongAnswer(f"the model returned {len(sequence)} {name} for {expected} records")
    return sequence


def model_version(instance: Any) -> str:
    """Return a model's version; the two numbers of the older generation become "major.minor"."""
    version = getattr(instance, "version", None)
    return str(version) if version is not None else f"{instance.major_version}.{instance.minor_version}"
