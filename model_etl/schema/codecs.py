"""A model's schemas: JSON text in, typed inputs out; outputs in, checked JSON text out.

Two kinds of schema are known: pydantic model classes (ml_base), and any object with a `validate` method that returns
or raises (the `schema` library of the older ml_model_abc). Where every rule of a pydantic schema has an exact
counterpart, msgspec does the work many times faster; what it refuses is offered to the schema itself, which has the
last word. So the fast path may only accept what the schema accepts, with the same values.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from model_etl.errors import RecordError, RecordStep
from model_etl.records.batch import Batch
from model_etl.records.lazy_sequences import LineBlock
from model_etl.records.library_values import ExactText
from model_etl.records.strict_json import NotJsonError, encode_json, parse_object, refuse_inexact, with_own_types
from model_etl.schema.columns import ColumnSchema, Table, arrays
from model_etl.schema.exact_numbers import ExactNumbers
from model_etl.schema.fast_struct import struct_type
from model_etl.schema.fields import Field, fields_of
from model_etl.schema.places import place_of

_ENCODER = msgspec.json.Encoder()


class InputSchema:
    """Decodes records into what a model takes.

    Args:
        schema: the model's input schema.
        attributes: whether the model only reads attributes (`predict_batch`), so that a faster object will do.
        columns: whether it takes columns, so that records are made into those at once.
    """

    def __init__(self, schema: Any, *, attributes: bool = False, columns: bool = False) -> None:
        self.schema = schema
        self._pydantic = is_pydantic(schema)
        self._kinds = {n: f.annotation for n, f in schema.model_fields.items()} if self._pydantic else {}
        self._exact = ExactNumbers.of(schema) if self._pydantic else None
        struct = struct_type(schema) if attributes and self._pydantic else None
        decoder = msgspec.json.Decoder(struct) if struct else None
        self._fast = decoder.decode if decoder else None
        self._fast_lines = decoder.decode_lines if decoder else None
        self._struct = struct if columns else None
        self._columns = ColumnSchema.of(struct) if struct and columns else None

    def decode(self, document: bytes) -> Any:
        """Decode one record by the schema itself.

        Raises:
            RecordError: with stage "parse" if it is no JSON object, "input_schema" if the schema refuses it.
        """
        value = parse_object(document)
        try:
            if not self._pydantic:
                return self._validated(value)
            return self.schema.model_validate_json(self._exact.apply(document) if self._exact else document)
        except (Exception, SystemExit) as exc:
            raise schema_error("input_schema", exc) from exc

    def _validated(self, value: dict[str, Any]) -> Any:
        self.schema.validate(value)
        return value  # an older model's predict() validates again, so it gets the record as it was

    def decode_batch(self, batch: Batch) -> Batch:
        """Fill the inputs of a batch; records that the schema refuses drop out."""
        if (whole := self._whole(batch.documents)) is not None:
            return batch.replace(inputs=self._in_columns(whole))
        inputs: list[Any] = []
        failed: dict[int, RecordError] = {}
        decode = self._fast or self.decode
        documents = iter(batch.documents)
        while True:
            try:
                inputs.extend(map(decode, documents))  # keeps what was decoded before a document that fails
                decoded = batch.replace(inputs=inputs).without(failed)
                return decoded.replace(inputs=self._in_columns(decoded.inputs))
            except (ValueError, RecursionError, RecordError):
                index = len(inputs)
                try:
                    inputs.append(self.decode(batch.documents[index]))
                except RecordError as error:
                    failed[index] = error.without_traceback()
                    inputs.append(None)

    def _whole(self, documents: Sequence[bytes]) -> Sequence[Any] | None:
        """Decode all documents in one call; None if that cannot be done, or if one of them is at fault."""
        if self._columns and (table := self._columns.table(documents)) is not None:
            return table
        if self._fast_lines is None or not isinstance(documents, LineBlock):
            return None
        try:
            records = self._fast_lines(documents.block)
        except (ValueError, RecursionError):
            return None
        # LineBlock end where objects end, so as many records as lines are one on each line.
        return records if len(records) == len(documents) else None

    def _in_columns(self, records: Sequence[Any]) -> Sequence[Any]:
        """Make columns of records, which are smaller and pass from thread to thread at no cost."""
        if self._struct is None or not records or isinstance(records, Table):
            return records
        try:
            return Table(arrays(records, self._kinds), self._struct)
        except OverflowError:
            return records  # the model's step finds out which

    def kinds(self) -> dict[str, Any]:
        """Give the types of the fields by attribute; nothing, if the schema is no pydantic class."""
        return self._kinds

    def validate(self, data: Mapping[str, Any]) -> Any:
        """Validate one record given as Python values; raises the schema's own exception."""
        return self.schema.model_validate(data) if self._pydantic else self.schema.validate(dict(data))

    def fields(self) -> dict[str, Field]:
        """Tell what the cells of a text format mean: names as in the records, in the schema's order."""
        fields = fields_of(self.json_schema())
        if not self._pydantic:
            return fields
        place = place_of(self.schema)
        return {name: dataclasses.replace(field, place=place.member(name)) for name, field in fields.items()}

    def json_schema(self) -> dict[str, Any]:
        """Give the JSON Schema of the records; empty where the schema cannot tell."""
        return json_schema(self.schema, "validation")


class OutputSchema:
    """Checks what a model returned and encodes it as strict JSON.

    Args:
        schema: the model's output schema.
    """

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self._pydantic = is_pydantic(schema)
        self._struct = struct_type(schema, finite=True) if self._pydantic else None
        self._kinds = (schema, Mapping) if self._pydantic else ()
        self._names = (
            {name: _input_name(name, field) for name, field in schema.model_fields.items()} if self._pydantic else {}
        )
        accepts_fallback = self._pydantic and "fallback" in inspect.signature(schema.model_dump).parameters
        self._fallback: dict[str, Any] = {"fallback": _exact_text} if accepts_fallback else {}
        self._is_root = bool(getattr(schema, "__pydantic_root_model__", False))

    def encode_batch(
        self, outputs: Sequence[Any], stage: RecordStep = "output_schema"
    ) -> tuple[Sequence[bytes], dict[int, RecordError]]:
        """Encode outputs as one line of JSON each.

        Returns:
            The lines (empty for an output that is refused), and the reason for each index refused.
        """
        if isinstance(outputs, Table):
            if (encoded := self._encode_table(outputs)) is not None:
                return encoded, {}
            outputs = list(outputs)
        if self._struct is not None and all(issubclass(kind, self._kinds) for kind in set(map(type, outputs))):
            try:
                checked = msgspec.convert(outputs, list[self._struct], from_attributes=True)  # type: ignore[name-defined]
                return LineBlock(_ENCODER.encode_lines(checked)[:-1], len(outputs)) if checked else [], {}
            except (ValueError, TypeError, RecursionError):
                pass  # one of them is at fault: find out which
        lines: list[bytes] = []
        failed: dict[int, RecordError] = {}
        for index, output in enumerate(outputs):
            try:
                lines.append(self.encode(output, stage))
            except RecordError as exc:
                failed[index] = exc
                lines.append(b"")
        return lines, failed

    def _encode_table(self, outputs: Table) -> Sequence[bytes] | None:
        """Encode each different output once; None if that is no gain, or if one is refused."""
        rows = outputs.repeated()
        distinct = set(rows)
        if not 0 < len(distinct) <= len(rows) // 2:
            return None
        lines, failed = self.encode_batch(outputs.made(distinct))
        if failed:
            return None
        line_of = dict(zip(distinct, lines, strict=True))
        return LineBlock(b"\n".join(map(line_of.__getitem__, rows)), len(rows))

    def encode(self, output: Any, stage: RecordStep = "output_schema") -> bytes:
        """Encode one output by the schema itself.

        Raises:
            RecordError: with the given stage, if the schema refuses it or it is no strict JSON.
        """
        try:
            if self._struct is not None and isinstance(output, self._kinds):
                try:
                    return _ENCODER.encode(msgspec.convert(output, self._struct, from_attributes=True))
                except (ValueError, TypeError, RecursionError):
                    pass  # the schema has the last word
            checked = self._checked(output)
            if not isinstance(checked, Mapping):
                raise NotJsonError(f"the model returned {type(output).__name__}, not a mapping of names to values")
            return encode_json(checked)
        except NotJsonError as exc:
            raise RecordError(stage, "NotJSON", f"the output is no strict JSON: {exc}") from exc
        except (Exception, SystemExit) as exc:
            raise schema_error(stage, exc) from exc

    def _checked(self, output: Any) -> Any:
        if not self._pydantic:
            if isinstance(output, Mapping):
                self.schema.validate(output)
            return output
        if isinstance(output, self.schema):  # it may have been changed since it was made
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
        """Check one output and give it as plain JSON values."""
        return cast("dict[str, Any]", msgspec.json.decode(self.encode(output)))

    def fields(self) -> dict[str, Field]:
        """Tell the columns of the outputs: names as in the JSON, in the schema's order."""
        return fields_of(self.json_schema())

    def json_schema(self) -> dict[str, Any]:
        """Give the JSON Schema of the outputs; empty where the schema cannot tell."""
        return json_schema(self.schema, "serialization")


def _exact_text(value: Any) -> str:
    """Return the text of a value that pydantic does not know.

    Raises:
        TypeError: if it has none.
    """
    if not isinstance(value, ExactText):
        raise TypeError(f"unable to serialize the type {type(value).__name__}")
    return str(value)


def _input_name(name: str, field: Any) -> str:
    """Tell by which name a pydantic schema takes a field."""
    alias = field.validation_alias
    options = getattr(alias, "choices", [alias])
    return next((option for option in options if isinstance(option, str)), name)


def schema_error(stage: RecordStep, exc: BaseException) -> RecordError:
    """Turn what a schema raised into the reason of a reject; pydantic's says which field, without the value."""
    if isinstance(exc, RecordError):
        return exc
    errors: Callable[..., Iterable[Mapping[str, Any]]] | None = getattr(exc, "errors", None)
    if callable(errors) and type(exc).__name__ == "ValidationError":
        details = errors(include_url=False, include_context=False, include_input=False)
        said = "; ".join([f"{'.'.join(map(str, e['loc'])) or 'record'}: {e['msg']}" for e in details])
        return RecordError(stage, "ValidationError", said)
    return RecordError(stage, type(exc).__name__, str(exc))


def is_pydantic(schema: Any) -> bool:
    """Tell whether a schema is a class of pydantic 2, without importing pydantic."""
    return isinstance(schema, type) and hasattr(schema, "model_validate_json")


def json_schema(schema: Any, mode: str) -> dict[str, Any]:
    """Give a schema's JSON Schema; empty where the schema cannot tell."""
    describe = getattr(schema, "json_schema", None)  # the `schema` library
    try:
        if is_pydantic(schema):
            return cast("dict[str, Any]", schema.model_json_schema(mode=mode))
        return cast("dict[str, Any]", describe("urn:model-etl:schema")) if callable(describe) else {}
    except Exception:  # noqa: BLE001  neither can describe every type and validator
        return {}
