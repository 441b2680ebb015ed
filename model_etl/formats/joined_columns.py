"""Fields of records as columns of an output, and records joined with predictions, without an object for each record."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec

from model_etl.columns.source_columns import TableDocuments
from model_etl.records.json_rows import JoinedLines, JsonColumn, JsonRows
from model_etl.records.lazy_sequences import LineBlock

_MOST_BYTES = 1 << 30
"""The most bytes of documents that are joined by the column: the offsets of an array of text have 32 bits."""


def kept_columns(documents: Sequence[bytes], names: Sequence[str], kept: Any) -> dict[str, JsonColumn] | None:
    """Return some fields of records as columns, with null where a record lacks one.

    Args:
        documents: the records.
        names: the names of the fields.
        kept: a msgspec type with the JSON of each field, in the order of the names.

    Returns:
        The columns by name, or None if the documents are not one block.
    """
    if isinstance(documents, TableDocuments):
        return columns_of_table(documents, names)
    if not isinstance(documents, LineBlock) or len(documents.block) > _MOST_BYTES:
        return None
    from model_etl.records.arrow_texts import json_of_objects  # noqa: PLC0415

    rows = msgspec.json.Decoder(kept).decode_lines(documents.block)
    if len(rows) != len(documents):
        return None
    return {
        name: JsonColumn(texts=json_of_objects(list(map(attrgetter(attribute), rows))))
        for name, attribute in zip(names, kept.__struct_fields__, strict=True)
    }


def columns_of_table(documents: TableDocuments, names: Sequence[str]) -> dict[str, JsonColumn]:
    """Return some fields of the rows of a table as columns, with null where a row lacks one.

    Args:
        documents: the rows.
        names: the names of the fields.
    """
    return {name: documents.json_column(name) for name in names}


def joined_objects(documents: Sequence[bytes], outputs: Sequence[bytes]) -> JoinedLines | None:
    """Return each record with the members of its prediction after its own; None if a record needs a closer look."""
    if not isinstance(documents, LineBlock) or not isinstance(outputs, JsonRows):
        return None
    block = documents.block
    if len(block) > _MOST_BYTES or not _are_objects(block, len(documents)):
        return None
    import pyarrow.compute as pc  # noqa: PLC0415

    from model_etl.records.arrow_texts import array_of_lines  # noqa: PLC0415

    members = array_of_lines(block, len(documents), cut=1)
    if pc.any(pc.match_substring_regex(members, r"\A\{\s*\z")).as_py():
        return None
    first, *others = outputs.parts
    return JoinedLines([members, b"," + bytes(first)[1:], *others], len(documents))


def _are_objects(block: bytes, count: int) -> bool:
    """Return whether each line starts with { and ends with }."""
    return block.startswith(b"{") and block.endswith(b"}") and block.count(b"}\n{") == count - 1
