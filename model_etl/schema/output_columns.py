"""Outputs that are columns, checked by the column: no object is made for a record or a value.

What a column cannot decide is left to the schema: `OutputColumns.check` then returns None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import inspect

from model_etl.records.json_rows import JsonColumn, JsonRows
from model_etl.schema.columns import PYTHON_TYPES, python_values

_ARROW_TYPES: dict[type[inspect.Type], pa.DataType] = {
    inspect.FloatType: pa.float64(),
    inspect.IntType: pa.int64(),
    inspect.BoolType: pa.bool_(),
    inspect.StrType: pa.string(),
    inspect.LiteralType: pa.string(),
}
_ARRAY_KINDS: dict[type[inspect.Type], str] = {
    inspect.FloatType: "fiub",
    inspect.IntType: "iub",
    inspect.BoolType: "b",
}
"""The kinds of numpy's types whose values a field accepts; unsigned integers of 64 bits are not among them."""
_LONGEST_NUMBER = 8
"""The bytes of the longest numbers that become a float or an integer of 64 bits as they are."""


@dataclass(frozen=True)
class _OutputColumn:
    """One field of the outputs.

    Attributes:
        name: the name of the member.
        type: what its values are.
        nullable: whether None is one of them.
        default: the value of outputs that lack it; `msgspec.NODEFAULT` if none may.
    """

    name: str
    type: inspect.Type
    nullable: bool
    default: Any


class OutputColumns:
    """Checks outputs as the msgspec type of their schema does, and returns the same JSON.

    Args:
        columns: the fields.
    """

    def __init__(self, columns: Sequence[_OutputColumn]) -> None:
        self._columns = columns

    @classmethod
    def of(cls, struct: type[msgspec.Struct]) -> OutputColumns | None:
        """Return what checks outputs of a msgspec type, or None if a field has a type that a column cannot decide."""
        info = inspect.type_info(struct)
        columns = []
        for field in info.fields if isinstance(info, inspect.StructType) else ():
            types = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
            known = [declared_type for declared_type in types if not isinstance(declared_type, inspect.NoneType)]
            if len(known) != 1 or type(known[0]) not in _ARROW_TYPES:
                return None
            columns.append(_OutputColumn(field.encode_name, known[0], len(known) < len(types), field.default))
        return cls(columns) if columns else None

    def check(self, table: Mapping[str, Any], count: int) -> JsonRows | None:
        """Check columns.

        Args:
            table: arrays or other sequences by name.
            count: the number of items in each of them, at least 1.

        Returns:
            The outputs; None if the schema may refuse a value, or may take it for another.
        """
        checked: dict[str, JsonColumn] = {}
        for column in self._columns:
            values = table.get(column.name, [column.default] * count)
            array = _array(values, column)
            if array is None or not _is_valid(array, column):
                return None
            checked[column.name] = JsonColumn(array)
        return JsonRows(checked)


def _array(values: Any, column: _OutputColumn) -> pa.Array | None:
    """Return values as an Arrow array, or None if they are not surely of the column's type."""
    field_type = type(column.type)
    if type(values) is np.ndarray and values.dtype.kind in _ARRAY_KINDS.get(field_type, ""):
        too_long = values.dtype.itemsize >= _LONGEST_NUMBER + (values.dtype.kind != "u")
        if too_long or values.ndim != 1:
            return None
        return pa.array(values.astype(PYTHON_TYPES[field_type]))  # a copy: the model may use its array again
    objects = python_values(values)
    allowed = {PYTHON_TYPES[field_type], type(None)} if column.nullable else {PYTHON_TYPES[field_type]}
    if not set(map(type, objects)) <= allowed:
        return None
    try:
        return pa.array(objects, _ARROW_TYPES[field_type])
    except (pa.ArrowException, OverflowError, ValueError):  # integers beyond 64 bits, lone surrogates
        return None


def _is_valid(array: pa.Array, column: _OutputColumn) -> bool:
    """Return whether all values of an array are within the bounds of a column."""
    declared_type = column.type
    if isinstance(declared_type, inspect.LiteralType):
        return _all(pc.is_in(array, pa.array(declared_type.values, pa.string()), skip_nulls=True), array)
    if isinstance(declared_type, inspect.StrType):
        lengths = pc.utf8_length(array)
        allowed = ((pc.greater_equal, declared_type.min_length), (pc.less_equal, declared_type.max_length))
        return declared_type.pattern is None and _within(lengths, allowed)
    if isinstance(declared_type, (inspect.FloatType, inspect.IntType)):
        bounds = (
            (pc.greater_equal, declared_type.ge),
            (pc.greater, declared_type.gt),
            (pc.less_equal, declared_type.le),
            (pc.less, declared_type.lt),
        )
        return declared_type.multiple_of is None and _within(array, bounds)
    return True


def _within(array: pa.Array, bounds: Sequence[tuple[Any, Any]]) -> bool:
    return all(_all(holds(array, bound), array) for holds, bound in bounds if bound is not None)


def _all(holds: pa.Array, array: pa.Array) -> bool:
    """Return whether a test holds for each value that is not null."""
    return bool(pc.all(pc.or_kleene(holds, array.is_null()), min_count=0).as_py())
