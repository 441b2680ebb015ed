"""The pipeline: read the pieces of the inputs, score their batches, and separate the four results."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam import pvalue
from apache_beam.ml.inference.base import ModelHandler, RunInference
from typing_extensions import override

from model_etl.engines.beam.files import open_file
from model_etl.engines.shared.pieces import InputPiece, number_pieces
from model_etl.engines.shared.scoring import Scored, ScorerSettings
from model_etl.records.batch import Batch
from model_etl.schema.fields import Field

LOG, REJECTS, COUNTS = "log", "rejects", "counts"
"""Tags of the outputs beside the main one, which is the batches to publish."""


class LockedScorer:
    """A scorer that the threads of a worker process share, one at a time: a model need not be thread-safe.

    Args:
        settings: of the scorer.
    """

    def __init__(self, settings: ScorerSettings) -> None:
        self._scorer = settings.scorer()
        self._lock = threading.Lock()

    def __call__(self, batch: Batch) -> Scored:
        """Score a batch; see `Scorer`."""
        with self._lock:
            return self._scorer(batch)


class ScoringHandler(ModelHandler[Batch, Scored, LockedScorer]):
    """How RunInference loads a scorer, once in each worker process, and calls it.

    Args:
        settings: of the scorer; only they are pickled, never the model.
    """

    def __init__(self, settings: ScorerSettings) -> None:
        super().__init__()
        self._settings = settings

    @override
    def load_model(self) -> LockedScorer:
        return LockedScorer(self._settings)

    @override
    def run_inference(
        self,
        batch: Sequence[Batch],
        model: LockedScorer,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[Scored]:
        return map(model, batch)

    @override
    def get_num_bytes(self, batch: Sequence[Batch]) -> int:
        return sum(map(len, (text for records in batch for text in records.texts)))  # Beam's own way pickles them

    @override
    def should_skip_batching(self) -> bool:
        return True  # the elements are lists of batches already


class Read(beam.DoFn):
    """Reads pieces of inputs.

    Args:
        fields: the model's input fields.
        published: the names of the fields of the records that are published; None for all.
    """

    def __init__(self, fields: Mapping[str, Field], published: tuple[str, ...] | None) -> None:
        self._fields = fields
        self._published = published

    def process(self, piece: InputPiece) -> Iterator[Any]:
        """Yield the batches of a piece, and the number of records of each."""
        with open_file(piece.name) as file:
            for batch in piece.read(file, self._fields, self._published):
                yield pvalue.TaggedOutput(COUNTS, ("read", batch.record_count))
                yield [batch]


class Route(beam.DoFn):
    """Separates the results of a batch: the batch to publish, the events of the log, the rejects, and the counts."""

    def process(self, scored: Scored) -> Iterator[Any]:
        """Yield the results of a batch."""
        yield scored.batch
        if scored.events:
            yield pvalue.TaggedOutput(LOG, scored.events)
        if scored.rejects:
            yield pvalue.TaggedOutput(REJECTS, scored.rejects)
        for outcome in scored.counts.items():
            yield pvalue.TaggedOutput(COUNTS, outcome)


def _count_records(piece: InputPiece) -> tuple[str, tuple[InputPiece, int]]:
    if piece.end is None:
        return piece.name, (piece, 0)  # the last piece: no positions depend on its number of records
    with open_file(piece.name) as file:
        return piece.name, (piece, piece.count(file))


def results_of(pieces: Any, settings: ScorerSettings, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Build the pipeline from the pieces of the inputs to the results.

    Args:
        pieces: a PCollection of `InputPiece`.
        settings: of the scorer.
        fields: the model's input fields.

    Returns:
        PCollections: "predictions" (`Batch`), "log" and "rejects" (blocks of lines), "counts" (outcome and number).
    """
    read = (
        pieces
        | "count records" >> beam.Map(_count_records)
        | "by input" >> beam.GroupByKey()
        | "place" >> beam.FlatMap(lambda item: number_pieces(item[1]))
        | "share out" >> beam.Reshuffle()
        | "read" >> beam.ParDo(Read(fields, settings.published)).with_outputs(COUNTS, main="batches")
    )
    routed = (
        read.batches
        | "score" >> RunInference(ScoringHandler(settings))
        | "route" >> beam.ParDo(Route()).with_outputs(LOG, REJECTS, COUNTS, main="predictions")
    )
    counts = (read[COUNTS], routed[COUNTS]) | "outcomes" >> beam.Flatten() | "sum" >> beam.CombinePerKey(sum)
    return {"predictions": routed.predictions, LOG: routed[LOG], REJECTS: routed[REJECTS], COUNTS: counts}
