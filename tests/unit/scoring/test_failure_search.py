"""Records that only the model refuses are found in few calls, and cost no other record anything."""

from __future__ import annotations

import io
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from model_etl.formats.csv_tsv import CSV
from model_etl.records.batch import Batch, Source
from model_etl.schema.codecs import InputSchema
from model_etl.scoring.model import Model
from model_etl.scoring.model_step import MLModelTransformer

COUNT, BATCHES, REFUSED = 2000, 6, 3
IN_COLUMNS = Source("s", "0", "csv", scale=12, in_columns=True)


class Record(BaseModel):
    a: float
    b: float | None = None
    c: str
    d: int


class Prediction(BaseModel):
    y: float


class Picky:
    """A model that fails for a whole call if it refuses one of its records."""

    qualified_name = display_name = description = "picky"
    version = "1"
    input_schema, output_schema = Record, Prediction

    def __init__(self, refuses: Callable[[Any], bool]) -> None:
        self.refuses = refuses
        self.calls: list[int] = []

    def predict(self, record: Any) -> Any:
        """Is not called: the model takes batches."""
        raise NotImplementedError

    def answer(self, records: Sequence[Any]) -> list[float]:
        """Return a prediction for each record, or fail."""
        self.calls.append(len(records))
        if any(map(self.refuses, records)):
            raise ValueError("refused")
        return [record.a for record in records]


class OfRecords(Picky):
    def predict_batch(self, records: Sequence[Any]) -> list[dict[str, float]]:
        """Predict records."""
        return [{"y": y} for y in self.answer(records)]


class OfColumns(Picky):
    def predict_columns(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Predict arrays."""
        names = list(columns)
        rows = [
            Record.model_construct(**dict(zip(names, row, strict=True))) for row in zip(*columns.values(), strict=True)
        ]
        return {"y": np.array(self.answer(rows))}


class OfFrames(Picky):
    def predict_frame(self, frame: Any) -> dict[str, Any]:
        """Predict a frame of pandas."""
        rows = [Record.model_construct(**row) for row in frame.to_dict("records")]
        return {"y": np.array(self.answer(rows))}


def batches(change: Mapping[str, Any], refused: int = REFUSED, count: int = COUNT) -> list[Batch]:
    """Return batches of records, in each of which some have other values."""
    choose = random.Random(5)
    made = []
    for _ in range(BATCHES):
        rows = [
            {
                "a": choose.gauss(0, 1),
                "b": choose.choice([None, 1.0]),
                "c": choose.choice("xyz"),
                "d": choose.randrange(99),
            }
            for _ in range(count)
        ]
        for index in choose.sample(range(count), refused):
            rows[index].update(change)
        documents = [json.dumps(row).replace("Infinity", "1e999").encode() for row in rows]
        made.append(Batch(Source("s", "0", "ldjson"), range(1, count + 1), range(count), documents, documents))
    return made


def scored(model: Picky, made: Sequence[Batch]) -> list[tuple[list[int], list[bytes], list[float]]]:
    """Return positions of rejects, documents and predictions for each batch."""
    transformer = MLModelTransformer(model=Model(model, "picky"))
    done = [transformer.predict(transformer.model.input.decode_batch(batch)) for batch in made]
    return [
        (
            sorted(rejection.position for rejection in batch.rejected),
            list(batch.documents),
            [json.loads(output)["y"] for output in batch.outputs],
        )
        for batch in done
    ]


REFUSALS: dict[str, tuple[dict[str, Any], Callable[[Any], bool], float, int]] = {
    "infinite": ({"a": math.inf}, lambda record: math.isinf(record.a), 1.6, 14),
    "unseen text": ({"c": "new"}, lambda record: record.c == "new", 1.6, 14),
    "beyond all others": ({"a": 1e9}, lambda record: record.a > 1e6, 1.6, 14),
    "nothing in common": ({"d": 1000}, lambda record: record.d % 100 == 0 and record.d > 0, 1.6, 14),
    "like many others": ({"d": 50, "c": "x", "a": 0.125}, lambda record: record.a == 0.125, 6.0, 80),
}


@pytest.mark.parametrize("kind", [OfRecords, OfColumns, OfFrames])
@pytest.mark.parametrize("name", REFUSALS)
def test_refused_records_are_found_in_few_calls(kind: type[Picky], name: str) -> None:
    """A few among thousands cost little more than one call a batch, if they differ from all others in something."""
    change, refuses, most_records, most_calls = REFUSALS[name]
    model = kind(refuses)
    made = batches(change)
    for batch, (rejected, documents, predictions) in zip(made, scored(model, made), strict=True):
        records = [Record.model_validate_json(document) for document in batch.documents]
        assert rejected == [number for number, record in enumerate(records, 1) if refuses(record)]
        assert documents == [d for d, record in zip(batch.documents, records, strict=True) if not refuses(record)]
        assert predictions == [record.a for record in records if not refuses(record)]
    assert sum(model.calls) <= most_records * COUNT * BATCHES
    assert len(model.calls) <= most_calls * BATCHES


@pytest.mark.parametrize(("refused", "count"), [(0, 1), (1, 1), (1, 2), (2, 2), (3, 5), (40, 40), (30, 60)])
def test_any_number_of_records_may_be_refused(refused: int, count: int) -> None:
    """Each record is rejected or predicted, whether all of a batch are refused or none."""
    for batch in (made := batches({"a": math.inf}, refused, count)):
        assert len(batch) == count
    for rejected, documents, predictions in scored(OfRecords(lambda record: math.isinf(record.a)), made):
        assert (len(rejected), len(documents), len(predictions)) == (refused, count - refused, count - refused)


def test_a_model_that_fails_for_large_calls_still_predicts_all() -> None:
    """A call that fails for another reason than one of its records rejects none."""
    model = OfRecords(lambda _: len(model.calls) > 0 and model.calls[-1] > 100)
    for rejected, _, predictions in scored(model, batches({}, 0, 500)):
        assert not rejected
        assert len(predictions) == 500


def test_a_batch_without_refused_records_may_follow_a_batch_with_some() -> None:
    """Records in columns of Arrow are scored to the end when the model has refused some before."""
    header = b"a,b,c,d\n"
    rows = [b"%d.5,,x,%d\n" % (number, number) for number in range(2 * COUNT)]
    rows[5] = b"inf,,x,1\n"
    read = CSV.read(io.BytesIO(header + b"".join(rows)), IN_COLUMNS, InputSchema(Record).fields())
    transformer = MLModelTransformer(model=Model(OfFrames(lambda record: math.isinf(record.a)), "picky"))
    halves = [
        part for batch in read for part in (batch.first(COUNT), batch.select([n >= COUNT for n in range(len(batch))]))
    ]
    done = [transformer.predict(transformer.model.input.decode_batch(half)) for half in halves]
    assert [(len(batch), [r.position for r in batch.rejected]) for batch in done] == [(COUNT - 1, [6]), (COUNT, [])]
