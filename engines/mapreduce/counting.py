"""The second job: adds a reduce step to the first one, and counts the predictions by class and by what the rules said.

    python engines/mapreduce/counting.py -r local --model iris_model.iris_predict:IrisModel data/input.json

    {"outcome":"written","prediction":{"species":"setosa"},"rules":{},"count":50}

Each record is in one group, so the counts add up to the records read. A class is what a prediction says in words, whole
numbers or yes and no; fractions are left out of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from model_etl.engines.mapreduce.job import ScoringJob
from model_etl.engines.mapreduce.needed import JSONProtocol
from model_etl.engines.mapreduce.task import Task
from model_etl.engines.shared.scoring import Scored
from model_etl.records.batch import Answer


class CountingJob(ScoringJob):
    """Counts what `ScoringJob` would publish, withhold and reject."""

    INTERNAL_PROTOCOL = JSONProtocol
    counting = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._groups: Counter[str] = Counter()

    def results(self, task: Task, scored: Scored) -> Iterator[tuple[Any, Any]]:  # noqa: ARG002
        """Count the records of a batch; see `rest`."""
        batch = scored.batch
        answers = batch.answers or [()] * len(batch)
        for (output, said), count in Counter(zip(batch.outputs, map(_said, answers), strict=True)).items():
            self._groups[_group("written", said, prediction=_class(output))] += count
        for record in batch.withheld:
            prediction = None if record.output is None else _class(record.output)
            self._groups[_group("withheld", _said(record.answers), prediction=prediction)] += 1
        for rejection in batch.rejected:
            self._groups[_group("rejected", _said(rejection.answers), stage=rejection.stage)] += 1
        return iter(())

    def rest(self) -> Iterator[tuple[Any, Any]]:
        """Give the groups of a piece, each with its count."""
        yield from ((("count", group), count) for group, count in self._groups.items())
        self._groups.clear()

    def told(self, tag: bytes, about: Any) -> tuple[Any, Any]:
        """Send a line through the reducer."""
        return (tag.decode(), msgspec.json.encode(about).decode()), 1

    def combiner(self, key: Any, counts: Iterable[int]) -> Iterator[tuple[Any, int]]:
        """Add up what comes from one worker."""
        yield key, sum(counts)

    def reducer(self, key: tuple[str, str], counts: Iterable[int]) -> Iterator[tuple[bytes | None, bytes]]:
        """Add up what comes from all of them."""
        tag, about = key
        total = sum(counts)
        if tag == "count":
            yield None, msgspec.json.encode({**msgspec.json.decode(about), "count": total})
        else:
            yield from [(tag.encode(), about.encode())] * total


def _group(outcome: str, said: tuple[tuple[str, str], ...], **more: Any) -> str:
    return msgspec.json.encode({"outcome": outcome, **more, "rules": dict(said)}).decode()


def _said(answers: tuple[Answer, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((answer.rule, answer.decision.verdict) for answer in answers)


@lru_cache(maxsize=10_000)
def _class(output: bytes) -> dict[str, Any]:
    """Give the fields of a prediction that are no fractions, lists or the like: those by which one would count."""
    fields = msgspec.json.decode(output)
    return {name: value for name, value in fields.items() if value is None or isinstance(value, (str, int))}


if __name__ == "__main__":
    CountingJob.run()
