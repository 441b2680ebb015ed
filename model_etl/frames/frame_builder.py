"""Build the frame that a model asks for: the same types for one record as for a hundred thousand."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from model_etl.columns.arrow_columns import arrow_columns, arrow_type
from model_etl.columns.column_records import ArrowColumns, ColumnRecords
from model_etl.columns.column_types import ColumnType, column_types
from model_etl.frames.pandas_frame import pandas_frame
from model_etl.schema.codecs import is_pydantic

FRAMES = {"pandas": "pandas", "pandas_nullable": "pandas", "polars": "polars", "pyarrow": "pyarrow"}
"""The frames that a model can ask for, with the library of each."""


class FrameBuilder:
    """Builds frames of the records of a schema.

    Args:
        schema: the pydantic class.
        frame: one of `FRAMES`.

    Attributes:
        columns: the columns of the frames.

    Raises:
        ValueError: if there is no such frame, or it cannot have a column for a field.
        ImportError: if its library is not installed.
    """

    def __init__(self, schema: Any, frame: str) -> None:
        if frame not in FRAMES:
            raise ValueError(f"frame is {frame!r}, not one of {', '.join(FRAMES)}")
        importlib.import_module(FRAMES[frame])
        self.frame = frame
        self.columns: tuple[ColumnType, ...] = column_types(schema)
        objects = [column.name for column in self.columns if column.kind == "object"]
        if objects and not frame.startswith("pandas"):
            raise ValueError(
                f"a frame of {frame} has no type for the values of {', '.join(objects)}: change the type in the input"
                ' schema, or use frame = "pandas", where the column holds Python objects'
            )

    def of_records(self, records: Sequence[Any]) -> Any:
        """Return the frame of records, which have the fields as attributes.

        Raises:
            ValueError: if a value does not fit its column; the message names the field.
        """
        return self.of_arrow(arrow_columns(records, self.columns))

    def of_arrow(self, arrays: ArrowColumns) -> Any:
        """Return the frame of Arrow columns.

        Raises:
            ValueError: if a value does not fit its column; the message names the field.
        """
        if self.frame.startswith("pandas"):
            return pandas_frame(arrays, self.columns, nullable=self.frame == "pandas_nullable")
        fields = [pa.field(column.name, arrow_type(column), column.nullable) for column in self.columns]
        table = pa.table([arrays[column.name] for column in self.columns], schema=pa.schema(fields))
        if self.frame == "pyarrow":
            return table
        import polars as pl  # noqa: PLC0415

        return pl.from_arrow(table)


def to_frame(records: Sequence[Any], schema: Any = None, *, frame: str = "pandas") -> Any:
    """Return records as a data frame, whose column types come from their schema and never from their values.

    It is the frame that `predict_frame` of a model gets, for `predict_batch`, for training code and for notebooks:
    missing numbers are NaN, missing texts as `read_csv` of the installed pandas gives them, and dates are datetime64.

    Args:
        records: instances of a pydantic class, the records that `predict_batch` gets, or mappings, which the schema
            validates.
        schema: the pydantic class; needed for mappings, and where there may be no records.
        frame: "pandas", "pandas_nullable" (with the nullable types of pandas), "polars" or "pyarrow".

    Returns:
        A frame with a column for each field of the schema, and in pandas with the index 0 to n-1.

    Raises:
        ValueError: if the schema is not known, or a value does not fit its column.
        ImportError: if the library of the frame is not installed.
    """
    if isinstance(records, ColumnRecords) and schema in (None, records.schema):
        return _builder(records.schema, frame).of_records(records)
    if schema is None and len(records):
        first = records[0]
        schema = getattr(type(first), "__input_schema__", type(first))
    if not is_pydantic(schema):
        raise ValueError("the schema of the records is not known: pass the pydantic class as `schema`")
    if any(isinstance(record, Mapping) for record in records):
        records = [schema.model_validate(record) for record in records]
    # The columns of another schema are of no use.
    return _builder(schema, frame).of_records(list(records) if isinstance(records, ColumnRecords) else records)


_BUILDERS: dict[tuple[type, str], FrameBuilder] = {}


def _builder(schema: Any, frame: str) -> FrameBuilder:
    """Return the builder of a schema, which is made once: a model calls `to_frame` for each batch."""
    key = (schema, frame)
    if key not in _BUILDERS:
        _BUILDERS[key] = FrameBuilder(schema, frame)
    return _BUILDERS[key]
