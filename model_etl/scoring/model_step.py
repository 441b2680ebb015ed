"""MLModelTransformer: the step that runs a model, on one record or on a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, overload

from model_etl.errors import RecordError, RecordStep
from model_etl.records.batch import Batch
from model_etl.records.strict_json import NotJsonError, encode_json
from model_etl.scoring.model import Model, load_class


class MLModelTransformer:
    """Predicts what it is called with.

    It is a plain callable and knows nothing of Bonobo: every engine can call it.

    Args:
        module_name: module that holds the model's class, with `class_name`.
        class_name: name of the class in that module.
        model: a model that is loaded already, instead of the two names.
        internals: whether to ask the model for what it computed on the way.

    Raises:
        ValueError: if the class is no MLModel.

    Example:
        >>> transformer = MLModelTransformer(module_name="iris_model.iris_predict", class_name="IrisModel")
        >>> list(transformer(data={"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}))
        [{'species': 'setosa'}]
    """

    def __init__(
        self,
        module_name: str | None = None,
        class_name: str | None = None,
        *,
        model: Model | None = None,
        internals: bool = False,
    ) -> None:
        if model is None:
            if not (module_name and class_name):
                raise ValueError("MLModelTransformer takes module_name and class_name, or a model")
            reference = f"{module_name}:{class_name}"
            model = Model(load_class(reference)(), reference)
        self.model = model
        self.internals = internals and model.exposes_internals

    @overload
    def __call__(self, data: Batch) -> Iterator[Batch]: ...

    @overload
    def __call__(self, data: Mapping[str, Any]) -> Iterator[dict[str, Any]]: ...

    def __call__(self, data: Batch | Mapping[str, Any]) -> Iterator[Batch | dict[str, Any]]:
        """Yield one prediction for one record, or one batch of predictions for a batch.

        One record is a mapping; what the model raises for it comes through. In a batch a record that fails becomes a
        rejection and its neighbours are kept.
        """
        if isinstance(data, Batch):
            yield self.predict(data)
        else:
            yield self.model.predict(data)

    def predict(self, batch: Batch) -> Batch:
        """Give the batch with its outputs, each one line of checked JSON; what failed has become a rejection."""
        failed: dict[int, RecordError] = {}
        outputs, internals = self._outputs(batch.inputs, failed)
        if failed:
            kept = [i not in failed for i in range(len(batch))]
            batch = batch.without(failed)
            outputs, internals = list(compress(outputs, kept)), list(compress(internals, kept))
        lines, refused = self.model.output.encode_batch(outputs)
        exposed = _encoded(internals, refused) if self.internals else ()
        return batch.replace(outputs=lines, internals=exposed).without(refused)

    def _outputs(self, inputs: Sequence[Any], failed: dict[int, RecordError]) -> tuple[Sequence[Any], Sequence[Any]]:
        """Give an output for each input, None for one that failed, and the internals if they are wanted."""
        if self.model.takes_batches:
            return self._attempt(inputs, 0, failed)
        outputs: list[Any] = []
        for index, record in enumerate(inputs):
            try:
                outputs.append(self.model.predict_one(record))
            except (Exception, SystemExit) as exc:  # noqa: BLE001  one record's failure, whatever it is
                failed[index] = _predict_error(exc)
                outputs.append(None)
        return outputs, ()

    def _attempt(
        self, inputs: Sequence[Any], start: int, failed: dict[int, RecordError]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """Predict inputs in one call; on failure split them until the guilty record is alone."""
        if not inputs:
            return (), ()
        try:
            return self.model.predict_batch(inputs, internals=self.internals)
        except (Exception, SystemExit) as exc:  # noqa: BLE001
            if len(inputs) == 1:
                failed[start] = _predict_error(exc)
                return (None,), (None,)
        middle = len(inputs) // 2
        left, left_internals = self._attempt(inputs[:middle], start, failed)
        right, right_internals = self._attempt(inputs[middle:], start + middle, failed)
        return [*left, *right], [*left_internals, *right_internals]


def _predict_error(exc: BaseException) -> RecordError:
    # An older model validates in predict(): its word on the schema is the schema's.
    stage: RecordStep = "input_schema" if type(exc).__name__ == "MLModelSchemaValidationException" else "predict"
    return RecordError(stage, type(exc).__name__, str(exc))


def _encoded(internals: Sequence[Any], refused: dict[int, RecordError]) -> list[bytes]:
    lines: list[bytes] = []
    for index, value in enumerate(internals):
        try:
            lines.append(encode_json(value))
        except NotJsonError as exc:
            refused.setdefault(
                index, RecordError("predict", "NotJSON", f"the model's internals are no strict JSON: {exc}")
            )
            lines.append(b"")
    return lines
