"""The JSON Schema of a schema, field by field: a field that it cannot describe may be anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast


def is_pydantic(schema: Any) -> bool:
    """Return whether a schema is a pydantic 2 class, without importing pydantic."""
    return isinstance(schema, type) and hasattr(schema, "model_validate_json")


def json_schema(schema: Any, mode: str) -> dict[str, Any]:
    """Return the JSON Schema of a schema, for "validation" or "serialization"; empty if it has none."""
    describe = getattr(schema, "json_schema", None)  # the `schema` library
    try:
        if is_pydantic(schema):
            return _of_pydantic(schema, mode)
        return _of_library(schema, describe) if callable(describe) else {}
    except Exception:  # noqa: BLE001  neither library describes every type and validator
        return {}


def _of_pydantic(schema: Any, mode: str) -> dict[str, Any]:
    from pydantic.json_schema import GenerateJsonSchema  # noqa: PLC0415  the class has imported it

    class FieldByField(GenerateJsonSchema):
        """Describes what it cannot describe as anything at all, where pydantic gives up the whole schema."""

        def generate_inner(self, schema: Any) -> Any:
            """Return the description of a part of the schema."""
            try:
                return super().generate_inner(schema)
            except Exception:
                if schema.get("type") in ("model", "model-fields", "definitions"):
                    raise
                return {}

        def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Any:  # noqa: ARG002
            """Return the description of a part that pydantic has none for."""
            return {}

        def emit_warning(self, kind: Any, detail: str) -> None:
            """Leave out warnings, such as of a default that JSON cannot hold."""

    return cast("dict[str, Any]", schema.model_json_schema(mode=mode, schema_generator=FieldByField))


def _of_library(schema: Any, describe: Callable[[str], Any]) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", describe("urn:model-etl:schema"))
    except Exception:
        if not isinstance(getattr(schema, "schema", None), Mapping):
            raise
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, described in _members(schema):
        properties.update(described.get("properties", {name: {}} if isinstance(name, str) else {}))
        required += described.get("required", [])
    ignores = bool(getattr(schema, "ignore_extra_keys", False))
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": ignores}


def _members(schema: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the members of an object's schema, each with its JSON Schema; empty if the member has none."""
    for name, value in schema.schema.items():
        try:
            yield name, type(schema)({name: value}).json_schema("urn:model-etl:schema")
        except Exception:  # noqa: BLE001
            key = getattr(name, "schema", name)
            yield key, {"properties": {key: {}}} if isinstance(key, str) else {}
