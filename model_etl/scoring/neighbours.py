"""Finds out whether the predictions of a model depend on the records beside them in a batch.

A run cuts its input into batches, halves those that fail, and scores rejects again: a prediction must be the same in
each company.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from math import isclose
from typing import Any

import msgspec

from model_etl.errors import ModelUnavailable
from model_etl.records.batch import Batch
from model_etl.scoring.model_step import MLModelTransformer

_RELATIVE, _ABSOLUTE = 1e-5, 1e-8
"""The difference between numbers that is rounding: sums of float32 are added up in another order in a larger batch."""


def check_neighbours(transformer: MLModelTransformer, batch: Batch) -> None:
    """Predict records alone, in pairs, in halves, all at once and shuffled, and compare.

    Args:
        transformer: the step that runs the model.
        batch: the records, as a reader yields them.

    Raises:
        ModelUnavailable: if a prediction depends on other records, or is not the same twice.
    """
    alone = dict(_predictions(transformer, batch, [[index] for index in range(len(batch))]))
    for company, groups in _companies(len(batch)):
        for index, prediction in _predictions(transformer, batch, groups):
            if not _same(alone[index], prediction):
                raise _depends(transformer, batch, index, company, alone[index], prediction)


def _companies(count: int) -> Iterator[tuple[str, list[list[int]]]]:
    """Yield ways to cut records into batches, with the name of each."""
    everyone = list(range(count))
    shuffled = random.Random(0).sample(everyone, count)  # noqa: S311  the same order in each check
    yield "alone again", [[index] for index in everyone[:1]]
    yield "in a pair", [everyone[start : start + 2] for start in range(0, count, 2)]
    yield "in a half of them", [half for half in (everyone[: count // 2], everyone[count // 2 :]) if half]
    yield f"among all {count}", [everyone]
    yield f"among all {count}, shuffled", [shuffled]


def _predictions(
    transformer: MLModelTransformer, batch: Batch, groups: Sequence[list[int]]
) -> Iterator[tuple[int, Any]]:
    """Yield the index and the prediction of each record, or of a record that fails its error as a text."""
    for group in groups:
        documents = [batch.documents[index] for index in group]
        numbers = range(len(group))
        part = Batch(batch.source, numbers, numbers, documents, documents)
        done = transformer.predict(transformer.model.input.decode_batch(part))
        for number, output in zip(done.positions, done.outputs, strict=True):
            yield group[number], msgspec.json.decode(output)
        for rejection in done.rejected:
            yield group[rejection.position], f"{rejection.type_name} ({rejection.message})"


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if type(left) in (int, float) and type(right) in (int, float):
        return isclose(left, right, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return bool(left == right)


def _depends(
    transformer: MLModelTransformer, batch: Batch, index: int, company: str, alone: Any, other: Any
) -> ModelUnavailable:
    record = f"record {batch.positions[index]} of {batch.source.name}"
    values = f"{_text(alone)} alone, and {_text(other)} {company}"
    reference = transformer.model.reference
    if company == "alone again":
        return ModelUnavailable(
            f"the model {reference} does not predict the same twice: for {record} it predicts {values}",
            "Give each source of randomness in the model a fixed seed.",
        )
    return ModelUnavailable(
        f"the predictions of the model {reference} depend on the other records of a batch: for {record}"
        f" it predicts {values}",
        "Let nothing in the model depend on the batch: a data frame must have the same types whatever its values are"
        " (model_etl.frames.to_frame makes such a frame), and means and ranks must come from training.",
    )


def _text(prediction: Any) -> str:
    return prediction if isinstance(prediction, str) else msgspec.json.encode(prediction).decode()
