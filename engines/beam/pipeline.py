"""The pipeline: number the pieces of the inputs, score each into files of its own, and collect the files' names."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.utils.shared import Shared
from typing_extensions import override

from model_etl.engines.beam.files import create_file, matched, move_files, open_file, translate_beam_errors
from model_etl.engines.beam.piece_files import AssembledFile, FileSettings, PieceResult, assemble, write_piece
from model_etl.engines.shared.pieces import InputPiece, number_pieces
from model_etl.engines.shared.scoring import Scored, Scorer, ScorerSettings
from model_etl.errors import counts_disagree
from model_etl.records.batch import Batch


class Task(NamedTuple):
    """A piece of an input to score.

    Attributes:
        number: of the piece among all pieces, in the order of the inputs.
        path: the name that opens the input on every worker.
        piece: the piece.
    """

    number: int
    path: str
    piece: InputPiece


class LockedScorer:
    """A scorer that the threads of a worker process share, one at a time: a model need not be thread-safe.

    Args:
        settings: of the scorer.
    """

    def __init__(self, settings: ScorerSettings) -> None:
        self.scorer: Scorer = settings.scorer()
        self._lock = threading.Lock()

    def __call__(self, batch: Batch) -> Scored:
        """Score a batch; see `Scorer`."""
        with self._lock:
            return self.scorer(batch)


class _ScoringStep(beam.DoFn):
    """A step that needs the scorer, which each worker process loads once; only the settings are pickled.

    Args:
        settings: of the scorer.
        files: where and how to write.
        shared: the scorer of each process.
    """

    def __init__(self, settings: ScorerSettings, files: FileSettings, shared: Shared) -> None:
        self._settings = settings
        self._files = files
        self._shared = shared

    def setup(self) -> None:
        """Load the scorer, if this process has none yet."""
        self._scorer: LockedScorer = self._shared.acquire(lambda: LockedScorer(self._settings))


class ScorePiece(_ScoringStep):
    """Scores a piece of an input into files of its own."""

    @override
    def process(self, task: Task) -> Iterator[PieceResult]:
        """Yield the names of the files, and the counts."""
        layout = self._scorer.scorer.layout
        read: list[int] = []
        result = write_piece(task.number, map(self._scorer, self._batches(task, read)), self._files, layout)
        counts = {"read": sum(read), **result.counts}
        for outcome, records in counts.items():
            Metrics.counter("model_etl", outcome).inc(records)
        yield result._replace(counts=counts)

    def _batches(self, task: Task, read: list[int]) -> Iterator[Batch]:
        facts = self._scorer.scorer.facts
        with translate_beam_errors("read", task.piece.name), open_file(task.path) as file:
            for batch in task.piece.read(file, facts.inputs, self._settings.published, facts.batch_settings):
                read.append(batch.record_count)
                yield batch


class Assemble(_ScoringStep):
    """Puts the files of several pieces together."""

    @override
    def process(self, item: tuple[tuple[str, int], Iterable[tuple[int, str]]]) -> Iterator[AssembledFile]:
        """Yield the file of a role and a group, given the numbers and files of its pieces."""
        (role, group), parts = item
        names = [name for _, name in sorted(parts)]
        yield assemble(role, group, names, self._files, self._scorer.scorer.layout)


@dataclass(frozen=True)
class Results:
    """What a finished pipeline wrote.

    Attributes:
        counts: the records by outcome.
        files: the names of the files to publish, by role, in the order of the inputs.
    """

    counts: Mapping[str, int]
    files: Mapping[str, Sequence[str]]


def build(
    pipeline: beam.Pipeline,
    tasks: Sequence[Task],
    groups: Mapping[str, Sequence[int] | None],
    settings: ScorerSettings,
    files: FileSettings,
    results_prefix: str,
) -> None:
    """Build the pipeline.

    Args:
        pipeline: to which the steps are added.
        tasks: the pieces of the inputs.
        groups: by role, the number of the file for each piece; None if each piece has a file of its own.
        settings: of the scorer.
        files: where and how to write.
        results_prefix: start of the name of the file with the results, which `read_results` reads.
    """
    numbered = pipeline | "pieces" >> beam.Create(tasks)
    if any(task.piece.position is None for task in tasks):
        numbered = (
            numbered
            | "count records" >> beam.Map(_count_records)
            | "by input" >> beam.GroupByKey()
            | "number records" >> beam.FlatMap(lambda item: _numbered(item[1]))
        )
    shared = Shared()
    scored = numbered | "share out" >> beam.Reshuffle() | "score" >> beam.ParDo(ScorePiece(settings, files, shared))
    results = [scored | "pieces as JSON" >> beam.Map(lambda result: ("piece", json.dumps(result)))]
    if any(groups.values()):
        assembled = (
            scored
            | "by file" >> beam.FlatMap(_parts_by_file, {role: group for role, group in groups.items() if group})
            | "group by file" >> beam.GroupByKey()
            | "assemble" >> beam.ParDo(Assemble(settings, files, shared))
        )
        results.append(assembled | "files as JSON" >> beam.Map(lambda file: ("file", json.dumps(file))))
    _ = (
        results
        | "all results" >> beam.Flatten()
        | "together" >> beam.Map(lambda result: (None, result))
        | "collect" >> beam.GroupByKey()
        | "write results" >> beam.Map(lambda item: _write_results(results_prefix, item[1]))
    )


def _count_records(task: Task) -> tuple[str, tuple[Task, int]]:
    if task.piece.end is None:
        return task.path, (task, 0)  # the last piece: no positions depend on its number of records
    with translate_beam_errors("read", task.piece.name), open_file(task.path) as file:
        return task.path, (task, task.piece.count(file))


def _numbered(counted: Iterable[tuple[Task, int]]) -> Iterator[Task]:
    ordered = sorted(counted, key=lambda item: item[0].number)
    pieces = number_pieces((task.piece, count) for task, count in ordered)
    return (task._replace(piece=piece) for (task, _), piece in zip(ordered, pieces, strict=True))


def _parts_by_file(
    result: PieceResult, groups: Mapping[str, Sequence[int]]
) -> Iterator[tuple[tuple[str, int], tuple[int, str]]]:
    for role, name in result.files.items():
        if role in groups:
            yield (role, groups[role][result.number]), (result.number, name)


def _write_results(prefix: str, results: Iterable[tuple[str, str]]) -> None:
    """Write all results into a file, which gets a name that starts with the prefix once it is complete."""
    attempt = uuid.uuid4().hex
    folder, _, base = prefix.rpartition("/")
    unfinished, finished = f"{folder}/unfinished-{attempt}", f"{folder}/{base}-{attempt}"
    with translate_beam_errors("write", finished):
        file = create_file(unfinished, private=True)
        with file:
            file.write(b"".join(f"[{json.dumps(result_type)},{text}]\n".encode() for result_type, text in results))
        move_files([unfinished], [finished])


def read_results(prefix: str, pieces: int, groups: Mapping[str, Sequence[int] | None]) -> Results:
    """Read what a finished pipeline wrote.

    Args:
        prefix: start of the name of the file with the results; a step that was repeated has left several, which are
            equally good.
        pieces: the number of pieces.
        groups: as for `build`.

    Raises:
        ModelEtlError: if the results of a piece are missing, or there are several of one.
    """
    with translate_beam_errors("read", prefix):
        names = matched(prefix, "-*")
        if not names:
            raise counts_disagree("the pipeline ended without results")
        with open_file(names[0]) as file:
            lines = list(map(json.loads, file))
    results = sorted(PieceResult(*value) for result_type, value in lines if result_type == "piece")
    assembled = sorted(AssembledFile(*value) for result_type, value in lines if result_type == "file")
    if [result.number for result in results] != list(range(pieces)):
        raise counts_disagree(f"there are results of {len(results)} of {pieces} pieces")
    counts: Counter[str] = Counter()
    for result in results:
        counts.update(result.counts)
    files = {}
    for role, group in groups.items():
        if group is None:
            files[role] = [result.files[role] for result in results if role in result.files]
        else:
            files[role] = [file.name for file in assembled if file.role == role]
    return Results(counts, files)
