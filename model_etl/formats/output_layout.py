"""The output layout: a published record is the prediction, alone or after the record or some of its fields."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import msgspec

from model_etl.columns.source_columns import TableDocuments
from model_etl.errors import ConfigurationError
from model_etl.formats.joined_columns import columns_of_table, joined_objects, kept_columns
from model_etl.formats.table_names import first_duplicate
from model_etl.records.batch import Batch
from model_etl.records.json_rows import JsonColumn, JsonRows
from model_etl.records.lazy_sequences import LineBlock
from model_etl.schema.fields import Field

CsvFormulas = Literal["keep", "escape"]


@dataclass(frozen=True)
class Layout:
    """How output records are built from records and predictions.

    Attributes:
        outputs: the fields of the model's output schema by name; empty if it does not declare them.
        inputs: the fields of the model's input schema by name, for the types of kept columns.
        join: whether the whole record comes before the prediction.
        keep: the names of the record's fields that come before the prediction; null where a record lacks a field.
        csv_formulas: what CSV and TSV do with texts that a spreadsheet takes for formulas.

    Raises:
        ConfigurationError: if a kept name is also a field of the output, or comes twice.
    """

    outputs: Mapping[str, Field]
    inputs: Mapping[str, Field]
    join: bool = False
    keep: tuple[str, ...] = ()
    csv_formulas: CsvFormulas = "keep"

    def __post_init__(self) -> None:
        if (name := first_duplicate(self.keep)) is not None:
            raise ConfigurationError(f"--keep names {name!r} twice", "Name each field once.")
        if (clash := _first_common_name(self.keep, self.outputs)) is not None:
            raise ConfigurationError(
                f"--keep {clash}: the prediction also has a field of that name",
                "Remove the field from --keep, or rename the model's output field.",
            )

    @property
    def predictions_only(self) -> bool:
        """Whether nothing of the original record is published."""
        return not self.join and not self.keep

    def documents(self, batch: Batch) -> Sequence[bytes]:
        """Return the output records of a batch, each as one line of JSON.

        Raises:
            ConfigurationError: if a record and its prediction have a field name in common.
        """
        if self.predictions_only:
            return batch.outputs
        if (columns := self.columns(batch)) is not None:
            return JsonRows(columns)
        self.check_name_clashes(batch)
        if self.join and (lines := joined_objects(batch.documents, batch.outputs)) is not None:
            return lines
        originals = batch.documents if self.join else self._kept_fields(batch.documents)
        return [_merge_objects(d, o) for d, o in zip(originals, batch.outputs, strict=True)]

    def columns(self, batch: Batch) -> Mapping[str, JsonColumn] | None:
        """Return the output records of a batch as columns, or None if that needs an object for each record."""
        outputs = batch.outputs
        if self.join or not isinstance(outputs, JsonRows) or not self.outputs:
            return None
        if not self.keep:
            return outputs.members
        kept = None if self._kept is None else kept_columns(batch.documents, self.keep, self._kept.type)
        return None if kept is None else {**kept, **outputs.members}

    def table_columns(self, batch: Batch) -> Mapping[str, JsonColumn] | None:
        """Return the output records of a batch as columns of a table, where no field is the same as null.

        Returns:
            The columns by name, or None if that needs an object for each record.

        Raises:
            ConfigurationError: if a record and its prediction have a field name in common.
        """
        if not self.join:
            return self.columns(batch)
        if not isinstance(batch.documents, TableDocuments) or not isinstance(batch.outputs, JsonRows):
            return None
        self.check_name_clashes(batch)
        return {**columns_of_table(batch.documents, batch.documents.source_names), **batch.outputs.members}

    def _kept_fields(self, documents: Sequence[bytes]) -> Iterable[bytes]:
        if self._kept is None:
            return map(self._select_fields, documents)
        return map(msgspec.json.encode, map(self._kept.decode, documents))

    @cached_property
    def _kept(self) -> msgspec.json.Decoder[msgspec.Struct] | None:
        """The decoder of the kept fields alone, or None if msgspec has no type with a field of such a name."""
        try:
            fields = [
                (f"field{number}", msgspec.Raw, msgspec.field(default=msgspec.Raw(b"null"), name=name))
                for number, name in enumerate(self.keep)
            ]
            return msgspec.json.Decoder(msgspec.defstruct("Kept", fields, gc=False))
        except (TypeError, ValueError):
            return None

    def _select_fields(self, document: bytes) -> bytes:
        fields = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
        return msgspec.json.encode({name: fields.get(name) for name in self.keep})

    def check_name_clashes(self, batch: Batch) -> None:
        """Check that no record has a field name in common with its prediction.

        Raises:
            ConfigurationError: naming the first such record and field.
        """
        if self.keep and self.outputs:
            return  # checked when the layout was built
        clash = _first_common_name(batch.source.column_names, self.outputs)
        if batch.positions and clash is not None:
            raise self._name_clash_error(batch, 0, clash)
        quoted_names = [b'"' + name.encode() + b'"' for name in self.outputs]
        if quoted_names and _lack(batch.documents, [b"\\", *quoted_names]):
            return
        for index, document in enumerate(batch.documents):
            # Most documents do not contain the names at all. A backslash may be part of an escaped name.
            if quoted_names and b"\\" not in document and not any(name in document for name in quoted_names):
                continue
            record_names = self.keep or msgspec.json.decode(document, type=dict[str, msgspec.Raw])
            output_names = self.outputs or msgspec.json.decode(batch.outputs[index], type=dict[str, msgspec.Raw])
            if (clash := _first_common_name(record_names, output_names)) is not None:
                raise self._name_clash_error(batch, index, clash)

    def _name_clash_error(self, batch: Batch, index: int, name: str) -> ConfigurationError:
        option = "--keep" if self.keep else "--join"
        return ConfigurationError(
            f"{option}: record {batch.positions[index]} of {batch.source.name} and its prediction both have a field"
            f" {name!r}",
            "Use --keep with the fields that you need, or rename the model's output field.",
        )


def _lack(documents: Sequence[bytes], texts: Sequence[bytes]) -> bool:
    """Return whether documents, if they are a block, surely hold none of some texts."""
    return isinstance(documents, LineBlock) and not any(text in documents.block for text in texts)


def _first_common_name(names: Iterable[str], others: Container[str]) -> str | None:
    return next((name for name in names if name in others), None)


def _merge_objects(left: bytes, right: bytes) -> bytes:
    """Return one JSON object with the members of two, without changing a value."""
    left = left.strip()
    if left[1:-1].isspace() or len(left) == 2:  # noqa: PLR2004  no members
        return right
    return left if right == b"{}" else left[:-1] + b"," + right[1:]
