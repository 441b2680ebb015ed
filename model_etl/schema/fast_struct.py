"""The msgspec type that validates exactly as a pydantic schema does, if there is such a type."""

from __future__ import annotations

import datetime
import math
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Optional

import msgspec

_BOUNDS = ("ge", "gt", "le", "lt")
_INT64_LIMIT = 2**63

_Core = Mapping[str, Any]
"""A part of a pydantic core schema (https://docs.pydantic.dev/latest/api/pydantic_core_schema/)."""


def fast_struct_for(schema: Any, *, finite: bool = False) -> type[msgspec.Struct] | None:
    """Build a msgspec type that accepts a subset of what a pydantic class accepts, with the same values.

    pydantic's core schema holds everything that takes part in validation. Only a short list of its elements is
    translated; any other element means that there is no such type. In fields that the schema ignores, the type accepts
    any JSON, where pydantic's parser is limited to 200 levels and 4300 digits.

    Args:
        schema: a pydantic model class.
        finite: whether floats must be finite (for outputs, which can be made in Python).

    Returns:
        The type, or None if the schema has a rule that msgspec cannot express exactly.
    """
    try:
        return _struct(schema.__pydantic_core_schema__, schema, finite=finite)
    except _NotExpressible:
        return None


class _NotExpressible(Exception):
    """The schema has an element without an exact equivalent."""


def _require_known_keys(core: _Core, *known: str) -> None:
    if not set(core) <= {"type", "metadata", *known}:
        raise _NotExpressible


def _struct(core: _Core, schema: Any, *, finite: bool) -> type[msgspec.Struct]:
    fields = [
        _struct_field(field_name, field, finite=finite) for field_name, field in _model_fields(core)["fields"].items()
    ]
    try:
        names = {"__input_schema__": schema}  # for those who get such records instead of the schema's own
        struct = msgspec.defstruct(schema.__name__, fields, kw_only=True, gc=False, namespace=names)
        msgspec.json.Decoder(struct)  # refuses what msgspec cannot express, such as a bound beyond its range
    except (TypeError, ValueError, OverflowError) as exc:
        raise _NotExpressible from exc
    return struct


def _model_fields(core: _Core) -> _Core:
    """Return the fields of a model that has nothing but fields."""
    _require_known_keys(core, "cls", "schema", "config", "ref", "custom_init", "root_model", "post_init")
    if core["type"] != "model" or core.get("custom_init") or core.get("root_model") or core.get("post_init"):
        raise _NotExpressible
    if not set(core.get("config", {})) <= {"title"}:
        raise _NotExpressible
    fields: _Core = core["schema"]
    _require_known_keys(fields, "fields", "model_name", "computed_fields")
    if fields["type"] != "model-fields" or fields.get("computed_fields"):
        raise _NotExpressible
    return fields


def _struct_field(name: str, field: _Core, *, finite: bool) -> tuple[str, Any, Any]:
    _require_known_keys(field, "schema", "validation_alias", "serialization_alias", "frozen")
    alias = field.get("validation_alias", name)
    if not isinstance(alias, str) or field.get("serialization_alias", alias) != alias:
        raise _NotExpressible
    core: _Core = field["schema"]
    default: Any = msgspec.NODEFAULT
    if core["type"] == "default":
        _require_known_keys(core, "schema", "default")
        default = core.get("default", msgspec.NODEFAULT)
        core = core["schema"]
        if not (default is None or type(default) in (bool, int, str) or _is_finite_float(default)):
            raise _NotExpressible
        if finite and type(default) is int and core["type"] == "float":
            default = float(default)  # as pydantic writes it
    return name, _annotation(core, finite=finite), msgspec.field(default=default, name=alias)


def _is_finite_float(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)


def _annotation(core: _Core, *, finite: bool) -> Any:
    """Return the type annotation of a field for `msgspec.defstruct`."""
    build = _ANNOTATIONS.get(core["type"])
    if build is None:
        raise _NotExpressible
    return build(core, finite)


def _nullable(core: _Core, finite: bool) -> Any:
    _require_known_keys(core, "schema")
    return Optional[_annotation(core["schema"], finite=finite)]  # noqa: UP045  built at run time


def _bool(core: _Core, _finite: bool) -> Any:
    _require_known_keys(core)
    return bool


def _literal(core: _Core, _finite: bool) -> Any:
    _require_known_keys(core, "expected")
    if not all(type(v) is str for v in core["expected"]):
        raise _NotExpressible
    return Literal[tuple(core["expected"])]


def _str(core: _Core, _finite: bool) -> Any:
    _require_known_keys(core, "min_length", "max_length")
    return _constrained(str, {k: core[k] for k in ("min_length", "max_length") if k in core})


def _date(core: _Core, finite: bool) -> Any:
    _require_known_keys(core, "microseconds_precision")
    if finite:  # an output is made in Python, where a time is a date too
        raise _NotExpressible
    return datetime.date  # msgspec accepts YYYY-MM-DD only


def _int(core: _Core, _finite: bool) -> Any:
    _require_known_keys(core, *_BOUNDS)
    bounds = _bounds(core)
    if not all(type(v) is int and -_INT64_LIMIT <= v < _INT64_LIMIT for v in bounds.values()):
        raise _NotExpressible
    return _constrained(int, bounds)


def _float(core: _Core, finite: bool) -> Any:
    _require_known_keys(core, *_BOUNDS, "allow_inf_nan")
    bounds = _bounds(core)
    if finite:  # a comparison with NaN is false, so a bound on each side excludes NaN and the infinities
        bounds = bounds if {"ge", "gt"} & set(bounds) else {"ge": -sys.float_info.max, **bounds}
        bounds = bounds if {"le", "lt"} & set(bounds) else {"le": sys.float_info.max, **bounds}
    return _constrained(float, bounds)


_ANNOTATIONS: dict[str, Callable[[_Core, bool], Any]] = {
    "nullable": _nullable,
    "bool": _bool,
    "literal": _literal,
    "str": _str,
    "date": _date,
    "int": _int,
    "float": _float,
}
"""The function that builds the annotation, by the type of the core schema."""


def _bounds(core: _Core) -> dict[str, Any]:
    return {k: core[k] for k in _BOUNDS if core.get(k) is not None}


def _constrained(base: type, constraints: Mapping[str, Any]) -> Any:
    if {"ge", "gt"} <= set(constraints) or {"le", "lt"} <= set(constraints):
        raise _NotExpressible  # msgspec allows one bound on each side
    try:
        return Annotated[base, msgspec.Meta(**constraints)] if constraints else base
    except (TypeError, ValueError, OverflowError) as exc:
        raise _NotExpressible from exc
