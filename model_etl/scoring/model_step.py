"""MLModelTransformer: the step that predicts one record or a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from model_etl.errors import RUN_ENDING_EXCEPTIONS, ConfigurationError, RecordError, RecordStep
from model_etl.records.batch import Batch
from model_etl.records.lazy_sequences import LazySequence
from model_etl.records.strict_json import NotJsonError, encode_json
from model_etl.runtime.home_thread import in_home_thread
from model_etl.schema.columns import Table, WrongAnswer
from model_etl.scoring.failure_search import FailureSearch
from model_etl.scoring.faults import (
    FirstBatch,
    fault,
    indexes_to_try,
    is_interrupt,
    position_of,
    run_ending_exceptions,
)
from model_etl.scoring.model import Model
from model_etl.scoring.model_loading import load_class
from model_etl.scoring.strategy_check import check_strategy


class MLModelTransformer:
    """The step that predicts one record or a batch; a plain callable, and a node of a Bonobo graph.

    Args:
        module_name: the module that defines the model's class; needs `class_name`.
        class_name: the name of the class in that module.
        model: a loaded model, instead of the two names.
        internals: whether to ask the model for its internals too, if it can return them.
        judged: whether a first batch that fails as a whole is a fault of the model; see `FirstBatch`.

    Raises:
        ValueError: if the class is not an MLModel, or neither the two names nor a model were passed.
        ImportError, AttributeError: if there is no such module or class.

    Example:
        >>> transformer = MLModelTransformer(module_name="iris_model.iris_predict", class_name="IrisModel")
        >>> list(transformer(data={"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}))
        [{'species': 'setosa'}]
    """

    __processors__ = (check_strategy,)  # Bonobo calls them when it starts the node

    def __init__(
        self,
        module_name: str | None = None,
        class_name: str | None = None,
        *,
        model: Model | None = None,
        internals: bool = False,
        judged: bool = False,
    ) -> None:
        if model is None:
            if not (module_name and class_name):
                raise ValueError("MLModelTransformer needs module_name and class_name, or a model")
            reference = f"{module_name}:{class_name}"
            model = Model(load_class(reference)(), reference)
        self.model = model
        self.internals = internals and model.exposes_internals
        self._code = f"the model {model.reference}"
        self._first_batch = FirstBatch(self._code, judged=judged)
        self._search = FailureSearch(model.input.field_types)

    @overload
    def __call__(self, data: Batch) -> Iterator[Batch]: ...

    @overload
    def __call__(self, data: Mapping[str, Any]) -> Iterator[dict[str, Any]]: ...

    def __call__(self, data: Batch | Mapping[str, Any]) -> Iterator[Batch | dict[str, Any]]:
        """Yield one prediction for one record, or one scored batch for a batch.

        Args:
            data: a record as a mapping of Python values, or a decoded batch.

        Yields:
            For a record, the prediction as plain JSON values. For a batch, the batch with its outputs; a record that
            fails becomes a rejection, and the others are kept.

        Raises:
            Exception: for a single record, the model's own exception.
        """
        if isinstance(data, Batch):
            scored = in_home_thread(self.predict, data, lambda: f"{self._code}, at {data.record_range}")
            yield scored.replace(inputs=())  # no later step needs them, and a batch waits for each of these
        else:
            yield in_home_thread(self.model.predict, data, lambda: self._code)

    def predict(self, batch: Batch) -> Batch:
        """Return the batch with an output for each record, as one line of checked JSON; failures become rejections.

        Raises:
            ModelUnavailable: if the model raises what ends a run, or is at fault as `FirstBatch` judges.
        """
        with run_ending_exceptions(self._code, batch):
            return self._predict(batch)

    def _predict(self, batch: Batch) -> Batch:
        failed: dict[int, RecordError] = {}
        outputs, internals = self._outputs(batch, failed)
        lines, invalid = self.model.output.encode_batch(outputs)
        internal_lines = _encode_internals(internals, invalid) if self.internals else ()
        return batch.without(failed).replace(outputs=lines, internals=internal_lines).without(invalid)

    def _outputs(self, batch: Batch, failed: dict[int, RecordError]) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return an output for each record that does not fail, and the internals if they were asked for."""
        if not self.model.takes_batches:
            return self._predict_one_by_one(batch, failed), ()
        if not len(batch):
            return (), ()
        has_failed = False

        def predict(indexes: Sequence[int]) -> tuple[Sequence[Any], Sequence[Any]] | None:
            nonlocal has_failed
            # A failed call may have changed its records.
            inputs = self._decoded(batch, indexes) if has_failed else _items(batch.inputs, indexes)
            predicted = self._predict_some(batch, inputs, indexes, failed)
            has_failed = has_failed or predicted is None
            return predicted

        return self._search.predict(batch, predict)

    def _predict_one_by_one(self, batch: Batch, failed: dict[int, RecordError]) -> Sequence[Any]:
        first_batch = self._first_batch
        outputs: list[Any] = []
        for index, record in enumerate(batch.inputs):
            try:
                outputs.append(self.model.predict_one(record))
                if first_batch.open:
                    first_batch.acquit()
            except RUN_ENDING_EXCEPTIONS:
                raise
            except BaseException as exc:  # noqa: BLE001  one record's failure, whatever it is
                failed[index] = _predict_error(exc)
                first_batch.accuse(failed[index], exc, batch)
        return outputs

    def _predict_some(
        self, batch: Batch, inputs: Sequence[Any], indexes: Sequence[int], failed: dict[int, RecordError]
    ) -> tuple[Sequence[Any], Sequence[Any]] | None:
        """Predict some records in one call; return None if it fails.

        Args:
            batch: the whole batch.
            inputs: the decoded records.
            indexes: their indexes in the batch.
            failed: gets the error of a record that fails alone, by its index.
        """
        try:
            predicted = self.model.predict_batch(inputs, internals=self.internals)
        except RUN_ENDING_EXCEPTIONS:
            raise
        except BaseException as exc:
            if isinstance(exc, WrongAnswer) and self._first_batch.open:
                raise fault(f"{self._code}, asked for {batch.record_range}: {exc}", exc) from exc
            if self._first_batch.open and len(inputs) == len(batch) > 1:
                self._try_alone(batch)
            if len(indexes) == 1 or is_interrupt(exc):
                failed[indexes[0]] = _predict_error(exc)
            return None
        self._first_batch.acquit()
        return predicted

    def _try_alone(self, batch: Batch) -> None:
        """Ask for some records of the first batch alone, before all of it is halved.

        Raises:
            ModelUnavailable: if each of them fails, and alike.
        """
        for index in indexes_to_try(batch):
            try:
                self.model.predict_batch(self._decoded(batch, [index]), internals=self.internals)
            except RUN_ENDING_EXCEPTIONS:
                raise
            except BaseException as exc:  # noqa: BLE001
                self._first_batch.accuse(_predict_error(exc), exc, batch)
            else:
                self._first_batch.acquit()
            if not self._first_batch.open:
                return

    def _decoded(self, batch: Batch, indexes: Sequence[int]) -> Sequence[Any]:
        """Return some records of a decoded batch; they are decoded again, unless the model cannot change them.

        A model that makes frames of records gets a list of them now: it may have failed for want of one.

        Raises:
            ConfigurationError: if the input schema does not accept a record that it accepted before.
        """
        if isinstance(batch.inputs, Table) or (self.model.takes_frames and getattr(batch.inputs, "immutable", False)):
            return _items(batch.inputs, indexes)
        documents = [batch.documents[index] for index in indexes]
        numbers = range(len(documents))
        again = self.model.input.decode_batch(Batch(batch.source, numbers, numbers, documents, documents))
        if again.rejected:
            position = batch.positions[indexes[again.rejected[0].position]]
            raise ConfigurationError(
                f"the input schema of {self.model.reference} rejected record {position} of {batch.source.name}, which"
                f" it had accepted before: {again.rejected[0].type_name}",
                "Make the validators of the schema depend on nothing but the record.",
            )
        return list(again.inputs) if isinstance(again.inputs, LazySequence) else again.inputs


def _items(inputs: Sequence[Any], indexes: Sequence[int]) -> Sequence[Any]:
    if len(indexes) == len(inputs):
        return inputs
    if isinstance(inputs, Table):
        return inputs.take(indexes)
    if isinstance(inputs, LazySequence):
        return inputs.selected(lambda items: [items[index] for index in indexes], len(indexes))
    return [inputs[index] for index in indexes]


def _predict_error(exc: BaseException) -> RecordError:
    if is_interrupt(exc):
        raise exc
    # A model of the older generation validates its input in predict().
    stage: RecordStep = "input_schema" if type(exc).__name__ == "MLModelSchemaValidationException" else "predict"
    return RecordError(stage, type(exc).__name__, str(exc), position_of(exc))


def _encode_internals(internals: Sequence[Any], invalid: dict[int, RecordError]) -> list[bytes]:
    """Return a line of JSON for each record; records whose internals are not strict JSON are added to `invalid`."""
    lines: list[bytes] = []
    for index, value in enumerate(internals):
        try:
            lines.append(encode_json(value))
        except NotJsonError as exc:
            error = RecordError("predict", "NotJSON", f"the model's internals are not strict JSON: {exc}")
            invalid.setdefault(index, error)
            lines.append(b"")
    return lines
