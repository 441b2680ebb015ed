"""Models in ONNX, predicted by ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from model_etl.artefacts.file import ArtefactFile
from model_etl.artefacts.matrix import column_of_numbers, numbers
from model_etl.artefacts.options import ArtefactOptions
from model_etl.artefacts.predictor import Column, FieldType, Predictor, import_library, type_of_values
from model_etl.errors import ModelUnavailable
from model_etl.runtime.environment import install_command

_NUMPY = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16", "tensor(int64)": "int64",
    "tensor(int32)": "int32", "tensor(int16)": "int16", "tensor(int8)": "int8", "tensor(bool)": "bool",
    "tensor(string)": "object",
}  # fmt: skip
"""The types of numpy for the types of inputs."""
_PYTHON = {"float": float, "int": int, "bool": bool, "object": str}
_TYPES: dict[type, FieldType] = {float: "number", int: "integer", bool: "boolean", str: "string"}
_ONE_OUTPUT = (
    "Export a model whose first output has one value per record, as skl2onnx does, or write a class around it."
)


def load(artefact: ArtefactFile, options: ArtefactOptions) -> Predictor:
    """Load a model.

    Raises:
        ModelUnavailable: if it cannot be loaded, or has inputs or outputs that no column stands for.
    """
    runtime = import_library("onnxruntime", "onnx", artefact)
    getattr(runtime, "disable_telemetry_events", lambda: None)()  # a run tells nobody what it scores
    settings = runtime.SessionOptions()
    settings.log_severity_level = 4  # what it would print, it also raises
    if threads := os.environ.get("OMP_NUM_THREADS", ""):  # of a worker process, or set by the user
        settings.intra_op_num_threads = int(threads) if threads.isdecimal() else 0
    try:
        session = runtime.InferenceSession(artefact.content, settings, providers=["CPUExecutionProvider"])
    except Exception as exc:
        raise artefact.damaged(f"ONNX Runtime {runtime.__version__} cannot read it: {exc}", _remedy(exc)) from exc
    model = _Session(session, artefact)
    classes: Sequence[Any] = ()
    no_probability = "its second output is not the probabilities of named classes, as skl2onnx writes them"
    if "probability" in options.outputs:
        classes = model.classes()
    library = f"onnxruntime {runtime.__version__}"
    return Predictor(
        library,
        model.columns,
        model.named,
        model.prediction,
        model.predict,
        classes,
        no_probability,
        frame="pyarrow",
        null_types=frozenset({"number"}) if model.floats else frozenset(),
    )


def _remedy(exc: Exception) -> str:
    text = str(exc).lower()
    if "opset" in text or "ir version" in text or "ir_version" in text:
        install = install_command("--upgrade", "onnxruntime")
        return f"Install a newer one: {install}; or export the model for an older opset."
    if "external" in text:
        return "Save the model as one file, with its weights inside."
    return ""


class _Session:
    """A session of ONNX Runtime: inputs made of columns, outputs taken as predictions.

    Args:
        session: the session.
        artefact: for messages.

    Attributes:
        columns: what it reads.
        named: whether it tells their names.
        prediction: the type of its predictions.
        floats: whether it can read missing numbers, as NaN.

    Raises:
        ModelUnavailable: if its inputs or outputs are not columns.
    """

    def __init__(self, session: Any, artefact: ArtefactFile) -> None:
        self._session = session
        self._reference = artefact.reference
        self._inputs = session.get_inputs()
        self._outputs = session.get_outputs()
        self._one_by_one = False
        for node in self._inputs:
            self._check_input(node)
        self.named = all(self._width(node) == 1 for node in self._inputs) and not (
            len(self._inputs) == 1 and len(self._inputs[0].shape) > 1 and self._is_matrix_of_numbers()
        )
        self.columns = self._read_columns()
        self.prediction = self._prediction()
        self.floats = any("float" in _NUMPY[node.type] for node in self._inputs)

    def _error(self, cause: str, remedy: str) -> ModelUnavailable:
        return ModelUnavailable(f"cannot use the model {self._reference}: {cause}", remedy)

    def _is_matrix_of_numbers(self) -> bool:
        return self._inputs[0].name in ("X", "input", "float_input", "features")

    def _check_input(self, node: Any) -> None:
        shape = list(node.shape)
        if node.type not in _NUMPY or len(shape) not in (1, 2):
            raise self._error(
                f"its input {node.name} is {node.type} of shape {shape}, not a table of numbers or texts",
                "Write a class around it: docs/extending.md.",
            )
        if len(shape) == 2 and not isinstance(shape[1], int):  # noqa: PLR2004
            raise self._error(
                f"its input {node.name} has shape {shape}, which does not give the number of columns",
                "Export it with a fixed number of columns.",
            )
        if isinstance(shape[0], int):
            if shape[0] != 1:
                raise self._error(
                    f"its input {node.name} takes {shape[0]} records at a time",
                    "Export it with a free batch dimension.",
                )
            self._one_by_one = True
        if len(self._inputs) > 1 and self._width(node) != 1:
            raise self._error(
                f"it has {len(self._inputs)} inputs, of which {node.name} has {self._width(node)} columns",
                "Export it with one input for all columns, or with one for each.",
            )

    @staticmethod
    def _width(node: Any) -> int:
        return int(node.shape[1]) if len(node.shape) > 1 else 1

    def _read_columns(self) -> list[Column]:
        if self.named:
            return [Column(node.name, _TYPES[self._python_type(node)]) for node in self._inputs]
        node = self._inputs[0]
        return [Column(f"x{number}", _TYPES[self._python_type(node)]) for number in range(self._width(node))]

    @staticmethod
    def _python_type(node: Any) -> type:
        return _PYTHON[_NUMPY[node.type].rstrip("0123456789")]

    def _prediction(self) -> type:
        node = self._outputs[0]
        width = self._width_of_output(node)
        if node.type not in _NUMPY or width not in (1, None):
            shape = f"{node.type} of shape {list(node.shape)}"
            raise self._error(f"its first output, {node.name}, is {shape}, not one value for each record", _ONE_OUTPUT)
        return self._python_type(node)

    @staticmethod
    def _width_of_output(node: Any) -> int | None:
        shape = list(node.shape)
        if len(shape) <= 1:
            return 1
        return shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None if len(shape) == 2 else len(shape)  # noqa: PLR2004

    def classes(self) -> Sequence[Any]:
        """Return the classes of the probabilities, or nothing if there are none with names.

        The session does not give them; what it answers for one record does.
        """
        if len(self._outputs) != 2 or not self._outputs[1].type.startswith("seq(map("):  # noqa: PLR2004
            return ()
        import numpy as np  # noqa: PLC0415  onnxruntime has imported it

        record = {
            node.name: np.full([1, *node.shape[1:]], "" if node.type == "tensor(string)" else 0, _NUMPY[node.type])
            for node in self._inputs
        }
        try:
            answer = self._session.run(None, record)[1][0]
        except Exception:  # noqa: BLE001  not every model takes such a record
            return ()
        names = tuple(answer)
        return names if type_of_values(names) else ()

    def predict(self, table: Any, probability: bool) -> tuple[Any, Any]:
        """Return the predictions for a table of pyarrow, and if asked for, the probabilities."""
        feeds = self._feeds(table)
        wanted = [node.name for node in self._outputs[: 2 if probability else 1]]
        if self._one_by_one:
            return self._predict_one_by_one(wanted, feeds, table.num_rows)
        answer = self._session.run(wanted, feeds)
        return _flat(answer[0]), _matrix(answer[1]) if probability else None

    def _predict_one_by_one(self, wanted: list[str], feeds: Mapping[str, Any], count: int) -> tuple[Any, Any]:
        import numpy as np  # noqa: PLC0415

        answers = [
            self._session.run(wanted, {name: array[row : row + 1] for name, array in feeds.items()})
            for row in range(count)
        ]
        predictions = np.concatenate([_flat(answer[0]) for answer in answers])
        has_probability = len(wanted) > 1
        return predictions, np.concatenate([_matrix(a[1]) for a in answers]) if has_probability else None

    def _feeds(self, table: Any) -> dict[str, Any]:
        if not self.named:
            node = self._inputs[0]
            return {node.name: self._matrix_of(table, node)}
        return {
            node.name: self._array(table.column(node.name), node).reshape([-1, *node.shape[1:]])
            for node in self._inputs
        }

    def _matrix_of(self, table: Any, node: Any) -> Any:
        import numpy as np  # noqa: PLC0415

        if node.type == "tensor(string)":
            return np.stack([self._array(column, node) for column in table.columns], axis=1)
        matrix = numbers(table).astype(_NUMPY[node.type])
        return matrix if len(node.shape) > 1 else matrix[:, 0]

    @staticmethod
    def _array(column: Any, node: Any) -> Any:
        import numpy as np  # noqa: PLC0415

        if node.type == "tensor(string)":
            return np.array(column.to_pylist(), dtype=object)
        if node.type == "tensor(int64)":
            return column.to_numpy()
        dtype = np.dtype(_NUMPY[node.type])
        values = column_of_numbers(column)
        if dtype.kind == "i" and len(values):
            limits = np.iinfo(dtype)
            if values.min() < limits.min or values.max() > limits.max:
                raise ValueError(f"{node.name} is beyond {dtype.name}, the type of the model's input")
        return values.astype(dtype)


def _flat(values: Any) -> Any:
    """Return predictions as an array with one dimension."""
    return values[:, 0] if getattr(values, "ndim", 1) == 2 and values.shape[1] == 1 else values  # noqa: PLR2004


def _matrix(probabilities: Any) -> Any:
    """Return the probabilities, a mapping for each record, as an array with a column for each class."""
    import numpy as np  # noqa: PLC0415

    return np.array([list(mapping.values()) for mapping in probabilities])
