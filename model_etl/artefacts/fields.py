"""The fields of a model's records, and the pydantic class of them."""

from __future__ import annotations

import datetime
import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Optional

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NaiveDatetime, create_model

_TYPES: Mapping[str, Any] = {
    "number": float,
    "integer": int,
    "boolean": bool,
    "string": str,
    "date": datetime.date,
    "datetime": AwareDatetime,
    "datetime-local": NaiveDatetime,
}


@dataclass(frozen=True)
class FieldSpec:
    """One field.

    Attributes:
        name: in the records.
        type: a key of `_TYPES`.
        nullable: whether null is one of its values.
        required: whether a record without it is invalid.
        values: its only values, or None for any.
        bounds: arguments of `pydantic.Field`: ge, gt, le, lt, multiple_of, min_length, max_length, pattern.
        default: its value if a record lacks it; only if it is not required.
        description: for people.
        unread: whether the model does not read it.
    """

    name: str
    type: str
    nullable: bool = False
    required: bool = True
    values: tuple[Any, ...] | None = None
    bounds: Mapping[str, Any] = field(default_factory=dict)
    default: Any = None
    description: str | None = None
    unread: bool = False


def schema_class(name: str, fields: Sequence[FieldSpec], *, closed: bool = False) -> type[BaseModel]:
    """Return the pydantic class of records with some fields.

    Args:
        name: of the class.
        fields: the fields.
        closed: whether records with other fields are refused.
    """
    definitions: dict[str, Any] = {}
    for number, spec in enumerate(fields):
        attribute = spec.name if _is_attribute(spec.name) else f"field_{number}_"
        options: dict[str, Any] = {} if attribute == spec.name else {"alias": spec.name}
        if not spec.required:
            options["default"] = spec.default
        if spec.description:
            options["description"] = spec.description
        definitions[attribute] = (_annotation(spec), Field(**options))
    config: Any = ConfigDict(extra="forbid") if closed else None
    model: type[BaseModel] = create_model(name, __config__=config, **definitions)
    return model


def _is_attribute(name: str) -> bool:
    """Return whether a field of pydantic can have a name."""
    return (
        name.isidentifier()
        and name.isascii()
        and not keyword.iskeyword(name)
        and not name.startswith(("_", "model_", "field_"))
        and not hasattr(BaseModel, name)
    )


def _annotation(spec: FieldSpec) -> Any:
    annotation: Any = Literal[spec.values] if spec.values is not None else _TYPES[spec.type]
    if spec.bounds:
        annotation = Annotated[annotation, Field(**spec.bounds)]
    return Optional[annotation] if spec.nullable else annotation  # noqa: UP045  built at run time
