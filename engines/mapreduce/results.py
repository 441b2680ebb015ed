"""What came out of a job: its lines, routed to the files of the run and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import msgspec

from model_etl import errors
from model_etl.engines.shared.verdict import FIRST, too_many
from model_etl.errors import ModelEtlError, ModelUnavailable
from model_etl.settings.values import MaxErrors


class Results:
    """Routes lines to files.

    Args:
        files: by the tag of the lines that they take; lines of other tags go nowhere.

    Attributes:
        lines: how many there were, by tag.
        counts: how many records were written, rejected and withheld, as the tasks say.
        first_rejects: some of them, for an error.
        groups: lines of groups of records, if these were only counted.
    """

    def __init__(self, files: Mapping[bytes, BinaryIO]) -> None:
        self._files = files
        self._tasks: Counter[int] = Counter()
        self.lines: Counter[bytes] = Counter()
        self.counts: Counter[str] = Counter()
        self.first_rejects: list[bytes] = []
        self.groups: list[bytes] = []

    def take(self, lines: Iterable[bytes]) -> None:
        """Route lines as a job writes them, see `model_etl.engines.mapreduce.job`.

        Raises:
            ModelEtlError: what a task failed of.
        """
        for line in lines:
            tag, _, value = line.partition(b"\t")
            if tag.startswith(b"{"):
                self.groups.append(line.rstrip() + b"\n")  # Hadoop writes a tab after it
                continue
            self.lines[tag] += 1
            if tag in self._files:
                self._files[tag].write(value)
            if tag == b"reject" and len(self.first_rejects) < FIRST:
                self.first_rejects.append(value)
            elif tag == b"tally":
                tally = msgspec.json.decode(value)
                self._tasks[tally["task"]] += 1
                self.counts.update(tally["counts"])
            elif tag == b"error":
                raise _error(**msgspec.json.decode(value))

    @property
    def read(self) -> int:
        """How many records were read."""
        return self.counts.total()

    def verify(self, tasks: int, counters: Mapping[str, int], *, log: bool, counting: bool) -> None:
        """See that nothing was lost or came twice.

        Args:
            tasks: how many there were; each must have told what its records came to, once.
            counters: Hadoop's; empty if it does not tell.
            log: whether there is an event for each record.
            counting: whether records were only counted.

        Raises:
            ModelEtlError: if something was.
        """
        if self._tasks != Counter(range(tasks)):
            raise _lost(f"{self._tasks.total()} of {tasks} tasks told what they did")
        told = {"read": self.read, **self.counts}
        if counters and any(counters.get(name, 0) != count for name, count in told.items()):
            raise _lost(f"the tasks told {told}, the counters {dict(counters)}")
        expected = {b"event": self.read} if log else {}
        if not counting:
            expected |= {b"output": self.counts["written"], b"reject": self.counts["rejected"]}
        for tag, count in expected.items():
            if self.lines[tag] != count:
                raise _lost(f"there are {self.lines[tag]} lines of {tag.decode()} for {count} records")

    def told_rejects(self, tolerated: MaxErrors) -> str:
        """Say that there are too many rejects, and name the first."""
        return too_many(self.counts["rejected"], self.read, tolerated, self.first_rejects)

    def summary(self, counters: Mapping[str, int]) -> str:
        """Say what was done, with all counters."""
        counts = self.counts
        lines = [
            f"published: {self.read:,} read = {counts['written']:,} written + {counts['rejected']:,} rejected"
            f" + {counts['withheld']:,} withheld",
            *(f"  {name:<40} {count:>12,}" for name, count in sorted(counters.items())),
        ]
        return "\n".join(lines)


def _error(type: str, message: str, remedy: str) -> ModelEtlError:  # noqa: A002  as the line has it
    found: Any = getattr(errors, type, ModelUnavailable)
    return found(f"a task of the job failed: {message}; nothing was published", remedy)  # type: ignore[no-any-return]


def _lost(what: str) -> ModelEtlError:
    return ModelEtlError(f"the counts disagree: {what}; nothing was published", "This is a bug: please report it.")
