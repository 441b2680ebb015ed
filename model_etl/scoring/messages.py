"""The messages between a run and its workers: pickles that a worker of another Python version reads, too."""

from __future__ import annotations

import copyreg
import io
import pickle
import sys
from collections.abc import Callable
from typing import Any

from model_etl.records.batch import Decision

_PROTOCOL = 5
"""Of the pickles: that of every supported Python, whatever its own default is."""


def encode(message: object) -> memoryview:
    """Return a message as bytes; they hold plain values, objects of model_etl, and Arrow's data as Arrow's streams."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, _PROTOCOL)
    pickler.dispatch_table = {**copyreg.dispatch_table, Decision: _reduce_decision, **_arrow_reducers()}
    pickler.dump(message)
    return buffer.getbuffer()


def decode(data: bytes) -> Any:
    """Return the message that bytes of `encode` stand for."""
    return pickle.loads(data)  # noqa: S301  from a process that this program has started


def _reduce_decision(decision: Decision) -> tuple[Any, ...]:
    """Keep what the run needs of a decision: the output that it replaces is in the batch, and may be of any type."""
    return Decision, (str(decision.verdict), tuple(map(str, decision.messages)))


def _arrow_reducers() -> dict[type, Callable[[Any], tuple[Any, ...]]]:
    """Return how to pickle Arrow's objects: as streams of Arrow's format, which every release of pyarrow reads."""
    # Before it is imported there are no such objects; another thread may be importing it now.
    pa = sys.modules.get("pyarrow")
    reducers = {"RecordBatch": _reduce_rows, "Schema": _reduce_schema}
    return {getattr(pa, name): reduce for name, reduce in reducers.items() if hasattr(pa, name)}


def _reduce_rows(rows: Any) -> tuple[Any, ...]:
    import pyarrow as pa  # noqa: PLC0415

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_batch(rows)
    return _rows, (sink.getvalue().to_pybytes(),)


def _rows(stream: bytes) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    return pa.ipc.open_stream(stream).read_next_batch()


def _reduce_schema(schema: Any) -> tuple[Any, ...]:
    return _schema, (schema.serialize().to_pybytes(),)


def _schema(message: bytes) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    return pa.ipc.read_schema(pa.py_buffer(message))
