"""A model's schemas: documents are decoded to validated inputs, and outputs are validated and encoded as JSON.

A schema is a pydantic model class (ml_base), or any object with a `validate` method that returns or raises (the
`schema` library of the older ml_model_abc). If msgspec can express every rule of a pydantic schema, it validates many
times faster; a record that it refuses is validated again by the schema itself, which decides. So the fast path may only
accept what the schema accepts, with the same values.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import msgspec

from model_etl.errors import RUN_ENDING_EXCEPTIONS, RecordError, RecordStep
from model_etl.records.batch import Batch
from model_etl.records.lazy_sequences import LineBlock
from model_etl.records.library_values import ExactText
from model_etl.records.strict_json import NotJsonError, encode_json, parse_object, refuse_inexact, with_own_types
from model_etl.schema.columns import ColumnSchema, Table, records_to_arrays
from model_etl.schema.exact_numbers import ExactNumbers
from model_etl.schema.fast_struct import fast_struct_for
from model_etl.schema.fields import Field, Fields, fields_of, input_fields
from model_etl.schema.input_names import InputNames, Others, pydantic_names
from model_etl.schema.json_schema import is_pydantic, json_schema
from model_etl.schema.schema_parts import schema_part_of

if TYPE_CHECKING:
    from model_etl.schema.output_columns import OutputColumns

__all__ = ["InputSchema", "OutputSchema", "is_pydantic", "schema_error"]

_ENCODER = msgspec.json.Encoder()
_FEW_OUTPUTS = 100
"""Fewer outputs than these are encoded one by one, which is faster."""
_BEYOND_PARSER = "record: Invalid JSON"
"""The start of pydantic's message for JSON that is beyond the limits of its parser."""


class InputSchema:
    """Decodes documents to a model's inputs.

    Args:
        schema: the model's input schema.
        attributes: whether the model only reads attributes of its inputs (`predict_batch`), so that a faster type than
            the schema's own can be used.
        columns: whether the model takes columns, so that records are decoded to a `Table`.
    """

    def __init__(self, schema: Any, *, attributes: bool = False, columns: bool = False) -> None:
        self.schema = schema
        self._pydantic = is_pydantic(schema)
        self.field_types = _field_types(schema) if self._pydantic else {}
        self._names = pydantic_names(schema) if self._pydantic else InputNames()
        self._exact = ExactNumbers.of(schema) if self._pydantic else None
        struct = fast_struct_for(schema) if attributes and self._pydantic else None
        decoder = msgspec.json.Decoder(struct) if struct else None
        self._fast = decoder.decode if decoder else None
        self._fast_lines = decoder.decode_lines if decoder else None
        self._struct = struct if columns else None
        self._columns = ColumnSchema.of(struct) if struct and columns else None

    def decode(self, document: bytes) -> Any:
        """Decode one document by the schema itself.

        Raises:
            RecordError: with stage "parse" if it is not a JSON object, "input_schema" if the schema refuses it.
        """
        try:
            return self._decode(document)
        except RecordError as error:
            beyond_parser = error.stage == "parse" or error.message.startswith(_BEYOND_PARSER)
            readable = self._without_unread_fields(document) if beyond_parser else None
            if readable is None:
                raise
        return self._decode(readable)

    def _decode(self, document: bytes) -> Any:
        value = parse_object(document)
        try:
            if not self._pydantic:
                return self._validated(value)
            return self.schema.model_validate_json(self._exact.apply(document) if self._exact else document)
        except RUN_ENDING_EXCEPTIONS:
            raise
        except BaseException as exc:
            raise schema_error("input_schema", exc) from exc

    def _without_unread_fields(self, document: bytes) -> bytes | None:
        """Return a document without the fields that the schema ignores, or None if it has none.

        JSON has no limits, but parsers have: integers of more than 4300 digits, more than 200 levels. What is beyond
        them costs no record where nobody reads it.
        """
        if self._names.others != "ignored":
            return None
        try:
            members = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
        except (ValueError, RecursionError):
            return None
        read = {name: value for name, value in members.items() if name in self._names.all}
        return msgspec.json.encode(read) if len(read) < len(members) else None

    def _validated(self, value: dict[str, Any]) -> Any:
        self.schema.validate(value)
        return value  # an older model's predict() validates again, so it gets the original record

    def decode_batch(self, batch: Batch) -> Batch:
        """Return a batch with its inputs decoded; records that the schema refuses become rejections."""
        if (inputs := self._decode_all_at_once(batch.documents)) is not None:
            return batch.replace(inputs=self._to_columns(inputs))
        decoded = self._decode_one_by_one(batch)
        return decoded.replace(inputs=self._to_columns(decoded.inputs))

    def _decode_one_by_one(self, batch: Batch) -> Batch:
        inputs: list[Any] = []
        failed: dict[int, RecordError] = {}
        decode = self._fast or self.decode
        documents = iter(batch.documents)
        while True:
            try:
                # A document that fails ends `extend`, which keeps the inputs before it: that document's index is
                # len(inputs). The schema itself decodes it, and the loop goes on with the next document.
                inputs.extend(map(decode, documents))
                return batch.replace(inputs=inputs).without(failed)
            except (ValueError, RecursionError, RecordError):
                index = len(inputs)
                try:
                    inputs.append(self.decode(batch.documents[index]))
                except RecordError as error:
                    failed[index] = error.without_traceback()
                    inputs.append(None)

    def _decode_all_at_once(self, documents: Sequence[bytes]) -> Sequence[Any] | None:
        """Decode all documents in one call; None if that is not possible, or if one of them is refused."""
        if self._columns and (table := self._columns.table(documents)) is not None:
            return table
        if self._fast_lines is None or not isinstance(documents, LineBlock):
            return None
        try:
            records = self._fast_lines(documents.block)
        except (ValueError, RecursionError):
            return None
        # Each line of a block ends with an object, so as many records as lines means one record a line.
        return records if len(records) == len(documents) else None

    def _to_columns(self, records: Sequence[Any]) -> Sequence[Any]:
        """Return records as columns if the model takes columns, which need less memory than objects."""
        if self._struct is None or not records or isinstance(records, Table):
            return records
        try:
            return Table(records_to_arrays(records, self.field_types), self._struct)
        except OverflowError:
            return records  # the model step finds the record

    def validate(self, data: Mapping[str, Any]) -> Any:
        """Validate one record given as Python values. The schema's own exception is raised."""
        return self.schema.model_validate(data) if self._pydantic else self.schema.validate(dict(data))

    def fields(self) -> Fields:
        """Return the fields of the records by name, in the schema's order; empty if it does not declare them."""
        if self._pydantic:
            return input_fields(self.json_schema(), self._names, schema_part_of(self.schema))
        declared = self.json_schema()
        others: Others = "read" if declared.get("additionalProperties", True) else "refused"
        return input_fields(declared, InputNames(others=others))

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the records; empty if the schema has none."""
        return json_schema(self.schema, "validation")


class OutputSchema:
    """Validates a model's outputs and encodes them as strict JSON.

    Args:
        schema: the model's output schema.
    """

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self._pydantic = is_pydantic(schema)
        self._struct = fast_struct_for(schema, finite=True) if self._pydantic else None
        self._types = (schema, Mapping) if self._pydantic else ()
        self._names = (
            {name: _input_name(name, field) for name, field in schema.model_fields.items()} if self._pydantic else {}
        )
        accepts_fallback = self._pydantic and "fallback" in inspect.signature(schema.model_dump).parameters
        self._fallback: dict[str, Any] = {"fallback": _exact_text} if accepts_fallback else {}
        self._is_root = bool(getattr(schema, "__pydantic_root_model__", False))

    @property
    def accepted_names(self) -> list[str]:
        """The names by which a pydantic schema accepts its fields, in its order; empty for other schemas."""
        return list(self._names.values())

    @cached_property
    def required_names(self) -> frozenset[str]:
        """The names of fields without which no output is valid; empty if the schema has rules of its own."""
        if self._struct is None:
            return frozenset()
        return frozenset(field.encode_name for field in msgspec.structs.fields(self._struct) if field.required)

    def encode_batch(
        self, outputs: Sequence[Any], stage: RecordStep = "output_schema"
    ) -> tuple[Sequence[bytes], dict[int, RecordError]]:
        """Encode each output as one line of JSON.

        Returns:
            The lines, empty where an output is refused, and the reasons by index.
        """
        if isinstance(outputs, Table):
            if (rows := self._encode_columns(outputs)) is not None:
                return rows, {}
            if (encoded := self._encode_table(outputs)) is not None:
                return encoded, {}
            outputs = list(outputs)
        if self._struct is not None and all(
            issubclass(output_type, self._types) for output_type in set(map(type, outputs))
        ):
            try:
                checked = msgspec.convert(outputs, list[self._struct], from_attributes=True)  # type: ignore[name-defined]
                if (rows := self._encode_structs(checked)) is not None:
                    return rows, {}
                return LineBlock(_ENCODER.encode_lines(checked)[:-1], len(outputs)) if checked else [], {}
            except (ValueError, TypeError, RecursionError):
                pass  # one of them is refused: encode them one by one
        lines: list[bytes] = []
        failed: dict[int, RecordError] = {}
        for index, output in enumerate(outputs):
            try:
                lines.append(self.encode(output, stage))
            except RecordError as exc:
                failed[index] = exc
                lines.append(b"")
        return lines, failed

    def _encode_columns(self, outputs: Table) -> Sequence[bytes] | None:
        """Encode outputs by the column; None if that costs more than it saves, or if the schema may refuse one."""
        # Importing pyarrow takes as long as the objects of some 100,000 outputs.
        if self._struct is None or len(outputs) < _FEW_OUTPUTS or "pyarrow" not in sys.modules:
            return None
        columns = self._output_columns
        return None if columns is None else columns.check(outputs.columns, len(outputs))

    def _encode_structs(self, outputs: Sequence[Any]) -> Sequence[bytes] | None:
        """Encode checked outputs by the column, as `_encode_columns` does: they are written faster then."""
        if self._struct is None or len(outputs) < _FEW_OUTPUTS or "pyarrow" not in sys.modules:
            return None
        values = zip(*map(msgspec.structs.astuple, outputs), strict=True)
        columns = dict(zip(self._struct.__struct_encode_fields__, map(list, values), strict=True))
        return self._encode_columns(Table(columns, dict)) if columns else None

    @cached_property
    def _output_columns(self) -> OutputColumns | None:
        from model_etl.schema.output_columns import OutputColumns  # noqa: PLC0415  it imports pyarrow

        return None if self._struct is None else OutputColumns.of(self._struct)

    def _encode_table(self, outputs: Table) -> Sequence[bytes] | None:
        """Encode each distinct output once; None if that does not save anything, or if one is refused."""
        rows = outputs.row_keys()
        distinct = set(rows)
        if not 0 < len(distinct) <= len(rows) // 2:
            return None
        lines, failed = self.encode_batch(outputs.build_objects(distinct))
        if failed:
            return None
        line_of = dict(zip(distinct, lines, strict=True))
        return LineBlock(b"\n".join(map(line_of.__getitem__, rows)), len(rows))

    def encode(self, output: Any, stage: RecordStep = "output_schema") -> bytes:
        """Encode one output.

        Raises:
            RecordError: with the given stage, if the schema refuses it or it has no strict JSON form.
        """
        try:
            if self._struct is not None and isinstance(output, self._types):
                try:
                    return _ENCODER.encode(msgspec.convert(output, self._struct, from_attributes=True))
                except (ValueError, TypeError, RecursionError):
                    pass  # the schema decides
            checked = self._validate(output)
            if not isinstance(checked, Mapping):
                raise NotJsonError(f"the model returned {type(output).__name__}, not a mapping of names to values")
            return encode_json(checked)
        except NotJsonError as exc:
            raise RecordError(stage, "NotJSON", f"the output has no strict JSON form: {exc}") from exc
        except RUN_ENDING_EXCEPTIONS:
            raise
        except BaseException as exc:
            raise schema_error(stage, exc) from exc

    def _validate(self, output: Any) -> Any:
        if not self._pydantic:
            if isinstance(output, Mapping):
                self.schema.validate(output)
            return output
        if isinstance(output, self.schema):  # may have been modified since it was validated
            output = {self._names.get(name, name): value for name, value in output}
            output = output["root"] if self._is_root else output
        checked = self.schema.model_validate(with_own_types(output))
        refuse_inexact(checked.model_dump(by_alias=True))
        try:
            return checked.model_dump(mode="json", by_alias=True, **self._fallback)
        except (ValueError, TypeError) as exc:  # it does not name the field
            raise NotJsonError(f"{self._unwritable_field(checked)}{exc}") from exc

    def _unwritable_field(self, checked: Any) -> str:
        """Return the name of the first field that cannot be written, for a message."""
        for name in type(checked).model_fields:
            try:
                checked.model_dump(mode="json", include={name}, **self._fallback)
            except (ValueError, TypeError):
                return f"{name}: "
        return ""

    def decoded(self, output: Any) -> dict[str, Any]:
        """Validate one output and return it as JSON values."""
        return cast("dict[str, Any]", msgspec.json.decode(self.encode(output)))

    def fields(self) -> dict[str, Field]:
        """Return the fields of the outputs by name, in the schema's order; empty if it does not declare them."""
        return fields_of(self.json_schema(), outputs=True)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the outputs; empty if the schema has none."""
        return json_schema(self.schema, "serialization")


def _exact_text(value: Any) -> str:
    """Return the text of a value that pydantic does not know.

    Raises:
        TypeError: if it has none.
    """
    if not isinstance(value, ExactText):
        raise TypeError(f"unable to serialize the type {type(value).__name__}")
    return str(value)


def _field_types(schema: Any) -> dict[str, Any]:
    """Return the annotations of a pydantic schema by attribute."""
    return {name: field.annotation for name, field in schema.model_fields.items()}


def _input_name(name: str, field: Any) -> str:
    """Return the name by which a pydantic schema accepts a field."""
    alias = field.validation_alias
    options = getattr(alias, "choices", [alias])
    return next((option for option in options if isinstance(option, str)), name)


def schema_error(stage: RecordStep, exc: BaseException) -> RecordError:
    """Return the error for a record that a schema refused; pydantic's message names the field, without its value."""
    if isinstance(exc, RecordError):
        return exc
    errors: Callable[..., Iterable[Mapping[str, Any]]] | None = getattr(exc, "errors", None)
    if callable(errors) and type(exc).__name__ == "ValidationError":
        details = errors(include_url=False, include_context=False, include_input=False)
        message = "; ".join([f"{'.'.join(map(str, e['loc'])) or 'record'}: {e['msg']}" for e in details])
        return RecordError(stage, "ValidationError", message)
    return RecordError(stage, type(exc).__name__, str(exc))
