"""The fields of the records of an artefact: what it tells of its columns, and what `--schema` tells of the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from model_etl.artefacts.fields import FieldSpec
from model_etl.artefacts.file import ArtefactFile
from model_etl.artefacts.predictor import Column, Predictor
from model_etl.artefacts.schema_file import SchemaFile
from model_etl.errors import ConfigurationError

_SHOWN = 20
_DRAFT = (
    "Describe the records in a file: `model-etl schema --from SAMPLE > schema.json` drafts it; then add --schema"
    " schema.json."
)


def fields_of_artefact(artefact: ArtefactFile, predictor: Predictor, schema: SchemaFile | None) -> list[FieldSpec]:
    """Return the fields of the records that a model reads, in the order of its columns.

    Args:
        artefact: the file, for messages.
        predictor: the loaded artefact.
        schema: of the records; it says more, and has the last word.

    Raises:
        ConfigurationError: if both together do not tell the names and types of all columns, or contradict each other.
    """
    fields = _from_schema(artefact, predictor, schema) if schema else _from_columns(artefact, predictor)
    null_types = predictor.null_types
    if null_types is not None and (wrong := [f.name for f in fields if f.nullable and f.type not in null_types]):
        raise ConfigurationError(
            f"{_listed(wrong)} may be null, but {artefact.reference} has no missing values in such columns",
            "Remove null from their types; a record without a value is then rejected.",
        )
    return fields


def _from_columns(artefact: ArtefactFile, predictor: Predictor) -> list[FieldSpec]:
    columns = predictor.columns
    if not predictor.named:
        raise ConfigurationError(f"{artefact.reference} has {len(columns)} columns, but does not name them", _DRAFT)
    if unknown := [column.name for column in columns if column.type is None]:
        raise ConfigurationError(f"{artefact.reference} does not give the types of {_listed(unknown)}", _DRAFT)
    return [FieldSpec(c.name, str(c.type), c.nullable, required=not c.nullable, values=c.values) for c in columns]


def _from_schema(artefact: ArtefactFile, predictor: Predictor, schema: SchemaFile) -> list[FieldSpec]:
    columns = predictor.columns
    if not predictor.named:
        if len(schema.fields) != len(columns):
            raise ConfigurationError(
                f"{artefact.reference} has {len(columns)} columns without names, but {schema.path} has"
                f" {len(schema.fields)} properties",
                "Name exactly the columns of the model, in the order of its training.",
            )
        pairs = list(zip(columns, schema.fields, strict=True))
    else:
        # LightGBM has underscores where the names of its training had spaces.
        by_name = {field.name.replace(" ", "_"): field for field in schema.fields}
        by_name |= {field.name: field for field in schema.fields}
        if missing := [column.name for column in columns if column.name not in by_name]:
            raise ConfigurationError(
                f"{schema.path} lacks {_listed(missing)}, which {artefact.reference} reads",
                f"Add them to the properties; it has {_listed([field.name for field in schema.fields])}.",
            )
        pairs = [(column, by_name[column.name]) for column in columns]
    for column, field in pairs:
        _refuse_contradiction(artefact, column, field, schema.path)
    fields = [field for _, field in pairs]
    if not schema.closed:
        return fields
    return [*fields, *(dataclasses.replace(field, unread=True) for field in schema.fields if field not in fields)]


def _refuse_contradiction(artefact: ArtefactFile, column: Column, field: FieldSpec, path: str) -> None:
    """Check that a column of numbers does not get texts, or the other way round."""
    numeric = ("number", "integer", "boolean")
    if column.type is not None and (column.type in numeric) != (field.type in numeric):
        raise ConfigurationError(
            f"{field.name} is a {field.type} in {path}, but a {column.type} in {artefact.reference}",
            "Correct its type in the schema.",
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
