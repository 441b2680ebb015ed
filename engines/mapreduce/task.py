"""One map task: a piece of an input to score. It travels to a worker as a line of JSON and says all that is needed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from model_etl.engines.mapreduce.places import opened
from model_etl.engines.shared.pieces import InputPiece
from model_etl.engines.shared.scoring import Scored, Scorer, ScorerSettings


@dataclass(frozen=True)
class Task:
    """What to score.

    Attributes:
        settings: with what.
        split: which records.
        key: opens their input on a worker.
        number: of this task among those of a run, which counts them; None if nobody does.
    """

    settings: ScorerSettings
    split: InputPiece
    key: str
    number: int | None = None

    @classmethod
    def of(cls, line: str) -> Task:
        """Read a task as Hadoop hands it over: perhaps with its offset and a tab before it."""
        return msgspec.json.decode(line.rpartition("\t")[2], type=cls)

    def line(self) -> bytes:
        """Write it as a line."""
        return msgspec.json.encode(self) + b"\n"

    @property
    def scorer(self) -> Scorer:
        """What scores it; loaded once a process.

        Raises:
            ModelEtlError: if the model or a rule cannot be loaded.
        """
        return _scorer(self.settings)

    def scored(self) -> Iterator[Scored]:
        """Score it batch by batch.

        Raises:
            ModelEtlError: if it cannot be read, or settings and records do not go together.
        """
        scorer = self.scorer
        with opened(self.key) as file:
            for batch in self.split.read(file, scorer.facts.inputs):
                yield scorer(batch)


@lru_cache(maxsize=1)
def _scorer(settings: ScorerSettings) -> Scorer:
    return settings.scorer()


def is_last_attempt(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether nobody will try again if this attempt fails.

    Hadoop counts attempts from 0 at the end of their names. What runs a job on this machine tries once: mrjob's own
    runners, which tell no limit, and Hadoop's local one, which tells one but heeds it not.
    """
    attempt = environment.get("mapreduce_task_attempt_id", "")
    limit = environment.get("mapreduce_map_maxattempts", "1")
    return "local" in attempt or int(attempt.rpartition("_")[2] or 0) + 1 >= int(limit)
