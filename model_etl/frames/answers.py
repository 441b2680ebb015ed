"""The answers of `predict_frame` (a frame, a series, an array, a mapping of columns) as one column for each field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from model_etl.schema.columns import Table, WrongAnswer


def table_of_answer(answer: Any, expected: int, fields: Sequence[str]) -> Table:
    """Return the outputs of a model as a table.

    Args:
        answer: a frame of pandas, polars or pyarrow, or a mapping, with a column for each output field; an array with
            two dimensions and such columns, in the order of the fields; or, if there is one output field, its column
            alone: a series, an array or a list.
        expected: the number of records.
        fields: the names of the output fields.

    Raises:
        WrongAnswer: if the answer is anything else, or has another length or index than the frame.
    """
    columns = {str(name): _column(column, str(name), expected) for name, column in _columns(answer, fields).items()}
    return Table(columns, dict)


def _columns(answer: Any, fields: Sequence[str]) -> Mapping[Any, Any]:
    if isinstance(answer, Mapping):
        columns: Mapping[Any, Any] = answer
    elif isinstance(answer, (pa.Table, pa.RecordBatch)):
        columns = dict(zip(answer.schema.names, answer.columns, strict=True))
    elif hasattr(answer, "columns") and hasattr(answer, "dtypes"):  # a frame of pandas or polars
        columns = {name: answer[name] for name in answer.columns}
        if len(columns) != len(answer.columns):
            raise WrongAnswer("predict_frame returned a frame with two columns of one name")
    elif getattr(answer, "ndim", 1) == 2 and answer.shape[1] == len(fields):  # noqa: PLR2004
        columns = {name: answer[:, number] for number, name in enumerate(fields)}
    elif _is_column(answer) and len(fields) == 1:
        columns = {fields[0]: answer}
    else:
        shape = f" of shape {answer.shape}" if hasattr(answer, "shape") else ""
        raise WrongAnswer(
            f"predict_frame returned {type(answer).__name__}{shape}, not a column for each of {', '.join(fields)}"
        )
    if not columns:
        raise WrongAnswer("predict_frame returned no columns")
    return columns


def _is_column(value: Any) -> bool:
    """Return whether a value has items; a string or a mapping has items that would be taken for predictions."""
    return (
        isinstance(value, (list, tuple, pa.Array, pa.ChunkedArray))
        or getattr(value, "ndim", 0) > 0
        or _is_polars(value)
    )


def _is_polars(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "polars"


def _column(column: Any, name: str, expected: int) -> Any:
    """Return a column as an array of numpy or a list, with None for what is missing."""
    if not _is_column(column):
        raise WrongAnswer(f"predict_frame returned {type(column).__name__} as {name!r}, not a column")
    if len(column) != expected:
        raise WrongAnswer(f"predict_frame returned {len(column)} values of {name!r} for {expected} records")
    if hasattr(column, "index") and hasattr(column, "iloc"):
        return _pandas_values(column, name)
    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        return column.to_pylist()
    if _is_polars(column):
        return column.to_list()
    if getattr(column, "ndim", 1) == 2 and column.shape[1] == 1:  # noqa: PLR2004
        return column[:, 0]
    return column


def _pandas_values(series: Any, name: str) -> Any:
    if not series.index.equals(frame_index := series.reset_index(drop=True).index):
        # pandas puts values to rows by the index, not by their order.
        if not series.index.sort_values().equals(frame_index):
            raise WrongAnswer(
                f"predict_frame returned {name!r} with another index than that of the frame, so that its values may"
                " belong to other records: keep the index, or return an array"
            )
        series = series.sort_index()
    dtype_kind = getattr(series.dtype, "kind", "O")
    if dtype_kind in "biufmM" and not hasattr(series.dtype, "na_value"):
        return series.to_numpy()
    return series.astype(object).where(series.notna(), None).tolist()
