"""Columns: many records or outputs as one array a field, for models that take and return columns.

numpy is imported when a model needs columns, so that other runs do not need it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol, overload, runtime_checkable

import msgspec
from msgspec import inspect

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np

    Array: TypeAlias = np.ndarray[Any, Any]

_encode_msgpack = msgspec.msgpack.Encoder().encode
_DTYPES = {float: "float64", int: "int64", bool: "bool"}


@runtime_checkable
class ColumnSource(Protocol):
    """Documents that come from a table, whose columns can be read without building the documents."""

    def read_columns(self, types: Mapping[str, type]) -> Mapping[str, Array] | None:
        """Return some columns.

        Args:
            types: the Python types that the values must have, by the names of the columns.

        Returns:
            Arrays of float64, int64, bool or objects by name, or None if a column is missing, contains nulls, or has
            another type.
        """


class WrongAnswer(ValueError):
    """A model answered something that does not belong to the records that it was asked for."""


class Table(Sequence[Any]):
    """Records or outputs as columns; iteration and indexing build objects.

    Args:
        columns: arrays or other sequences of one length by field name, at least one.
        build: builds a record from its fields, which are passed as keyword arguments.
    """

    def __init__(self, columns: Mapping[str, Any], build: Callable[..., Any]) -> None:
        self.columns = columns
        self._build = build

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.build_objects(self._rows()))

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> Table: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Table({name: column[index] for name, column in self.columns.items()}, self._build)
        return next(iter(self[index : index + 1 or None]))

    def take(self, indexes: Sequence[int]) -> Table:
        """Return the rows at some indexes."""
        return Table({name: _items(column, indexes) for name, column in self.columns.items()}, self._build)

    def row_keys(self) -> list[Any]:
        """Return a hashable key a row for `build_objects`.

        The list is empty if equal values can have different JSON, such as 0.0 and -0.0.
        """
        if len(self) and all(map(_equal_means_identical, self.columns.values())):
            return self._rows()
        return []

    def build_objects(self, rows: Iterable[Any]) -> list[Any]:
        """Return the objects of rows, given as `row_keys` returns them."""
        names = list(self.columns)
        if len(names) == 1:
            return [self._build(**{names[0]: value}) for value in rows]
        return [self._build(**dict(zip(names, row, strict=True))) for row in rows]

    def _rows(self) -> list[Any]:
        """Return a tuple of values a row, or the value itself if there is one column."""
        lists = [python_values(column) for column in self.columns.values()]
        return lists[0] if len(lists) == 1 else list(zip(*lists, strict=True))


def _items(column: Any, indexes: Sequence[int]) -> Any:
    if not hasattr(column, "take"):
        return [column[index] for index in indexes]
    items = column.take(indexes)
    items.flags.writeable = column.flags.writeable
    return items


def joined_in_order(parts: Sequence[Sequence[Any]], order: Sequence[int]) -> Sequence[Any]:
    """Return the items of sequences that follow each other, in another order; arrays of `Table` stay arrays."""
    if parts and all(isinstance(part, Table) and _types(part) == _types(parts[0]) != () for part in parts):
        import numpy as np  # noqa: PLC0415

        first: Table = parts[0]  # type: ignore[assignment]
        columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns}  # type: ignore[attr-defined]
        return Table(columns, dict).take(order)
    items = [item for part in parts for item in part]
    return [items[number] for number in order]


def _types(table: Any) -> tuple[Any, ...]:
    """Return names and types of the columns of a table; nothing if one of them is not an array of one dimension."""
    arrays = [(name, getattr(c, "dtype", None)) for name, c in table.columns.items() if getattr(c, "ndim", 0) == 1]
    is_numpy = all(type(column).__module__ == "numpy" for column in table.columns.values())
    return tuple(arrays) if is_numpy and len(arrays) == len(table.columns) else ()


def python_values(column: Any) -> list[Any]:
    """Return the values of an array or another sequence as Python objects; times of numpy stay as they are."""
    if getattr(getattr(column, "dtype", None), "kind", "") in ("m", "M"):
        return list(column)  # tolist() makes integers of nanoseconds
    values: list[Any] = column.tolist() if hasattr(column, "tolist") else list(column)
    return values


def _equal_means_identical(column: Any) -> bool:
    """Return whether equal values of a column have the same JSON: not so for 0.0 and -0.0, or for 1 and True."""
    dtype_kind = getattr(getattr(column, "dtype", None), "kind", "O")
    if dtype_kind == "O":
        return set(map(type, python_values(column))) <= {str, type(None)}
    return dtype_kind in "biuU"


class ColumnSchema:
    """Validates whole columns as a schema validates records.

    Args:
        struct: the msgspec type of the schema (see `fast_struct_for`).
        fields: its fields, of the types in `PYTHON_TYPES`.
    """

    def __init__(self, struct: type[msgspec.Struct], fields: Sequence[inspect.Field]) -> None:
        self._struct = struct
        self._fields = fields
        self._types = {field.encode_name: PYTHON_TYPES[type(field.type)] for field in fields}

    @classmethod
    def of(cls, struct: type[msgspec.Struct]) -> ColumnSchema | None:
        """Return the column schema of a msgspec type, or None if one of its fields is of another type."""
        info = inspect.type_info(struct)
        fields = info.fields if isinstance(info, inspect.StructType) else ()
        return cls(struct, fields) if fields and all(type(field.type) in PYTHON_TYPES for field in fields) else None

    def table(self, documents: Sequence[bytes]) -> Table | None:
        """Return the columns that documents come from, validated.

        Returns:
            None if they do not come from a table, or if the schema may refuse a value: then the records have to be
            validated one by one.
        """
        columns = documents.read_columns(self._types) if isinstance(documents, ColumnSource) else None
        if columns is None or not all(_within_bounds(columns[field.encode_name], field.type) for field in self._fields):
            return None
        return Table(_read_only({field.name: columns[field.encode_name] for field in self._fields}), self._struct)


PYTHON_TYPES: dict[type[inspect.Type], type] = {
    inspect.FloatType: float,
    inspect.IntType: int,
    inspect.BoolType: bool,
    inspect.StrType: str,
    inspect.LiteralType: str,
}
"""The types of fields whose columns can be validated, with the Python types of their values."""


def _within_bounds(column: Array, field_type: inspect.Type) -> bool:
    """Return whether all values of a column are within the bounds of a type."""
    if isinstance(field_type, inspect.LiteralType):
        return set(column.tolist()) <= set(field_type.values)
    if isinstance(field_type, inspect.StrType):
        return field_type.min_length is None and field_type.max_length is None
    if not isinstance(field_type, (inspect.FloatType, inspect.IntType)):
        return True
    bounds = (
        (operator.ge, field_type.ge),
        (operator.gt, field_type.gt),
        (operator.le, field_type.le),
        (operator.lt, field_type.lt),
    )
    return all(bool(holds(column, bound).all()) for holds, bound in bounds if bound is not None)


def records_to_arrays(records: Sequence[Any], types: Mapping[str, Any]) -> Mapping[str, Array]:
    """Return records as columns.

    Args:
        records: a `Table`, or objects with the fields as attributes.
        types: the types of the fields by name, in the order of the result. Fields of type float, int and bool have
            arrays of float64, int64 and bool; other fields have arrays of Python objects.

    Returns:
        An array for each field. The arrays are read-only, because a batch that fails is predicted again in parts.

    Raises:
        OverflowError: if an integer does not fit 64 bits.
    """
    if isinstance(records, Table):
        return dict(records.columns)
    if set(types.values()) == {float} and isinstance(records[0], msgspec.Struct):
        columns = _float_arrays(records, list(types))
        if columns is not None:
            return _read_only(columns)
    import numpy as np  # noqa: PLC0415

    return _read_only(
        {
            name: np.fromiter(map(attrgetter(name), records), _DTYPES.get(python_type, object), len(records))
            for name, python_type in types.items()
        }
    )


def _read_only(columns: Mapping[str, Array]) -> Mapping[str, Array]:
    for column in columns.values():
        column.flags.writeable = False
    return columns


def _float_arrays(structs: Sequence[Any], names: Sequence[str]) -> Mapping[str, Array] | None:
    """Return the columns of msgspec objects that have float fields only, or None if that is not so.

    MessagePack encodes objects with the same keys and float values in the same number of bytes, so that numpy can read
    the numbers from the encoded records. Measured on whole runs of 1 million iris records: without this function a
    run takes 5 to 7% more processor time. Format: https://github.com/msgpack/msgpack/blob/master/spec.md (fixmap,
    map 16, fixstr, float 64).
    """
    import numpy as np  # noqa: PLC0415

    keys = structs[0].__struct_encode_fields__
    first = _encode_msgpack(structs[0])
    try:
        packed = _encode_msgpack(structs)
    except TypeError:
        return None  # one of them is not a msgspec object
    start = len(packed) - len(structs) * len(first)
    if len(keys) != len(names) or not 0 < start <= 5 or packed[start : start + len(first)] != first:  # noqa: PLR2004
        return None
    offsets, position = [], 1 if len(keys) < 16 else 3  # noqa: PLR2004  fixmap, map 16
    for key in keys:
        position += len(_encode_msgpack(key)) + 1
        offsets.append(position)
        position += 8
    if position != len(first):
        return None
    attributes = structs[0].__struct_fields__
    layout = np.dtype({"names": attributes, "formats": [">f8"] * len(keys), "offsets": offsets, "itemsize": len(first)})
    rows = np.frombuffer(packed, layout, offset=start)
    return {name: rows[name].astype("float64") for name in names}
