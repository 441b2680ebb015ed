"""Decodes a whole column of a file to the values of one field of the model.

Arrow decides what the schema surely accepts, with the same value. All else, and every type that Arrow has no exact rule
for, is validated by pydantic's own validator of the field, in one call for the column. What that refuses is left to the
schema itself, which judges the whole record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import SchemaValidator, ValidationError, core_schema

from model_etl.columns.arrow_columns import array_of, arrow_type, replaced
from model_etl.columns.column_types import ColumnType
from model_etl.columns.sure_values import SureValues, sure_values
from model_etl.errors import RUN_ENDING_EXCEPTIONS, RecordError

if TYPE_CHECKING:
    from model_etl.columns.source_columns import SourceColumn
    from model_etl.schema.exact_numbers import ExactNumbers

    Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

_Core: TypeAlias = Mapping[str, Any]
_NO_DEFAULT = object()
_UNHASHED = (list, dict, set, bytearray)


class UndecidedError(Exception):
    """A column cannot be decoded apart from its records."""


@dataclass(frozen=True)
class DecodedColumn:
    """The values of a field.

    Attributes:
        values: an array of the field's Arrow type, or a list of Python objects; any value where it is refused.
        refused: the indexes of the records whose value the schema may refuse.
    """

    values: Any
    refused: Sequence[int] = ()


class FieldDecoder:
    """Decodes the columns of a field.

    Args:
        column: the column of the field.
        name: the name of the field in records.
        core: the core schema of the field.
        definitions: the definitions that it refers to.
        exact: rewrites numbers that pydantic would change, or None.
    """

    def __init__(
        self,
        column: ColumnType,
        name: str,
        core: _Core,
        definitions: Sequence[Any],
        exact: ExactNumbers | None,
    ) -> None:
        self.column = column
        self.name = name
        self._exact = exact
        self._default = _default_of(core)
        self._type = arrow_type(column)
        self._sure = SureValues.of(core, column)
        items: Any = core_schema.list_schema(dict(core))
        items = core_schema.definitions_schema(items, list(definitions)) if definitions else items
        self._validator = SchemaValidator(items)

    def decode(self, source: SourceColumn | None, count: int) -> DecodedColumn:
        """Decode a column.

        Args:
            source: the column of the file, or None if the file has none.
            count: the number of records.

        Raises:
            UndecidedError: if the records have to be decoded one by one.
        """
        if source is None:
            return self._without_values(count)
        decided = sure_values(self._sure, source) if self._sure is not None else None
        values, unsure = decided or (self._nulls(count), np.asarray(source.values.is_valid()))
        refused: list[int] = []
        values, missing = self._fill(values, source)
        if missing is not None:
            refused += missing
        if unsure is None or not unsure.any():
            return DecodedColumn(values, refused)
        indexes = np.flatnonzero(unsure)
        exact = self._exact if source.cell_type not in ("text", "boolean") else None  # there are no numbers
        array = source.to_json(source.values.take(pa.array(indexes)))
        validated, bad = self._validated(array if exact is None else _exactly(array, exact, self.name), len(indexes))
        refused += indexes[bad].tolist()
        return DecodedColumn(self._with_values(values, indexes, validated, bad), refused)

    def _nulls(self, count: int) -> Any:
        return [None] * count if self._type is None else pa.nulls(count, self._type)

    def _without_values(self, count: int) -> DecodedColumn:
        """Return the column of a field that no record has."""
        if self._default is _NO_DEFAULT:
            return DecodedColumn(self._nulls(count), range(count))
        if self._type is None:
            return DecodedColumn([self._default] * count)
        return DecodedColumn(pa.repeat(self._default_scalar(), count))

    def _default_scalar(self) -> pa.Scalar:
        try:
            return array_of([self._default], self.column)[0]
        except ValueError as exc:
            raise UndecidedError from exc

    def _fill(self, values: Any, source: SourceColumn) -> tuple[Any, list[int] | None]:
        """Put the values of missing values in; return the indexes of the records that must have one."""
        if not source.values.null_count:
            return values, None
        missing = source.values.is_null()
        if source.missing == "absent" and self._default is not _NO_DEFAULT:
            if self._default is None:
                return values, None
            if self._type is None:
                default = self._default
                return [default if m else v for v, m in zip(values, missing.to_pylist(), strict=True)], None
            return pc.if_else(missing, self._default_scalar(), values), None
        indexes = np.flatnonzero(np.asarray(missing))
        if source.missing == "absent":
            return values, indexes.tolist()
        text = b"null" if source.missing == "null" else b'""'
        [value], bad = self._validated(b"[" + text + b"]", 1)
        if bad[0]:
            return values, indexes.tolist()
        filled = [value] * len(indexes)
        return self._with_values(values, indexes, filled, np.zeros(len(indexes), bool)), None

    def _validated(self, array: bytes, count: int) -> tuple[list[Any], Mask]:
        """Validate the values of a JSON array; return them, and which of them are refused.

        Raises:
            UndecidedError: if the validator fails as a whole.
        """
        bad = np.zeros(count, bool)
        try:
            return self._call(array), bad
        except ValidationError as exc:
            places = [
                error["loc"] for error in exc.errors(include_url=False, include_context=False, include_input=False)
            ]
        if not all(places):
            raise UndecidedError  # it is not a list for pydantic's parser: a number beyond its limits
        bad[sorted({place[0] for place in places})] = True
        values: list[Any] = [None] * count
        good = np.flatnonzero(~bad).tolist()
        if good:
            kept = _chosen(array, good)
            try:
                for index, value in zip(good, self._call(kept), strict=True):
                    values[index] = value
            except ValidationError:
                raise UndecidedError from None  # its answer depends on other values
        return values, bad

    def _call(self, array: bytes) -> list[Any]:
        try:
            values: list[Any] = self._validator.validate_json(array)
        except (ValidationError, *RUN_ENDING_EXCEPTIONS):
            raise
        except BaseException as exc:
            raise UndecidedError from exc  # of one record, when it is validated by itself
        return values

    def _with_values(self, values: Any, indexes: Any, validated: list[Any], bad: Mask) -> Any:
        """Return a column with validated values in their positions.

        Raises:
            UndecidedError: if a value does not fit the type of the column.
        """
        if self._type is None:
            for index, value in zip(indexes.tolist(), validated, strict=True):
                values[index] = value
            return values
        good = indexes[~bad]
        try:
            new = array_of([v for v, b in zip(validated, bad.tolist(), strict=True) if not b], self.column)
        except ValueError as exc:
            raise UndecidedError from exc
        if len(good) == len(values):
            return new
        return replaced(values, good, new)


def _default_of(core: _Core) -> Any:
    """Return the value of a record that lacks the field; `_NO_DEFAULT` if it must have it, or the value varies."""
    if core["type"] != "default" or "default" not in core or core.get("validate_default"):
        return _NO_DEFAULT
    return _NO_DEFAULT if isinstance(core["default"], _UNHASHED) else core["default"]


def _exactly(array: bytes, exact: ExactNumbers, name: str) -> bytes:
    try:
        return exact.apply_to_values(array, name)
    except RecordError as exc:
        raise UndecidedError from exc


def _chosen(array: bytes, indexes: Sequence[int]) -> bytes:
    import msgspec  # noqa: PLC0415

    items = msgspec.json.decode(array, type=list[msgspec.Raw])
    return msgspec.json.encode([items[index] for index in indexes])
