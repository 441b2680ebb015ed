"""Columns: one array for each field of many records or outputs, for models that take and give those.

numpy is imported when a model asks for columns, so that other runs need not have it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, overload

import msgspec
from msgspec import inspect

if TYPE_CHECKING:
    import numpy as np

_PACK = msgspec.msgpack.Encoder().encode
_DTYPES = {float: "float64", int: "int64", bool: "bool"}


class Table(Sequence[Any]):
    """Records, or outputs, as columns; asked for one of them, it makes an object.

    Args:
        columns: arrays or other sequences of one length by field, at least one.
        make: makes a record of its fields, given by name.
    """

    def __init__(self, columns: Mapping[str, Any], make: Callable[..., Any]) -> None:
        self.columns = columns
        self._make = make

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.made(self._rows()))

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> Table: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Table({name: column[index] for name, column in self.columns.items()}, self._make)
        return next(iter(self[index : index + 1 or None]))

    def repeated(self) -> list[Any]:
        """Give what tells one row from another, for `made`; nothing, if equal values may be written differently."""
        if len(self) and all(map(_is_exact, self.columns.values())):
            return self._rows()
        return []

    def made(self, rows: Iterable[Any]) -> list[Any]:
        """Make the objects of some rows."""
        names = list(self.columns)
        if len(names) == 1:
            return [self._make(**{names[0]: value}) for value in rows]
        return [self._make(**dict(zip(names, row, strict=True))) for row in rows]

    def _rows(self) -> list[Any]:
        """Give the values of each row, or the one value where there is one column."""
        lists = [values_of(column) for column in self.columns.values()]
        return lists[0] if len(lists) == 1 else list(zip(*lists, strict=True))


def values_of(column: Any) -> list[Any]:
    """Give the values of an array or another sequence as Python's own; times of numpy stay as they are."""
    if getattr(getattr(column, "dtype", None), "kind", "") in ("m", "M"):
        return list(column)  # tolist() makes integers of nanoseconds
    listed: list[Any] = column.tolist() if hasattr(column, "tolist") else list(column)
    return listed


def _is_exact(column: Any) -> bool:
    """Tell whether equal values are the same: of floats 0.0 and -0.0 are not, of objects 1 and True are not."""
    kind = getattr(getattr(column, "dtype", None), "kind", "O")
    return kind in "biuU" or (kind == "O" and set(map(type, values_of(column))) <= {str, type(None)})


class ColumnSchema:
    """Checks whole columns as a schema checks records.

    Args:
        struct: the schema's exact counterpart.
        fields: its fields, whose types are only those of `_SIMPLE`.
    """

    def __init__(self, struct: type[msgspec.Struct], fields: Sequence[inspect.Field]) -> None:
        self._struct = struct
        self._fields = fields
        self._kinds = {field.encode_name: _SIMPLE[type(field.type)] for field in fields}

    @classmethod
    def of(cls, struct: type[msgspec.Struct]) -> ColumnSchema | None:
        """Give what checks columns, or None if the schema has a field that is not simple."""
        told = inspect.type_info(struct)
        fields = told.fields if isinstance(told, inspect.StructType) else ()
        return cls(struct, fields) if fields and all(type(field.type) in _SIMPLE for field in fields) else None

    def table(self, documents: Sequence[bytes]) -> Table | None:
        """Take the columns that documents came from.

        Returns:
            None if they come from no table, or if not every value is one that the schema accepts: then the records
            have to be looked at one by one.
        """
        find = getattr(documents, "read_columns", None)
        columns = find(self._kinds) if find else None
        if columns is None or not all(_within(columns[field.encode_name], field.type) for field in self._fields):
            return None
        return Table(_read_only({field.name: columns[field.encode_name] for field in self._fields}), self._struct)


_SIMPLE: dict[type, type] = {
    inspect.FloatType: float,
    inspect.IntType: int,
    inspect.BoolType: bool,
    inspect.StrType: str,
    inspect.LiteralType: str,
}


def _within(column: np.ndarray[Any, Any], kind: Any) -> bool:
    """Tell whether all values of a column are within the bounds of a type."""
    if isinstance(kind, inspect.LiteralType):
        return set(column.tolist()) <= set(kind.values)
    if isinstance(kind, inspect.StrType):
        return kind.min_length is None and kind.max_length is None
    if not isinstance(kind, (inspect.FloatType, inspect.IntType)):
        return True
    bounds = ((operator.ge, kind.ge), (operator.gt, kind.gt), (operator.le, kind.le), (operator.lt, kind.lt))
    return all(bool(holds(column, bound).all()) for holds, bound in bounds if bound is not None)


def arrays(records: Sequence[Any], kinds: Mapping[str, Any]) -> Mapping[str, np.ndarray[Any, Any]]:
    """Give records as columns.

    Args:
        records: a `Table`, or objects with the fields as attributes.
        kinds: the fields in their order, with their types: float, int and bool have arrays of their own (float64,
            int64, bool); all else is an array of Python objects.

    Returns:
        A read-only array for each field, by its name: a model that failed is asked again, in parts.

    Raises:
        OverflowError: if an integer is beyond 64 bits.
    """
    if isinstance(records, Table):
        return records.columns
    if set(kinds.values()) == {float} and isinstance(records[0], msgspec.Struct):
        packed = _packed_floats(records, list(kinds))
        if packed is not None:
            return _read_only(packed)
    import numpy as np  # noqa: PLC0415

    columns = {
        name: np.fromiter(map(attrgetter(name), records), _DTYPES.get(kind, object), len(records))
        for name, kind in kinds.items()
    }
    return _read_only(columns)


def _read_only(columns: Mapping[str, np.ndarray[Any, Any]]) -> Mapping[str, np.ndarray[Any, Any]]:
    for column in columns.values():
        column.flags.writeable = False
    return columns


def _packed_floats(structs: Sequence[Any], names: Sequence[str]) -> Mapping[str, np.ndarray[Any, Any]] | None:
    """Let MessagePack lay out the numbers: in it a map of the same keys to floats always has the same length.

    Three times as fast as asking each object for each attribute. Format: https://github.com/msgpack/msgpack/blob/master/spec.md
    (fixmap, fixstr, float 64).
    """
    import numpy as np  # noqa: PLC0415

    keys = structs[0].__struct_encode_fields__
    first = _PACK(structs[0])
    try:
        packed = _PACK(structs)
    except TypeError:
        return None  # there is another object among them
    start = len(packed) - len(structs) * len(first)
    if len(keys) != len(names) or not 0 < start <= 5 or packed[start : start + len(first)] != first:  # noqa: PLR2004
        return None
    offsets, position = [], 1 if len(keys) < 16 else 3  # noqa: PLR2004  fixmap, map 16
    for key in keys:
        position += len(_PACK(key)) + 1
        offsets.append(position)
        position += 8
    if position != len(first):
        return None
    attributes = structs[0].__struct_fields__
    layout = np.dtype({"names": attributes, "formats": [">f8"] * len(keys), "offsets": offsets, "itemsize": len(first)})
    rows = np.frombuffer(packed, layout, offset=start)
    return {name: rows[name].astype("float64") for name in names}
