"""The scoring job, which has only map tasks: it emits each record with its prediction, and the other outcomes.

    python engines/mapreduce/job.py -r local --model iris_model.iris_predict:IrisModel data/input.json > out

A line of its output is an input record, a tab and the prediction; with --join or --keep, it is the tag `output`, a tab
and the output record. Other lines start with another tag: `event` (of the prediction log), `reject`, and for the
launcher `tally` (the counts of a task) and `error`.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from model_etl.engines.mapreduce import options
from model_etl.engines.mapreduce.command import run_command
from model_etl.engines.mapreduce.mrjob_import import BytesProtocol, MRJob, MRJobRunner
from model_etl.engines.mapreduce.task import Task, is_last_attempt
from model_etl.engines.shared.scoring import Scored
from model_etl.errors import ModelEtlError, printable_message
from model_etl.records.batch import Rejection
from model_etl.runtime.standard_streams import stdout_fd
from model_etl.settings.arguments import describe_unknown


class ScoringJob(MRJob):
    """Scores the pieces of the inputs that a manifest lists, see `Task`; the launcher writes the manifest."""

    HADOOP_INPUT_FORMAT = "org.apache.hadoop.mapred.lib.NLineInputFormat"  # a map task for each line
    OUTPUT_PROTOCOL = BytesProtocol
    counting = False

    def configure_args(self) -> None:
        """Add the options of scoring; they travel in the manifest, not as arguments of the tasks."""
        super().configure_args()
        self.arg_parser.prog = "python -m model_etl.engines.mapreduce"
        options.add(self.arg_parser)

    def load_args(self, args: Sequence[str]) -> None:
        """Parse the arguments; a mistyped option ends the command with 2 and the name that it resembles."""
        _, unknown = self.arg_parser.parse_known_intermixed_args(args)
        if unknown:
            self.arg_parser.error(printable_message(describe_unknown(self.arg_parser, unknown)))
        super().load_args(args)

    def _usage(self) -> str:
        return "python -m model_etl.engines.mapreduce [--count] [options] INPUT ..."

    def _print_help(self, parsed: argparse.Namespace) -> None:
        """Print the options in the groups of a run, then mrjob's; with -r, only those of that runner."""
        from mrjob.options import _add_basic_args, _add_job_args  # noqa: PLC0415  only the help needs them

        if parsed.runner:
            super()._print_help(parsed)
            return
        parser = argparse.ArgumentParser(prog=self.arg_parser.prog, usage=self._usage(), add_help=False)
        options.add(parser)
        group = parser.add_argument_group("mrjob (see also --help -r RUNNER)")
        _add_basic_args(group)
        _add_job_args(group, include_deprecated=False, include_steps=False)
        parser.print_help()

    def run_job(self) -> None:
        """Run on a manifest, and write to standard output or --output-dir."""
        with open(stdout_fd(), "wb", closefd=False) as self._stdout:
            super().run_job()

    def make_runner(self) -> MRJobRunner:
        """Return the runner, and remember it: its counters are known when the job has ended."""
        self.runner: MRJobRunner = super().make_runner()
        return self.runner

    def run_mapper(self, step_num: int = 0) -> None:
        """Run a task; what a model prints goes to standard error, because standard output is for data."""
        self._stdout, self._stderr = self.stdout, self.stderr
        if self._stdout is getattr(sys.__stdout__, "buffer", None):
            self._stdout = os.fdopen(os.dup(1), "wb")
            os.dup2(2, 1)
        sys.stdout = sys.stderr = io.TextIOWrapper(self._stderr, write_through=True)
        super().run_mapper(step_num)
        self._stdout.flush()

    def mapper(self, _: Any, line: str) -> Iterator[tuple[Any, Any]]:
        """Score one piece."""
        task = Task.from_line(line)
        outcomes: Counter[str] = Counter()
        try:
            for scored in task.scored():
                outcomes.update(scored.counts)
                for counter, amount in _counters(scored).items():
                    self.increment_counter("model_etl", counter, amount)
                yield from self.results(task, scored)
            yield from self.final_lines()
        except ModelEtlError as exc:
            if task.number is None or not is_last_attempt():
                raise
            # The launcher may not be able to read the log of a task, but it reads the output.
            yield self.control_line(
                b"error", {"type": type(exc).__name__, "message": exc.message, "remedy": exc.remedy}
            )
        if task.number is not None:
            yield self.control_line(b"tally", {"task": task.number, "counts": outcomes})

    def results(self, task: Task, scored: Scored) -> Iterator[tuple[Any, Any]]:
        """Yield the lines of a batch, all lines of a tag at once, which is much faster than one by one."""
        if len(scored.batch) and task.scorer.layout.predictions_only:
            pairs = zip(scored.batch.documents, scored.predictions, strict=True)
            yield None, b"\n".join(document.strip() + b"\t" + prediction for document, prediction in pairs)
        elif len(scored.batch):
            yield None, b"output\t" + b"\noutput\t".join(scored.predictions)
        if scored.rejects and task.null_for_rejects:
            yield None, b"\n".join(_record_of(rejection) + b"\tnull" for rejection in scored.batch.rejected)
        rejects = b"" if task.null_for_rejects else scored.rejects
        for tag, lines in ((b"event", scored.events), (b"reject", rejects)):
            if lines:
                yield tag, lines[:-1].replace(b"\n", b"\n" + tag + b"\t")

    def final_lines(self) -> Iterator[tuple[Any, Any]]:
        """Yield the lines that are known only at the end of a piece."""
        return iter(())

    def control_line(self, tag: bytes, content: Any) -> tuple[Any, Any]:
        """Return a line for the launcher."""
        return tag, msgspec.json.encode(content)


def _record_of(rejection: Rejection) -> bytes:
    """Return a rejected record on one line: as it was read, or as a JSON string if it is not one line of UTF-8."""
    text = (rejection.document or rejection.text).strip()
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        decoded = text.decode(errors="backslashreplace")
    else:
        if "\n" not in decoded and "\t" not in decoded:
            return text
    return msgspec.json.encode(decoded)


def _counters(scored: Scored) -> Counter[str]:
    """Return counters for Hadoop: records by outcome, rejects by stage, withheld records by rule."""
    counts = Counter(scored.counts)
    counts["read"] = counts.total()
    counts.update(f"rejected: {rejection.stage}" for rejection in scored.batch.rejected)
    counts.update(f"withheld: {record.answers[-1].rule}" for record in scored.batch.withheld)
    return +counts


if __name__ == "__main__":
    run_command(ScoringJob)
