"""The counting job: adds a reduce step to the scoring job, and counts the predictions by class and rules' decisions.

    python engines/mapreduce/counting.py -r local --model iris_model.iris_predict:IrisModel data/input.json

    {"outcome":"written","prediction":{"species":"setosa"},"rules":{},"count":50}

Each record is in one group, so the counts add up to the records read. A class consists of a prediction's texts, whole
numbers and booleans; fractions are not part of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
from typing_extensions import override

from model_etl.engines.mapreduce.command import run_command
from model_etl.engines.mapreduce.job import ScoringJob
from model_etl.engines.mapreduce.mrjob_import import JSONProtocol
from model_etl.engines.mapreduce.task import Task
from model_etl.engines.shared.scoring import Scored
from model_etl.records.batch import Answer


class CountingJob(ScoringJob):
    """Counts the records that `ScoringJob` would publish, withhold and reject."""

    INTERNAL_PROTOCOL = JSONProtocol
    counting = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._groups: Counter[str] = Counter()

    def results(self, task: Task, scored: Scored) -> Iterator[tuple[Any, Any]]:  # noqa: ARG002
        """Count the records of a batch; see `final_lines`."""
        batch = scored.batch
        answers = batch.answers or [()] * len(batch)
        for (output, decisions), count in Counter(zip(batch.outputs, map(_decisions, answers), strict=True)).items():
            self._groups[_group("written", decisions, prediction=_class(output))] += count
        for record in batch.withheld:
            prediction = None if record.output is None else _class(record.output)
            self._groups[_group("withheld", _decisions(record.answers), prediction=prediction)] += 1
        for rejection in batch.rejected:
            self._groups[_group("rejected", _decisions(rejection.answers), stage=rejection.stage)] += 1
        return iter(())

    def final_lines(self) -> Iterator[tuple[Any, Any]]:
        """Yield the groups of a piece, each with its count."""
        yield from ((("count", group), count) for group, count in self._groups.items())
        self._groups.clear()

    @override
    def control_line(self, tag: bytes, content: Any) -> tuple[Any, Any]:
        return (tag.decode(), msgspec.json.encode(content).decode()), 1  # through the reducer

    def combiner(self, key: Any, counts: Iterable[int]) -> Iterator[tuple[Any, int]]:
        """Add up the counts of one worker."""
        yield key, sum(counts)

    def reducer(self, key: tuple[str, str], counts: Iterable[int]) -> Iterator[tuple[bytes | None, bytes]]:
        """Add up the counts of all workers."""
        tag, content = key
        total = sum(counts)
        if tag == "count":
            yield None, msgspec.json.encode({**msgspec.json.decode(content), "count": total})
        else:
            yield from [(tag.encode(), content.encode())] * total


def _group(outcome: str, decisions: tuple[tuple[str, str], ...], **more: Any) -> str:
    return msgspec.json.encode({"outcome": outcome, **more, "rules": dict(decisions)}).decode()


def _decisions(answers: tuple[Answer, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((answer.rule, answer.decision.verdict) for answer in answers)


@lru_cache(maxsize=10_000)
def _class(output: bytes) -> dict[str, Any]:
    """Return the fields of a prediction that can be grouped: texts, whole numbers, booleans and nulls."""
    fields = msgspec.json.decode(output)
    return {name: value for name, value in fields.items() if value is None or isinstance(value, (str, int))}


if __name__ == "__main__":
    run_command(CountingJob)
