"""Batches: some thousand records as aligned columns, with those that were rejected or withheld on the way."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any, Literal, NamedTuple, Protocol

from model_etl.errors import RecordError, RecordStep
from model_etl.records.dialect import PLAIN, Dialect
from model_etl.records.lazy_sequences import LazySequence, LineOffsets, SelectedItems

BATCH_BYTES = 512 * 1024
"""The bytes of text in a batch: enough to amortise the per-batch cost of a Bonobo bag, and a small part of memory."""

MAX_RECORD_BYTES = 64 * 1024 * 1024
"""The most bytes of a record, unless --max_record_size is given."""
MOST_RECORD_BYTES = 1 << 30
"""The greatest --max_record_size: the parsers of JSON are not made for texts beyond that."""

Verdict = Literal["allow", "withhold", "replace"]


class TableSchema(Protocol):
    """The columns of a table; an Arrow schema has this attribute."""

    @property
    def names(self) -> Sequence[str]:
        """Return the names of the columns in their order."""


@dataclass(frozen=True)
class Source:
    """The input that records come from.

    Attributes:
        name: the input as the user named it, for messages.
        identity: 32 hexadecimal digits that change when the input does (see `source_identity`).
        format: the name of the format that its texts are in.
        header: the exact bytes without which a text cannot be parsed (the first row of CSV and TSV), or empty.
        dialect: how a table of text is written, without which a text of it cannot be parsed either.
        columns: the column names of CSV and TSV, the Arrow schema of Parquet, or None where records are objects.
        published: the names of the fields of its records that are published; None for all.
        scale: how many times the usual bytes and records a batch has; models that predict frames want large batches.
        in_columns: whether the model takes the records as columns, so that a table is read as columns.
        any_year: whether the outputs can hold dates beyond the years 1 to 9999, as Parquet can and text cannot.
        max_record_size: the most bytes of a record; a longer one is rejected.
    """

    name: str
    identity: str
    format: str
    header: bytes = b""
    dialect: Dialect = PLAIN
    columns: Sequence[str] | TableSchema | None = dataclasses.field(default=None, compare=False)
    published: tuple[str, ...] | None = dataclasses.field(default=(), compare=False)
    any_year: bool = dataclasses.field(default=False, compare=False)
    scale: int = dataclasses.field(default=1, compare=False)
    in_columns: bool = dataclasses.field(default=False, compare=False)
    max_record_size: int = dataclasses.field(default=MAX_RECORD_BYTES, compare=False)

    def publishes(self, name: str) -> bool:
        """Return whether a field of its records is published."""
        return self.published is None or name in self._published_names

    @cached_property
    def _published_names(self) -> frozenset[str]:
        return frozenset(self.published or ())

    @cached_property
    def header_sha256(self) -> str:
        """The digest of the header, in hexadecimal digits."""
        return hashlib.sha256(self.header).hexdigest()

    @property
    def column_names(self) -> Sequence[str]:
        """The names of the columns of a table; empty where records are objects."""
        if self.columns is None or isinstance(self.columns, Sequence):
            return self.columns or ()
        return self.columns.names


def source_identity(*parts: object) -> str:
    """Return 32 hexadecimal digits (SHA-256) for what changes with an input: its URI, size, ETag, modification time."""
    return hashlib.sha256("\n".join(map(str, parts)).encode("utf-8", "surrogateescape")).hexdigest()[:32]


@dataclass(frozen=True)
class Decision:
    """The decision of a business rule on one record.

    Attributes:
        verdict: what to do with the record.
        messages: the reasons, for the prediction log.
        output: the output to publish instead, if the verdict is "replace".
    """

    verdict: Verdict
    messages: tuple[str, ...] = ()
    output: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Answer:
    """A decision with the name of its rule, as the prediction log records it.

    Attributes:
        rule: the name of the rule.
        decision: its decision.
        replaced: the output that the decision replaced, as JSON, or None.
    """

    rule: str
    decision: Decision
    replaced: bytes | None = None


class Rejection(NamedTuple):
    """A record that could not be scored. A tuple, because tuples are the fastest to build.

    Attributes:
        source: the input that it comes from.
        position: its number in that input, from 1.
        offset: the byte offset of its first byte in the decompressed input (Parquet: its row number, from 0).
        text: its exact original bytes, without the line ending.
        document: the record as one line of JSON, or None if it could not be parsed.
        stage: the step that rejected it.
        type_name: the name of the exception, or of the mistake, such as InvalidJSON.
        message: the cause.
        answers: the decisions of rules up to then.
        code: file and line of the code of the model or the rule that raised the exception, or empty.
        cut: whether the text is only the beginning of the record, which is longer than permitted.
    """

    source: Source
    position: int
    offset: int
    text: bytes
    document: bytes | None
    stage: RecordStep
    type_name: str
    message: str
    answers: tuple[Answer, ...] = ()
    code: str = ""
    cut: bool = False


class Withheld(NamedTuple):
    """A record that a business rule withheld from publication.

    Attributes:
        source: the input that it comes from.
        position: its number in that input, from 1.
        offset: the byte offset of its first byte in the decompressed input (Parquet: its row number, from 0).
        document: the record as one line of JSON.
        output: the model's prediction, or None if the rule ran before the model.
        internals: the model's intermediate results, or None.
        answers: the decisions of the rules; the last one withheld it.
    """

    source: Source
    position: int
    offset: int
    document: bytes
    output: Any
    internals: Any
    answers: tuple[Answer, ...]


@dataclass(frozen=True, eq=False)
class Batch:
    """Records as aligned columns, and the records that dropped out of them. Immutable: steps return a new batch.

    Attributes:
        source: the one input that all of its records come from.
        positions: the numbers of the records in the input, from 1.
        offsets: the byte offsets of their first bytes in the decompressed input (Parquet: row numbers, from 0).
        texts: their exact original bytes, without line endings.
        documents: each record as one line of strict JSON, an object; for JSON Lines the texts themselves.
        inputs: validated by the model's input schema; empty before that.
        outputs: validated by the model's output schema, as JSON; empty before prediction.
        internals: the model's intermediate results, or empty.
        answers: for each record the decisions of rules so far, or empty if there are none.
        rejected: the records that failed, in no particular order.
        withheld: the records that a rule withheld, in no particular order.
        file: the index of the run's input file that the records come from, from 0.
    """

    source: Source
    positions: Sequence[int]
    offsets: Sequence[int]
    texts: Sequence[bytes]
    documents: Sequence[bytes]
    inputs: Sequence[Any] = ()
    outputs: Sequence[Any] = ()
    internals: Sequence[Any] = ()
    answers: Sequence[tuple[Answer, ...]] = ()
    rejected: tuple[Rejection, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    file: int = 0

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def record_range(self) -> str:
        """The records and their input in words, such as "records 1 to 5 of in.json"."""
        if not len(self):
            return self.source.name
        first, last = self.positions[0], self.positions[-1]
        return f"{f'record {first}' if first == last else f'records {first} to {last}'} of {self.source.name}"

    @property
    def record_count(self) -> int:
        """Number of records with any outcome: those still in the columns, the rejected and the withheld ones."""
        return len(self.texts) + len(self.rejected) + len(self.withheld)

    @property
    def outcomes(self) -> dict[str, int]:
        """Number of records by outcome, once the batch is scored."""
        return {"written": len(self.texts), "rejected": len(self.rejected), "withheld": len(self.withheld)}

    def replace(self, **columns: Any) -> Batch:
        """Return a batch with other columns."""
        return dataclasses.replace(self, **columns)

    def select(self, selectors: Sequence[bool]) -> Batch:
        """Return a batch of the records whose selector is true; rejected and withheld records stay in it."""
        return self._select_with(lambda column: list(compress(column, selectors)), sum(selectors))

    def first(self, count: int) -> Batch:
        """Return a batch of the first `count` records, by position, of a batch that was just read."""
        if self.record_count <= count:
            return self
        positions = sorted([*self.positions, *(rejection.position for rejection in self.rejected)])
        last = positions[count - 1]
        selected = self.select([position <= last for position in self.positions])
        return selected.replace(rejected=tuple(r for r in self.rejected if r.position <= last))

    def _select_with(self, select: Callable[[Sequence[Any]], list[Any]], count: int) -> Batch:
        """Return a batch of `count` records, which `select` takes from each column that is filled."""

        def selected(column: Sequence[Any]) -> Sequence[Any]:
            if isinstance(column, LazySequence):
                return column.selected(select, count)
            if isinstance(column, range):
                return SelectedItems(select, column, count)
            return select(column) if column else column

        texts = selected(self.texts)
        return self.replace(
            positions=selected(self.positions),
            offsets=selected(self.offsets),
            texts=texts,
            documents=texts if self.documents is self.texts else selected(self.documents),
            inputs=selected(self.inputs),
            outputs=selected(self.outputs),
            internals=selected(self.internals),
            answers=selected(self.answers),
        )

    def rejection(self, index: int, error: RecordError, *, parsed: bool = True) -> Rejection:
        """Return the rejection of a record.

        Args:
            index: the record's index in the batch.
            error: the reason.
            parsed: False if its document is not JSON.
        """
        offsets = self.offsets
        return Rejection(
            source=self.source,
            position=self.positions[index],
            offset=offsets.offset_of(index) if isinstance(offsets, LineOffsets) else offsets[index],
            text=self.texts[index],
            document=self.documents[index] if parsed else None,
            stage=error.stage,
            type_name=error.type_name,
            message=error.message,
            answers=self.answers[index] if self.answers else (),
            code=error.code,
        )

    def without(self, failed: Mapping[int, RecordError]) -> Batch:
        """Return a batch in which the failed records, given by their indexes, are rejections."""
        if not failed:
            return self
        ends = sorted(failed)
        rejected = [self.rejection(i, failed[i], parsed=failed[i].stage != "parse") for i in ends]
        starts = [0, *(end + 1 for end in ends)]

        def select_between(column: Sequence[Any]) -> list[Any]:
            """Copy the slices between failed records: a few slices, since few of thousands fail."""
            kept: list[Any] = []
            for start, end in zip(starts, [*ends, len(column)], strict=True):
                kept += column[start:end]
            return kept

        return self._select_with(select_between, len(self) - len(failed)).replace(rejected=(*self.rejected, *rejected))
