"""A file of no, one or two records is scored by every way of calling a model as one record after the other is."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import MODELS

from model_etl.formats import FORMATS
from model_etl.records.batch import Source
from model_etl.scoring.model_loading import load_model
from model_etl.scoring.model_step import MLModelTransformer

GOOD = {"age": 33, "income": 1000.5, "purpose": "car", "employment": "clerk", "opened_on": "2020-01-31", "accounts": 2}
BARE = {"age": 40, "income": None, "purpose": "home", "employment": None, "opened_on": None, "accounts": None}
WRONG = {**GOOD, "age": 300}
REFUSED = {**GOOD, "age": 13}  # by the model
ROWS = {"good": GOOD, "bare": BARE, "wrong": WRONG, "refused": REFUSED}


def written(form: str, rows: list[dict[str, Any]]) -> bytes:
    """Return a file with rows."""
    if form == "parquet":
        types = {"age": pa.int64(), "income": pa.float64(), "accounts": pa.int64()}
        schema = pa.schema([(name, types.get(name, pa.string())) for name in GOOD])
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema), file)
        return file.getvalue()
    if form == "csv":
        lines = [",".join(GOOD), *(",".join("" if v is None else str(v) for v in row.values()) for row in rows)]
        return "".join(f"{line}\n" for line in lines).encode()
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def scored(model: str, form: str, data: bytes) -> list[tuple[int, Any]]:
    """Return the prediction or the stage of the reject of each record, by its number."""
    loaded = load_model(f"frame_models:{model}")
    facts = loaded.facts()
    source = Source("in", "0" * 32, form, **facts.batch_settings)
    found: list[tuple[int, Any]] = []
    transformer = MLModelTransformer(model=loaded)
    for batch in FORMATS[form].read(io.BytesIO(data), source, facts.inputs):
        done = transformer.predict(loaded.input.decode_batch(batch))
        found += zip(done.positions, map(json.loads, done.outputs), strict=True)
        found += [(record.position, record.stage) for record in done.rejected]
    return sorted(found, key=lambda item: item[0])


@pytest.mark.parametrize("form", ["csv", "parquet", "ldjson"])
@pytest.mark.parametrize("model", ["ByBatch", "ByFrame", "ByPolars", "ByArrow"])
def test_small_files(monkeypatch: pytest.MonkeyPatch, form: str, model: str) -> None:
    """Also where the schema or the model refuses all records, or all but one."""
    monkeypatch.syspath_prepend(MODELS)
    kinds = [name for name in ROWS if (name, model) != ("refused", "ByPolars")]  # this model refuses none
    for names in [[], *([a] for a in kinds), *([a, b] for a in kinds for b in kinds)]:
        data = written(form, [ROWS[name] for name in names])
        assert scored(model, form, data) == scored("ByRecord", form, data), names
