"""A model that makes frames of its records gets them as columns, and every other use of them is as before."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import pandas as pd
import pytest
from ml_base import MLModel
from pydantic import BaseModel

import model_etl
from model_etl import frames
from model_etl.columns.column_records import ColumnRecords
from model_etl.frames import to_frame
from model_etl.frames import to_frame as make
from model_etl.records.batch import Batch, Source
from model_etl.scoring.frame_calls import makes_frames
from model_etl.scoring.model import Model
from model_etl.scoring.model_step import MLModelTransformer


class Number(BaseModel):
    """A number."""

    x: float


def of_pandas(records: Any) -> Any:
    """Call a method of pandas that has the same name."""
    return pd.Series([record.x for record in records]).to_frame()


def helper(records: Any) -> Any:
    """Make a frame elsewhere."""
    return make(records)


class Calls:
    """Methods that make frames in some way, and others that do not."""

    def predict(self, records: Any) -> Any:
        """Call it."""
        return to_frame(records)

    def in_a_helper(self, records: Any) -> Any:
        """Call a function that calls it."""
        return [helper(part) for part in records]

    def in_a_method(self, records: Any) -> Any:
        """Call a method that calls it."""
        return self._static(records)

    @staticmethod
    def _static(records: Any) -> Any:
        return [frames.to_frame(part) for part in records]

    def by_package(self, records: Any) -> Any:
        """Call it as an attribute."""
        return model_etl.to_frame(records)

    def by_import(self, records: Any) -> Any:
        """Import it when it is called."""
        from model_etl.frames import to_frame as imported  # noqa: PLC0415

        return imported(records)

    def loop(self, records: Any) -> Any:
        """Call nothing but itself."""
        return self.loop(records)


@pytest.mark.parametrize("name", ["predict", "in_a_helper", "in_a_method", "by_package", "by_import"])
def test_calls_of_to_frame_are_found(name: str) -> None:
    """However the function is named, and in whichever function of the package."""
    assert makes_frames(getattr(Calls(), name))


@pytest.mark.parametrize(
    "call", [FunctionType(of_pandas.__code__, {"pd": pd, "__name__": "x"}), Calls().loop, len, None, list]
)
def test_no_other_call_is_taken_for_it(call: Any) -> None:
    """Records of such a model are objects from the start."""
    assert not makes_frames(call)


class Doubles(MLModel):
    """Makes a frame of its records, and can spoil or want them as a list."""

    display_name = qualified_name = description = "doubles"
    version = "1"
    input_schema = Number
    output_schema = Number
    spoils = wants_list = False

    def __init__(self) -> None:
        self.built: list[bool] = []

    def predict(self, data: Number) -> Number:
        """Double one number."""
        return Number(x=data.x * 2)

    def predict_batch(self, records: Any) -> list[dict[str, float]]:
        """Double numbers, but for 13."""
        values = to_frame(records)["x"].tolist()
        self.built.append("_all" in vars(records) if isinstance(records, ColumnRecords) else True)
        if self.spoils:
            for record in records:
                record.x += 1000
        if self.wants_list:
            records.sort(key=id)
        if 13 in values:
            raise ArithmeticError("13")
        return [{"x": value * 2} for value in values]


def scored(model: Doubles, values: list[float]) -> tuple[list[bytes], list[int]]:
    """Return the outputs and the positions of the rejects."""
    step = MLModelTransformer(model=Model(model, "m:Doubles"))
    documents = [b'{"x":%g}' % value for value in values]
    batch = Batch(Source("in", "0" * 32, "ldjson"), range(1, len(values) + 1), range(len(values)), documents, documents)
    done = step.predict(step.model.input.decode_batch(batch))
    return list(done.outputs), [reject.position for reject in done.rejected]


def test_no_record_is_made_for_a_frame() -> None:
    """The frame comes from the columns of the batch."""
    model = Doubles()
    assert scored(model, [1, 2]) == ([b'{"x":2.0}', b'{"x":4.0}'], [])
    assert model.built == [False]


def test_changes_to_records_reach_no_other_call() -> None:
    """A call that changes its records and fails leaves those of the next calls as they were read."""
    model = Doubles()
    model.spoils = True
    assert scored(model, [1, 2, 13, 4]) == ([b'{"x":2.0}', b'{"x":4.0}', b'{"x":8.0}'], [3])


def test_a_model_that_needs_a_list_gets_one() -> None:
    """It is asked again with a list, so that it costs no record."""
    model = Doubles()
    model.wants_list = True
    assert scored(model, [1, 2, 3]) == ([b'{"x":2.0}', b'{"x":4.0}', b'{"x":6.0}'], [])


def test_a_frame_of_another_schema_is_made_of_the_records() -> None:
    """The columns serve the schema that they were decoded by, and no other."""

    class Other(BaseModel):
        x: str

    records = Model(Doubles(), "m:Doubles").input.decode_batch(
        Batch(Source("in", "0" * 32, "ldjson"), range(2), range(2), [b'{"x":1}', b'{"x":2}'], [b'{"x":1}', b'{"x":2}'])
    )
    assert isinstance(records.inputs, ColumnRecords)
    assert to_frame(records.inputs, Number).equals(to_frame(list(records.inputs)))
    with pytest.raises(ValueError, match="x does not fit its column of text"):
        to_frame(records.inputs, Other)
