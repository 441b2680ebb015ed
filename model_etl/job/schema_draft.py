"""Drafts a JSON Schema for `--schema` from the first records of a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model_etl.errors import DataError, printable
from model_etl.job.sample_file import SAMPLE_RECORDS, read_sample_file
from model_etl.schema.draft import draft_schema, types_of

_NESTED = {"array", "object"}


def draft_schema_file(name: str, values: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Draft a schema of the columns of a model that is a file.

    Args:
        name: of a file.
        values: of options, by name.

    Returns:
        The JSON Schema, and what a person should know of it.

    Raises:
        DataError: if the file has no records, or none of their fields can be a column.
        ModelEtlError: if it cannot be read.
    """
    sample = read_sample_file(name, values, values.get("limit") or SAMPLE_RECORDS)
    if not any(sample.records):
        raise DataError(f"the records of {printable(name)} have no fields", "Name a file with other records.")
    schema = draft_schema(sample.records, texts=sample.texts, decimal=sample.decimal)
    types = {field: types_of(declared) for field, declared in schema["properties"].items()}
    nested = [field for field, found in types.items() if found & _NESTED]
    mixed = [field for field, found in types.items() if len(found) > 1 and field not in nested]
    notices = [
        *_left_out("they hold lists or objects", nested),
        *_left_out("they hold values of several types", mixed),
    ]
    if sample.unreadable:
        notices.append(f"left out, because they cannot be read: {len(sample.unreadable)} records")
    schema["properties"] = {f: value for f, value in schema["properties"].items() if f not in {*nested, *mixed}}
    schema["required"] = [field for field in schema["required"] if field in schema["properties"]]
    if not schema["properties"]:
        raise DataError(
            f"no field of {printable(name)} can be a column: {'; '.join(notices)}",
            "Name a file whose records have a number, a boolean or a text in each field.",
        )
    return _text(schema), notices


def _left_out(cause: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield f"left out, because {cause}: {', '.join(map(printable, names))}"


def _text(schema: Mapping[str, Any]) -> str:
    """Return a schema with a line for each field, which is easy to edit."""
    fields = ",\n".join(f"    {_json(name)}: {_json(value)}" for name, value in schema["properties"].items())
    texts = {name: _json(value) for name, value in schema.items()} | {"properties": f"{{\n{fields}\n  }}"}
    lines = ",\n".join(f"  {_json(name)}: {text}" for name, text in texts.items())
    return f"{{\n{lines}\n}}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
