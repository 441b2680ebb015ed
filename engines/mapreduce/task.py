"""One map task: a piece of an input to score. It travels to a worker as a line of JSON that has all it needs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from model_etl.engines.mapreduce.inputs import open_input
from model_etl.engines.shared.pieces import InputPiece
from model_etl.engines.shared.scoring import Scored, Scorer, ScorerSettings


@dataclass(frozen=True)
class Task:
    """A piece of an input, and what scores it.

    Attributes:
        settings: of the scorer.
        piece: the piece of the input.
        key: the name that opens the input on a worker.
        number: of this task among those of a run that publishes, or None if the job's output goes elsewhere.
        null_for_rejects: whether a rejected record is printed with null instead of a line of the rejects file.
    """

    settings: ScorerSettings
    piece: InputPiece
    key: str
    number: int | None = None
    null_for_rejects: bool = False

    @classmethod
    def from_line(cls, line: str) -> Task:
        """Read a task from a line of the manifest; Hadoop may put its offset and a tab before it."""
        return msgspec.json.decode(line.rpartition("\t")[2], type=cls)

    def line(self) -> bytes:
        """Return the task as a line of the manifest."""
        return msgspec.json.encode(self) + b"\n"

    @property
    def scorer(self) -> Scorer:
        """The scorer, which each process loads once.

        Raises:
            ModelEtlError: if the model or a rule cannot be loaded.
        """
        return _scorer(self.settings)

    def scored(self) -> Iterator[Scored]:
        """Score the piece, batch by batch.

        Raises:
            ModelEtlError: if the input cannot be read, or settings and records contradict each other.
        """
        scorer = self.scorer
        facts = scorer.facts
        with open_input(self.key) as file:
            for batch in self.piece.read(file, facts.inputs, self.settings.published, facts.batch_settings):
                yield scorer(batch)


@lru_cache(maxsize=1)
def _scorer(settings: ScorerSettings) -> Scorer:
    return settings.scorer()


def is_last_attempt(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the task is not tried again if this attempt fails.

    Hadoop counts attempts from 0 at the end of their names. Runners on this machine try once: mrjob's own set no limit,
    and Hadoop's local runner sets a limit that it does not use.
    """
    attempt = environment.get("mapreduce_task_attempt_id", "")
    limit = environment.get("mapreduce_map_maxattempts", "1")
    return "local" in attempt or int(attempt.rpartition("_")[2] or 0) + 1 >= int(limit)
