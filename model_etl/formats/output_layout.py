"""What a published record holds: the prediction alone, with the original record, or with some of its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from model_etl.errors import ConfigurationError
from model_etl.records.batch import Batch, Source
from model_etl.schema.fields import Field


@dataclass(frozen=True)
class Layout:
    """How output records are put together.

    Attributes:
        outputs: the fields of the model's outputs; empty if its schema does not tell.
        inputs: the fields of the model's inputs, for the kinds of kept columns.
        join: whether the whole original record comes first.
        keep: names of the fields of the original record that come first; null where a record lacks one.

    Raises:
        ConfigurationError: if a kept name is one of the output's, or comes twice.
    """

    outputs: Mapping[str, Field]
    inputs: Mapping[str, Field]
    join: bool = False
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        twice = [name for i, name in enumerate(self.keep) if name in self.keep[:i]]
        if twice:
            raise ConfigurationError(f"--keep names {twice[0]!r} twice", "Name each field once.")
        both = [name for name in self.keep if name in self.outputs]
        if both:
            raise ConfigurationError(
                f"--keep {both[0]}: the prediction has a field of that name too",
                "Leave it out of --keep, or let the model name its output otherwise.",
            )

    @property
    def predictions_only(self) -> bool:
        """Whether nothing of the original record is published."""
        return not self.join and not self.keep

    def documents(self, batch: Batch) -> Sequence[bytes]:
        """Give the output records of a batch, one line of JSON each.

        Raises:
            ConfigurationError: if a record and its prediction have a name in common.
        """
        if self.predictions_only:
            return batch.outputs
        self._refuse_collisions(batch)
        if self.join:
            return [_spliced(d, o) for d, o in zip(batch.documents, batch.outputs, strict=True)]
        return [_spliced(self._kept(d), o) for d, o in zip(batch.documents, batch.outputs, strict=True)]

    def _kept(self, document: bytes) -> bytes:
        fields = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
        return msgspec.json.encode({name: fields.get(name) for name in self.keep})

    def _refuse_collisions(self, batch: Batch) -> None:
        if self.keep and self.outputs:
            return  # found when the layout was made
        both = [name for name in columns_of(batch.source) if name in self.outputs] if batch.positions else []
        if both:
            raise self._collision(batch, 0, both[0])
        names = [b'"' + name.encode() + b'"' for name in self.outputs]
        for index, document in enumerate(batch.documents):
            # An escaped name is not found by its text, so a backslash means to look closer.
            if names and b"\\" not in document and not any(name in document for name in names):
                continue
            of_record = self.keep or msgspec.json.decode(document, type=dict[str, msgspec.Raw])
            of_output = self.outputs or msgspec.json.decode(batch.outputs[index], type=dict[str, msgspec.Raw])
            both = [name for name in of_record if name in of_output]
            if both:
                raise self._collision(batch, index, both[0])

    def _collision(self, batch: Batch, index: int, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"{'--keep' if self.keep else '--join'}: record {batch.positions[index]} of {batch.source.name}"
            f" and its prediction both have a field {name!r}",
            "Use --keep with the fields that you need, or let the model name its output otherwise.",
        )


def columns_of(source: Source) -> Sequence[str]:
    """Name the columns of an input that is a table; of others, nothing."""
    return getattr(source.columns, "names", source.columns) or ()


def _spliced(left: bytes, right: bytes) -> bytes:
    """Make one JSON object of two without touching a value."""
    left = left.strip()
    if left[1:-1].isspace() or len(left) == 2:  # noqa: PLR2004  no fields
        return right
    return left if right == b"{}" else left[:-1] + b"," + right[1:]
