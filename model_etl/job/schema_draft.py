"""Drafts a JSON Schema from the first records of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_etl.artefacts.draft import SchemaDraft
from model_etl.errors import DataError
from model_etl.formats import format_for
from model_etl.pipeline.files import InputFile
from model_etl.records.batch import MAX_RECORD_BYTES, Source
from model_etl.services import locate
from model_etl.settings.job_config import StorageSettings, fields_from

SAMPLE_RECORDS = 10_000
"""How many records are read unless the user says otherwise."""
_TEXT_FORMATS = ("csv", "tsv", "tsv_quoted")


def draft_schema(name: str, values: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Draft a schema.

    Args:
        name: of a file.
        values: of options, by name.

    Returns:
        The JSON Schema, and what a person should know of it.

    Raises:
        DataError: if the file has no records.
        ModelEtlError: if it cannot be read.
    """
    storage = StorageSettings(**fields_from(StorageSettings, values))
    location = locate(name, **storage.as_options())
    compression = values.get("input_compression")
    file_format, compressed = format_for(
        location.name,
        values.get("input_format"),
        "--input_format",
        compression,
        tsv_quotes=bool(values.get("tsv_quotes")),
    )
    size = values.get("max_record_size") or MAX_RECORD_BYTES
    source = Source(location.name, location.identity(), file_format.name, published=None, max_record_size=size)
    file = InputFile(location.path, file_format, compressed, source, compression_is_set=compression is not None)
    limit = values.get("limit") or SAMPLE_RECORDS
    draft = SchemaDraft(texts=file_format.name in _TEXT_FORMATS)
    unreadable = 0
    with file.opened(location.fs) as stream:
        for batch in file.read(stream, {}):
            unreadable += len(batch.rejected)
            for document in batch.documents[: limit - draft.count]:
                draft.add(document)
            if draft.count >= limit:
                break
    if not draft.count:
        raise DataError(f"{location.name} has no records to draft a schema from", "Name a file with records.")
    return draft.text(), _notices(draft, unreadable)


def _notices(draft: SchemaDraft, unreadable: int) -> list[str]:
    lines = []
    if draft.nested:
        lines.append(f"left out, because they hold lists or objects: {', '.join(draft.nested)}")
    if unreadable:
        lines.append(f"left out, because they cannot be read: {unreadable} records")
    return lines
