"""The map-only job: emits the input and the prediction of each record, and what the other records came to.

    python engines/mapreduce/job.py -r local --model iris_model.iris_predict:IrisModel data/input.json > out

Each line of its output starts with what it is, and a tab. Where that is a record, its prediction follows; with --join
or --keep it is `output`, and the published record follows. The others are `event` (of the prediction log) and `reject`;
and `tally` and `error`, for whoever started the job.
"""

from __future__ import annotations

import io
import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from model_etl.engines.mapreduce import options
from model_etl.engines.mapreduce.needed import BytesProtocol, MRJob
from model_etl.engines.mapreduce.task import Task, is_last_attempt
from model_etl.engines.shared.scoring import Scored
from model_etl.errors import ModelEtlError
from model_etl.runtime.standard_streams import stdout_fd


class ScoringJob(MRJob):
    """Scores the pieces of the inputs that a manifest lists, see `Task`; it is made when the job is started."""

    HADOOP_INPUT_FORMAT = "org.apache.hadoop.mapred.lib.NLineInputFormat"  # a map task for each line
    OUTPUT_PROTOCOL = BytesProtocol
    counting = False

    def configure_args(self) -> None:
        """Know the options of scoring; they travel in the manifest, not as arguments of the tasks."""
        super().configure_args()
        options.add(self.arg_parser)

    def _usage(self) -> str:
        return "python -m model_etl.engines.mapreduce [--count] [options] INPUT ..."

    def run_job(self) -> None:
        """Run as a command."""
        from model_etl.engines.mapreduce.launch import launch  # noqa: PLC0415  a worker needs none of it

        sys.exit(launch(self))

    def run_as_mrjob_does(self) -> None:
        """Run on a manifest and write to standard output, or where --output-dir says."""
        with open(stdout_fd(), "wb", closefd=False) as self._stdout:
            super().run_job()

    def run_mapper(self, step_num: int = 0) -> None:
        """Run a task; what a model prints goes to standard error, since standard output is for data."""
        self._stdout, self._stderr = self.stdout, self.stderr
        if self._stdout is getattr(sys.__stdout__, "buffer", None):
            self._stdout = os.fdopen(os.dup(1), "wb")
            os.dup2(2, 1)
        sys.stdout = sys.stderr = io.TextIOWrapper(self._stderr, write_through=True)
        super().run_mapper(step_num)
        self._stdout.flush()

    def mapper(self, _: Any, line: str) -> Iterator[tuple[Any, Any]]:
        """Score one piece."""
        task = Task.of(line)
        counts: Counter[str] = Counter()
        try:
            for scored in task.scored():
                counts.update(scored.counts)
                for counter, amount in _outcomes(scored).items():
                    self.increment_counter("model_etl", counter, amount)
                yield from self.results(task, scored)
            yield from self.rest()
        except ModelEtlError as exc:
            if task.number is None or not is_last_attempt():
                raise
            # The log of a task may be out of reach for whoever started the job; its output is not.
            yield self.told(b"error", {"type": type(exc).__name__, "message": exc.message, "remedy": exc.remedy})
        if task.number is not None:
            yield self.told(b"tally", {"task": task.number, "counts": counts})

    def results(self, task: Task, scored: Scored) -> Iterator[tuple[Any, Any]]:
        """Give the lines of a batch; those of a kind at once, which is much faster than one by one."""
        if len(scored.batch) and task.scorer.layout.predictions_only:
            pairs = zip(scored.batch.documents, scored.predictions, strict=True)
            yield None, b"\n".join(document.strip() + b"\t" + prediction for document, prediction in pairs)
        elif len(scored.batch):
            yield None, b"output\t" + b"\noutput\t".join(scored.predictions)
        for tag, lines in ((b"event", scored.events), (b"reject", scored.rejects)):
            if lines:
                yield tag, lines[:-1].replace(b"\n", b"\n" + tag + b"\t")

    def rest(self) -> Iterator[tuple[Any, Any]]:
        """Give what is known at the end of a piece only."""
        return iter(())

    def told(self, tag: bytes, about: Any) -> tuple[Any, Any]:
        """Give a line for whoever started the job."""
        return tag, msgspec.json.encode(about)


def _outcomes(scored: Scored) -> Counter[str]:
    """Count the records of a batch by outcome: rejected ones by stage, withheld ones by rule."""
    counts = Counter(scored.counts)
    counts["read"] = counts.total()
    counts.update(f"rejected: {rejection.stage}" for rejection in scored.batch.rejected)
    counts.update(f"withheld: {record.answers[-1].rule}" for record in scored.batch.withheld)
    return +counts


if __name__ == "__main__":
    ScoringJob.run()
