"""What flows along the chain: one Batch of some thousand records in aligned columns, and what dropped out of it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Literal, NamedTuple

from model_etl.errors import RecordError, RecordStep
from model_etl.records.lazy_sequences import LazySequence, LineOffsets, SelectedItems

BATCH_BYTES = 512 * 1024
"""How much text a reader takes at a time: large enough that a bag's cost vanishes, small enough for any machine."""

Verdict = Literal["allow", "withhold", "replace"]


@dataclass(frozen=True)
class Source:
    """Where records come from.

    Attributes:
        name: the input as the user named it, for people.
        identity: 32 hexadecimal digits that stay the same as long as the input does (see `source_identity`).
        format: name of the format its texts are in.
        header: the exact bytes that every text needs to be understood (CSV's first row), or nothing.
        columns: what a table says of its columns (CSV: their names; Parquet: its Arrow schema), or None.
    """

    name: str
    identity: str
    format: str
    header: bytes = b""
    columns: Any = dataclasses.field(default=None, compare=False)


def source_identity(*parts: object) -> str:
    """Digest what tells one state of an input from another (URI, size, ETag or time of change): 32 hex digits."""
    return hashlib.sha256("\n".join(map(str, parts)).encode("utf-8", "surrogateescape")).hexdigest()[:32]


@dataclass(frozen=True)
class Decision:
    """A business rule's answer for one record.

    Attributes:
        verdict: what to do with it.
        messages: why, for the log and for people.
        output: the output to use instead, with the verdict "replace".
    """

    verdict: Verdict
    messages: tuple[str, ...] = ()
    output: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Answer:
    """One rule's decision on one record, as the log keeps it.

    Attributes:
        rule: name of the rule.
        decision: what it decided.
        replaced: the output that it replaced, as JSON, or None.
    """

    rule: str
    decision: Decision
    replaced: bytes | None = None


class Rejection(NamedTuple):
    """A record that could not be scored; a tuple, since those are made fastest.

    Attributes:
        source: the input that it came from.
        position: its number in that input, from 1.
        offset: byte offset of its first byte in the decompressed input (Parquet: row number from 0).
        text: its exact original bytes, without the line ending.
        document: the record as one line of JSON, or None if it could not be parsed.
        stage: where it dropped out.
        type_name: name of the exception, or of the kind of mistake.
        message: the cause.
        answers: what rules had said before.
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


class Withheld(NamedTuple):
    """A record that a business rule keeps from being published.

    Attributes:
        source, position, offset, document: as in `Rejection`.
        output: what the model had predicted, or None if the rule came before the model.
        internals: what the model exposed of its workings, or None.
        answers: what the rules said; the last one withheld it.
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
    """Aligned columns of the records still alive, and those that dropped out; never changed, only replaced.

    Attributes:
        source: the one input that all of its records come from.
        positions: numbers of the records in the input, from 1.
        offsets: byte offsets of their first bytes in the decompressed input (Parquet: row numbers from 0).
        texts: their exact original bytes, without line endings.
        documents: each as one line of strict JSON, an object; for JSON Lines the texts themselves.
        inputs: typed by the model's input schema; empty before decoding.
        outputs: checked against the model's output schema, ready to be encoded as JSON; empty before prediction.
        internals: what the model exposed of its workings, or empty.
        answers: for each record what the rules said so far, or empty when there are none.
        rejected: records that failed, in no particular order.
        withheld: records that a rule held back, in no particular order.
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
    def record_count(self) -> int:
        """Number of records with any outcome: those still in the columns, the rejected and the withheld ones."""
        return len(self.texts) + len(self.rejected) + len(self.withheld)

    @property
    def outcomes(self) -> dict[str, int]:
        """Number of records by outcome, once the batch is scored."""
        return {"written": len(self.texts), "rejected": len(self.rejected), "withheld": len(self.withheld)}

    def replace(self, **columns: Any) -> Batch:
        """Give a batch with other columns."""
        return dataclasses.replace(self, **columns)

    def select(self, wanted: Sequence[bool]) -> Batch:
        """Give a batch of only those records for which `wanted` says so; what dropped out stays with it."""
        return self._picked(lambda column: list(compress(column, wanted)), sum(wanted))

    def _picked(self, some: Callable[[Sequence[Any]], list[Any]], count: int) -> Batch:
        """Give a batch with some of the records, so many, picked from each column that is filled."""

        def pick(column: Sequence[Any]) -> Sequence[Any]:
            if isinstance(column, (LazySequence, range)):
                return SelectedItems(some, column, count)
            return some(column) if column else column

        texts = pick(self.texts)
        return self.replace(
            positions=pick(self.positions),
            offsets=pick(self.offsets),
            texts=texts,
            documents=texts if self.documents is self.texts else pick(self.documents),
            inputs=pick(self.inputs),
            outputs=pick(self.outputs),
            internals=pick(self.internals),
            answers=pick(self.answers),
        )

    def rejection(self, index: int, error: RecordError, *, parsed: bool = True) -> Rejection:
        """Make the rejection of the record at an index; `parsed` is False when its document is no JSON."""
        return Rejection(
            source=self.source,
            position=self.positions[index],
            offset=self.offsets.at(index) if isinstance(self.offsets, LineOffsets) else self.offsets[index],
            text=self.texts[index],
            document=self.documents[index] if parsed else None,
            stage=error.stage,
            type_name=error.type_name,
            message=error.message,
            answers=self.answers[index] if self.answers else (),
        )

    def without(self, failed: Mapping[int, RecordError]) -> Batch:
        """Give a batch without the records that failed, which become rejections."""
        if not failed:
            return self
        ends = sorted(failed)
        rejected = [self.rejection(i, failed[i], parsed=failed[i].stage != "parse") for i in ends]
        starts = [0, *(end + 1 for end in ends)]

        def between(column: Sequence[Any]) -> list[Any]:
            """Few fail among thousands: what lies between them is copied piece by piece."""
            kept: list[Any] = []
            for start, end in zip(starts, [*ends, len(column)], strict=True):
                kept += column[start:end]
            return kept

        return self._picked(between, len(self) - len(failed)).replace(rejected=(*self.rejected, *rejected))
