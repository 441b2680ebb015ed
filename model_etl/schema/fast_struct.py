"""The exact counterpart of a pydantic schema as a msgspec type, where there is one."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Optional

import msgspec

_BOUNDS = ("ge", "gt", "le", "lt")
_INT64 = 2**63


def struct_type(schema: Any, *, finite: bool = False) -> type[msgspec.Struct] | None:
    """Make the msgspec type that accepts a part of what a pydantic class accepts, with the same values.

    It reads pydantic's own core schema, which holds everything that takes part in validation, and knows a short list
    of things in it; at anything else it gives up. In fields that the schema ignores the type takes any JSON, where
    pydantic's parser ends at 200 levels and 4300 digits.

    Args:
        schema: a pydantic model class.
        finite: whether floats must be finite (for outputs, which can be made in Python).

    Returns:
        The type, or None if the schema has a rule without an exact counterpart.
    """
    try:
        return _struct(schema.__pydantic_core_schema__, schema.__name__, finite=finite)
    except _NoCounterpart:
        return None


class _NoCounterpart(Exception):
    pass


def _only(core: Mapping[str, Any], *known: str) -> None:
    if not set(core) <= {"type", "metadata", *known}:
        raise _NoCounterpart


def _struct(core: Mapping[str, Any], name: str, *, finite: bool) -> type[msgspec.Struct]:
    _only(core, "cls", "schema", "config", "ref", "custom_init", "root_model", "post_init")
    if core["type"] != "model" or core.get("custom_init") or core.get("root_model") or core.get("post_init"):
        raise _NoCounterpart
    config = core.get("config", {})
    if not set(config) <= {"title"}:
        raise _NoCounterpart
    inner = core["schema"]
    _only(inner, "fields", "model_name", "computed_fields")
    if inner["type"] != "model-fields" or inner.get("computed_fields"):
        raise _NoCounterpart
    fields: list[tuple[str, Any, Any]] = []
    for field_name, field in inner["fields"].items():
        _only(field, "schema", "validation_alias", "serialization_alias", "frozen")
        alias = field.get("validation_alias", field_name)
        if not isinstance(alias, str) or field.get("serialization_alias", alias) != alias:
            raise _NoCounterpart
        kind = field["schema"]
        default: Any = msgspec.NODEFAULT
        if kind["type"] == "default":
            _only(kind, "schema", "default")
            default = kind.get("default", msgspec.NODEFAULT)
            if not (default is None or type(default) in (bool, int, str) or _is_finite(default)):
                raise _NoCounterpart
            kind = kind["schema"]
            if finite and type(default) is int and kind["type"] == "float":
                default = float(default)  # as pydantic writes it
        fields.append((field_name, _annotation(kind, finite=finite), msgspec.field(default=default, name=alias)))
    try:
        struct = msgspec.defstruct(name, fields, kw_only=True, gc=False)
        msgspec.json.Decoder(struct)  # refuses what msgspec cannot express, such as a bound beyond its range
    except (TypeError, ValueError, OverflowError) as exc:
        raise _NoCounterpart from exc
    return struct


def _is_finite(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)


def _annotation(core: Mapping[str, Any], *, finite: bool) -> Any:
    kind = core["type"]
    if kind == "nullable":
        _only(core, "schema")
        return Optional[_annotation(core["schema"], finite=finite)]  # noqa: UP045  built at run time
    if kind == "bool":
        _only(core)
        return bool
    if kind == "literal":
        _only(core, "expected")
        if not all(type(v) is str for v in core["expected"]):
            raise _NoCounterpart
        return Literal[tuple(core["expected"])]
    if kind == "str":
        _only(core, "min_length", "max_length")
        return _bounded(str, {k: core[k] for k in ("min_length", "max_length") if k in core})
    if kind in ("int", "float"):
        _only(core, *_BOUNDS, *(("allow_inf_nan",) if kind == "float" else ()))
        bounds = {k: core[k] for k in _BOUNDS if core.get(k) is not None}
        if kind == "int":
            if not all(type(v) is int and -_INT64 <= v < _INT64 for v in bounds.values()):
                raise _NoCounterpart
            return _bounded(int, bounds)
        if finite:  # a comparison with NaN is false, so two bounds keep out all that is not finite
            bounds = bounds if {"ge", "gt"} & set(bounds) else {"ge": -sys.float_info.max, **bounds}
            bounds = bounds if {"le", "lt"} & set(bounds) else {"le": sys.float_info.max, **bounds}
        return _bounded(float, bounds)
    raise _NoCounterpart


def _bounded(base: type, bounds: Mapping[str, Any]) -> Any:
    if {"ge", "gt"} <= set(bounds) or {"le", "lt"} <= set(bounds):
        raise _NoCounterpart  # msgspec takes one bound a side
    try:
        return Annotated[base, msgspec.Meta(**bounds)] if bounds else base
    except (TypeError, ValueError, OverflowError) as exc:
        raise _NoCounterpart from exc
