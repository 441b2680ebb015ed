"""The output of a job: its lines, routed to the files of the run and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import BinaryIO

import msgspec

from model_etl.errors import ModelEtlError, ModelUnavailable, counts_disagree, rebuild
from model_etl.job.verification import RejectSummary
from model_etl.records.run_counts import FIRST_REJECTS, RunCounts


class JobResults:
    """Routes the lines of a job to files, and counts them.

    Args:
        files: by the tag of the lines that they receive; lines of other tags are only counted.

    Attributes:
        first_rejects: some of the rejects.
        groups: lines of a counting job, one for each group of predictions.
    """

    def __init__(self, files: Mapping[bytes, BinaryIO]) -> None:
        self._files = files
        self._reports_of_task: Counter[int] = Counter()
        self._lines: Counter[bytes] = Counter()
        self._outcomes: Counter[str] = Counter()
        self.first_rejects: list[RejectSummary] = []
        self.groups: list[bytes] = []

    def route_lines(self, lines: Iterable[bytes]) -> None:
        """Route lines as a job writes them, see `model_etl.engines.mapreduce.job`.

        Raises:
            ModelEtlError: the error that a task reports.
        """
        for line in lines:
            tag, _, value = line.partition(b"\t")
            if tag.startswith(b"{"):
                self.groups.append(line.rstrip() + b"\n")  # Hadoop writes a tab after it
                continue
            self._lines[tag] += 1
            if tag in self._files:
                self._files[tag].write(value)
            if tag == b"reject" and len(self.first_rejects) < FIRST_REJECTS:
                self.first_rejects.append(RejectSummary.from_line(value))
            elif tag == b"tally":
                report = msgspec.json.decode(value)
                self._reports_of_task[report["task"]] += 1
                self._outcomes.update(report["counts"])
            elif tag == b"error":
                raise _error_of_task(value)

    @property
    def counts(self) -> RunCounts:
        """The number of records by outcome, as the tasks report it."""
        return RunCounts.from_outcomes(self._outcomes)

    def check(self, tasks: int, counters: Mapping[str, int], *, logged: bool, counting: bool) -> None:
        """Check that no record was lost, and none came twice.

        Args:
            tasks: number of the tasks; each must have reported its counts once.
            counters: Hadoop's counters; empty if the runner has none.
            logged: whether there is an event for each record.
            counting: whether the job only counts predictions.

        Raises:
            ModelEtlError: if the counts disagree.
        """
        counts = self.counts
        if self._reports_of_task != Counter(range(tasks)):
            raise counts_disagree(f"{self._reports_of_task.total()} of {tasks} tasks reported their counts")
        reported = counts.as_dict()
        if counters and any(counters.get(name, 0) != count for name, count in reported.items()):
            raise counts_disagree(f"the tasks reported {reported}, the counters {dict(counters)}")
        expected = {b"event": counts.read} if logged else {}
        if not counting:
            expected |= {b"output": counts.written, b"reject": counts.rejected}
        for tag, count in expected.items():
            if self._lines[tag] != count:
                raise counts_disagree(f"there are {self._lines[tag]} lines of {tag.decode()} for {count} records")

    def summary(self, counters: Mapping[str, int]) -> str:
        """Return the counts as a line for people, and a line for each of Hadoop's counters."""
        lines = [f"  {name:<40} {count:>12,}" for name, count in sorted(counters.items())]
        return "\n".join([self.counts.summary(), *lines])


def _error_of_task(value: bytes) -> ModelEtlError:
    error: dict[str, str] = msgspec.json.decode(value)
    message = f"a task of the job failed: {error['message']}; nothing was published"
    return rebuild(error["type"], message, error["remedy"], default=ModelUnavailable)
