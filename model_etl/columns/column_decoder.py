"""Decodes the documents of a table to columns, field by field, without building the documents."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from model_etl.columns.arrow_columns import arrow_columns, replaced
from model_etl.columns.column_records import ArrowColumns, taken
from model_etl.columns.column_types import ColumnType, column_types
from model_etl.columns.field_decoder import FieldDecoder, UndecidedError
from model_etl.schema.input_names import pydantic_names

if TYPE_CHECKING:
    from model_etl.columns.source_columns import TableDocuments
    from model_etl.schema.exact_numbers import ExactNumbers

_Core: TypeAlias = Mapping[str, Any]

_MODEL_KEYS = {"type", "metadata", "cls", "schema", "config", "ref", "custom_init", "root_model", "post_init"}
_MODEL_KEYS |= {"generic_origin", "frozen", "extra_behavior"}
_FIELDS_KEYS = {"type", "metadata", "fields", "model_name", "computed_fields", "extra_behavior"}
_FIELD_KEYS = {"type", "metadata", "schema", "validation_alias", "serialization_alias", "serialization_exclude"}
_FIELD_KEYS |= {"serialization_exclude_if", "frozen"}
_CONFIG_KEYS = {"title", "frozen", "extra_fields_behavior"}
"""The rules of a model that do not bear upon its fields."""
_OBJECT_KINDS = ("bytes", "timedelta", "time", "aware datetime")
"""The columns whose values Arrow does not return as pydantic has them."""
_PYTHON_TYPES = {"float": float, "int": int, "bool": bool}


class ColumnDecoder:
    """Decodes tables by a pydantic class whose rules are those of its fields, each by itself.

    Args:
        decoders: the decoders of its fields.
        known: the names that a table may have; None for any.
    """

    def __init__(self, decoders: Sequence[FieldDecoder], known: frozenset[str] | None) -> None:
        self._decoders = decoders
        self._known = known

    @classmethod
    def of(cls, schema: Any, exact: ExactNumbers | None, *, arrays: bool = False) -> ColumnDecoder | None:
        """Return the decoder of a class, or None if it has rules for whole records.

        Args:
            schema: the pydantic class.
            exact: rewrites numbers that pydantic would change, or None.
            arrays: whether the columns become arrays of Python objects where they are not plain numbers.
        """
        core, definitions = schema.__pydantic_core_schema__, []
        if core["type"] == "definitions":
            core, definitions = core["schema"], core["definitions"]
        by_ref = {d["ref"]: d for d in definitions}
        core = by_ref.get(core.get("schema_ref", ""), core)
        fields = _fields_of(core)
        if fields is None:
            return None
        columns = {column.name: column for column in column_types(schema)}
        decoders = []
        for name, field in fields.items():
            alias = field.get("validation_alias", name)
            if not set(field) <= _FIELD_KEYS or not isinstance(alias, str):
                return None
            if any(_reads_other_fields(part) for part in _parts(field["schema"], by_ref)):
                return None
            column: ColumnType | None = columns[name]
            if arrays:
                column = _as_array(columns[name], schema.model_fields[name].annotation, field["schema"])
            if column is None:
                return None
            decoders.append(FieldDecoder(column, alias, field["schema"], definitions, exact))
        names = pydantic_names(schema)
        return cls(decoders, names.all if names.others == "refused" else None)

    def decode(self, documents: TableDocuments, count: int) -> tuple[ArrowColumns, list[int]] | None:
        """Decode the documents of a table.

        Args:
            documents: the documents.
            count: their number.

        Returns:
            The columns by the names of the fields, and the indexes of the records that the schema may refuse, in
            ascending order; None if the records have to be decoded one by one.
        """
        if self._known is not None and not self._known.issuperset(documents.source_names):
            return None
        columns: dict[str, Any] = {}
        refused: set[int] = set()
        try:
            for decoder in self._decoders:
                decoded = decoder.decode(documents.source_column(decoder.name), count)
                columns[decoder.column.name] = decoded.values
                refused.update(decoded.refused)
        except UndecidedError:
            return None
        return columns, sorted(refused)

    def patched(
        self, columns: ArrowColumns, accepted: Mapping[int, Any], failed: Collection[int], count: int
    ) -> ArrowColumns | None:
        """Return columns with the values of some records, and without those of others.

        Args:
            columns: the columns, as `decode` returns them.
            accepted: records whose values replace those of the columns, by their indexes in ascending order.
            failed: the indexes of the records to drop.
            count: the number of records.

        Returns:
            None if no records are left, or a value does not fit its column.
        """
        if len(failed) == count:
            return None
        types = [decoder.column for decoder in self._decoders]
        if accepted:
            try:
                values = arrow_columns(list(accepted.values()), types)
            except ValueError:
                return None
            columns = {name: _with_values(column, list(accepted), values[name]) for name, column in columns.items()}
        if not failed:
            return columns
        kept = np.ones(count, bool)
        kept[list(failed)] = False
        return taken(columns, np.flatnonzero(kept))

    def to_arrays(self, columns: ArrowColumns) -> dict[str, np.ndarray[Any, Any]]:
        """Return columns as arrays: of float64, int64 and bool for such fields, of Python objects for all others."""
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for decoder in self._decoders:
            values, column = columns[decoder.column.name], decoder.column
            if column.kind in _PYTHON_TYPES and not column.nullable:
                arrays[column.name] = values.to_numpy(zero_copy_only=False)
                continue
            objects = np.empty(len(values), object)
            objects[:] = values if isinstance(values, list) else values.to_pylist()
            arrays[column.name] = objects
        for array in arrays.values():
            array.flags.writeable = False  # a batch that fails is predicted again in parts
        return arrays


def _with_values(column: Any, indexes: list[int], values: Any) -> Any:
    if isinstance(column, list):
        for index, value in zip(indexes, values, strict=True):
            column[index] = value
        return column
    return replaced(column, indexes, values)


def _fields_of(core: _Core) -> Mapping[str, _Core] | None:
    """Return the fields of a model that has no rules but those of its fields."""
    if core["type"] != "model" or not set(core) <= _MODEL_KEYS or not set(core.get("config", {})) <= _CONFIG_KEYS:
        return None
    fields: _Core = core["schema"]
    if core.get("custom_init") or core.get("root_model") or core.get("post_init") or fields["type"] != "model-fields":
        return None
    found: Mapping[str, _Core] = fields["fields"]
    return found if set(fields) <= _FIELDS_KEYS and found else None


def _parts(core: Any, definitions: Mapping[str, _Core]) -> Iterator[_Core]:
    """Yield a core schema and all parts of it, but for those of nested models."""
    pending, seen = [core], set()
    while pending:
        part = pending.pop()
        if isinstance(part, (list, tuple)):
            pending += part
        elif isinstance(part, Mapping):
            yield part
            if part.get("type") == "definition-ref" and part["schema_ref"] not in seen:
                seen.add(part["schema_ref"])
                pending.append(definitions[part["schema_ref"]])
            if part.get("type") != "model":
                pending += [value for key, value in part.items() if key != "metadata"]


def _reads_other_fields(part: _Core) -> bool:
    function = part.get("function")
    with_info = isinstance(function, Mapping) and function.get("type") == "with-info"
    return with_info or bool(part.get("default_factory_takes_data"))


def _as_array(column: ColumnType, annotation: Any, core: _Core) -> ColumnType | None:
    """Return the column of a field for an array of its values: Arrow holds those that it returns as they were.

    Returns:
        None if an array of numbers might get None.
    """
    python_type = _PYTHON_TYPES.get(column.kind)
    if annotation in _PYTHON_TYPES.values():
        return column if annotation is python_type and not column.nullable else None
    default = core.get("default") if core["type"] == "default" else None
    same = python_type is None or default is None or type(default) is python_type
    if column.wrapped or column.kind in _OBJECT_KINDS or not same:
        return dataclasses.replace(column, kind="object")
    return dataclasses.replace(column, nullable=True)
