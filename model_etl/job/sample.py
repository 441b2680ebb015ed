"""The first records of a run, for `check`: whether they have the model's fields, and what becomes of them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterator

import msgspec

from model_etl.errors import DataError, printable, shortened
from model_etl.evidence.prediction_log import redacted
from model_etl.formats.missing_columns import MissingColumns, listed, missing_columns
from model_etl.pipeline.build import LoadedScoring
from model_etl.records.batch import Batch, Withheld
from model_etl.runtime.supervision import model_call
from model_etl.schema.fields import Fields

_SHOWN_PREDICTIONS = 3
_SHOWN_CHARS = 200
_PROBED_RECORDS = 100


class Sample:
    """The records of the first batch, and the names of the fields that each input has.

    Args:
        scoring: the loaded model and rules.

    Attributes:
        scoring: the same, and its `decode` keeps the sample.
        batch: the first batch, not decoded; None before it was read.
    """

    def __init__(self, scoring: LoadedScoring) -> None:
        self.scoring = dataclasses.replace(scoring, decode=self._decode)
        self.batch: Batch | None = None
        self._loaded = scoring
        self._names: dict[str, MissingColumns] = {}

    @property
    def seen(self) -> Collection[str]:
        """The names of the inputs whose names of fields were checked."""
        return self._names.keys()

    def _decode(self, batch: Batch) -> Batch:
        self.batch = self.batch or batch
        self.check_names(batch)
        return self._loaded.decode(batch) if self._loaded.decode else batch

    def check_names(self, batch: Batch) -> None:
        """Check the names of the columns, or of the fields of the records, of the first batch of an input.

        A required field that is missing would reject each record: it is one message instead.

        Raises:
            DataError: if a required field is missing.
        """
        if batch.source.name in self._names:
            return
        table = batch.source.columns is not None
        names = batch.source.column_names if table else _names_of(batch)
        missing = missing_columns(names, self._loaded.facts.inputs) if names else MissingColumns((), (), {}, ())
        self._names[batch.source.name] = missing
        if missing.required and self._refuses(batch):
            thing = f"the header of {batch.source.name}" if table else batch.record_range
            described = missing.describe(missing.required, plural=not table and len(batch) > 1)
            raise DataError(f"{printable(thing)} {described}", missing.remedy)

    def _refuses(self, batch: Batch) -> bool:
        """Return whether the schema refuses all records; a validator may give a missing field a value."""
        if not len(batch):
            fields = self._loaded.facts.inputs
            return isinstance(fields, Fields) and fields.others != "read"
        return not self._loaded.ask("valid_records", batch.first(_PROBED_RECORDS))

    def describe_names(self) -> Iterator[str]:
        """Yield lines about fields that are missing everywhere though they need not be, and about unread columns."""
        alike: dict[tuple[str, ...], list[str]] = {}
        for source, missing in self._names.items():
            if missing.optional:
                line = f"{missing.describe(missing.optional)} (optional: it is null)"
                alike.setdefault(("missing", line), []).append(source)
            if missing.unread:
                line = f"has {listed(missing.unread)}, which the model does not read"
                alike.setdefault(("unread", line), []).append(source)
        for (heading, line), (first, *others) in alike.items():
            so_do = f"; so do {len(others)} other inputs" if others else ""
            yield f"{heading:<8} {printable(first)} {line}{so_do}"

    def compare(self) -> Iterator[str]:
        """Yield a line that says what was compared, if anything was: a record alone and among others.

        Raises:
            ModelUnavailable: if predictions depend on other records.
        """
        if self.batch and self._loaded.ask("compare", self.batch):
            yield f"batches  {len(self.batch)} records have the same predictions alone and among others"

    def predictions(self, redact: Collection[str]) -> Iterator[str]:
        """Yield a line for each of the first records, with its prediction or its outcome.

        Args:
            redact: the fields whose values are not shown.
        """
        if self.batch is None:
            return
        scored = score_batch(self._loaded, self.batch.first(_SHOWN_PREDICTIONS))
        lines = {
            position: redacted(output, frozenset(redact)).decode()
            for position, output in zip(scored.positions, scored.outputs, strict=True)
        }
        lines |= {record.position: outcome(record) for record in scored.withheld}
        lines |= {record.position: f"rejected, {record.stage}" for record in scored.rejected}
        for position, line in sorted(lines.items()):
            yield f"sample   record {position}: {shortened(printable(line), _SHOWN_CHARS)}"


def score_batch(scoring: LoadedScoring, batch: Batch) -> Batch:
    """Score a batch as a reader yields it, without a graph.

    Args:
        scoring: the loaded model and rules.
        batch: the records, not decoded.
    """
    subject = f"the model {scoring.facts.reference}, at {batch.record_range}"
    with model_call(lambda: subject):
        scored: Batch = scoring.ask("score", batch)
    return scored


def outcome(record: Withheld) -> str:
    """Return which rule withheld a record, without its reasons, which may quote the record."""
    return f"withheld by {record.answers[-1].rule}"


def _names_of(batch: Batch) -> list[str]:
    """Return the names of all fields of a batch of objects."""
    names: dict[str, None] = {}
    for document in batch.documents[:_PROBED_RECORDS]:
        with contextlib.suppress(ValueError, RecursionError):  # it is not an object, and will be rejected
            names |= dict.fromkeys(msgspec.json.decode(document, type=dict[str, msgspec.Raw]))
    return list(names)
