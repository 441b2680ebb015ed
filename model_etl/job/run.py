"""run_job: lock and stage the files, run the graph, check the counts, publish, report."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from model_etl.errors import out_of_memory, printable
from model_etl.evidence.prediction_log import now
from model_etl.evidence.run_report import FileFacts, Report, describe_files, describe_model
from model_etl.formats import media_type
from model_etl.formats.table_remedies import remedy_for_rejects
from model_etl.job.fetched_model import fetched_model
from model_etl.job.reporting import reported
from model_etl.job.run_files import RunFiles, raise_open_file_limit, report_location
from model_etl.job.score_files import score_files
from model_etl.job.self_test_file import read_self_test
from model_etl.job.verification import RejectSummary, check_unchanged, no_records, state_and_identity, too_many_rejects
from model_etl.pipeline.build import LoadedScoring, load_scoring, output_format_of
from model_etl.pipeline.writers import TooManyRejects
from model_etl.publishing.publication import Publication, RunPublication
from model_etl.publishing.storage import Location
from model_etl.records.run_counts import FileCounts, RunCounters
from model_etl.runtime.signals import Interrupts
from model_etl.schema.fields import Field
from model_etl.settings.job_config import JobConfig


def run_job(
    config: JobConfig, interrupts: Interrupts | None = None, on_progress: Callable[[RunCounters], None] | None = None
) -> tuple[Report, BaseException | None]:
    """Score a file, or several in one run.

    Args:
        config: the settings of the run.
        interrupts: the signals that may end the run; none by default.
        on_progress: called several times a second with the counters of the run.

    Returns:
        The report, and what ended the run if it failed.
    """
    interrupts = interrupts or Interrupts()
    interrupts.limit_time(config.max_runtime)
    report = Report(uuid.uuid4().hex, config.scoring.job, config.masked_options(), now())
    counters = RunCounters.with_digests(hashed=config.report is not None)
    with Publication(config.lock_wait) as publication, reported(report, counters.counts, interrupts) as outcome:
        location = report_location(config)
        if location is not None:  # before the work: better no run than a run without its report
            outcome.report_file = publication.stage(location, "application/json")
        files = RunFiles.from_config(config, location)
        files.find_inputs(config)
        raise_open_file_limit(len(files.outputs))
        try:
            Run(config, files, interrupts, report, counters, on_progress).execute()
        except MemoryError as exc:
            raise out_of_memory(config.input_file, counters.records_read) from exc
    return report, outcome.failure


class Run:
    """One run, from its inputs to its published files.

    Args:
        config: the settings.
        files: the locations of the files, with the inputs found.
        interrupts: the signals that may end the run.
        report: completed while the run goes on.
        counters: count what is read and written.
        on_progress: called several times a second with the counters.
    """

    def __init__(
        self,
        config: JobConfig,
        files: RunFiles,
        interrupts: Interrupts,
        report: Report,
        counters: RunCounters,
        on_progress: Callable[[RunCounters], None] | None = None,
    ) -> None:
        self._config = config
        self._files = files
        self._interrupts = interrupts
        self._report = report
        self._counters = counters
        self._on_progress = on_progress
        self._identities: list[str] = []
        self._states: list[str] = []
        self._publication = RunPublication(config.if_exists, config.lock_wait)

    def execute(self) -> None:
        """Execute the run.

        Raises:
            ModelEtlError: if nothing, or not everything, was published.
            Interrupted: if a signal ended the run.
        """
        for location in self._files.inputs:
            state, identity = state_and_identity(location)
            self._states.append(state)
            self._identities.append(identity)
        sizes = [location.size for location in self._files.inputs]
        self._counters.expected_bytes = None if None in sizes else sum(size or 0 for size in sizes)
        with self._publication:
            if not self._stage_outputs():
                self._report.status = "skipped"
                return
            self._files.stage_log_and_rejects(self._publication, dry_run=self._config.dry_run)
            model, storage = self._config.scoring.model, self._config.storage
            with fetched_model(model, storage) as fetched, contextlib.closing(self._load(fetched)) as scoring:
                self._interrupts.check()
                stopped = self._score(scoring)
                if self._config.limit is None and not stopped:  # else the inputs were not read to their ends
                    self._report.files["input"] = _describe_files(
                        self._files.inputs, self._counters.inputs, self._files.name
                    )
                with self._timed("publish"):
                    self._refuse_rejects(scoring.facts.inputs, stopped=stopped)
                    self._verify_and_publish()

    def _stage_outputs(self) -> bool:
        """Stage and lock the outputs; return False if they exist and are to be kept."""
        return self._publication.stage_outputs(
            (location, media_type(*output_format_of(location.name, self._config))) for location in self._files.outputs
        )

    def _load(self, fetched: str | None) -> LoadedScoring:
        with self._timed("load"):
            scoring = load_scoring(
                self._config.scoring,
                workers=self._config.workers,
                internals=self._files.log is not None,
                timeout_s=self._config.model_timeout,
                judged=self._config.input_format != "rejects",  # which may all be refused again, and alike
                python=self._config.model_python,
                fetched=fetched,
                self_test=read_self_test(self._config),
            )
        self._report.model = describe_model(scoring.facts)
        return scoring

    def _score(self, scoring: LoadedScoring) -> bool:
        """Score the inputs; return whether the run was stopped because of its rejects."""
        on_progress = self._on_progress
        with self._timed("score"):
            try:
                score_files(
                    self._config,
                    self._files,
                    self._identities,
                    self._publication,
                    scoring,
                    self._counters,
                    run_id=self._report.run_id,
                    on_progress=(lambda: on_progress(self._counters)) if on_progress else None,
                )
            except TooManyRejects:
                return True
        return False

    def _refuse_rejects(self, fields: Mapping[str, Field], *, stopped: bool) -> None:
        """Check that the rejects are tolerated; if not, publish them, and nothing else.

        Raises:
            DataError: if there are too many.
        """
        counts = self._counters.counts()
        if not stopped and not self._config.max_errors.exceeded(counts.rejected, counts.read):
            return
        published = self._publication.publish_rejects(self._interrupts)
        if published is not None:
            self._report.files["rejects"] = _describe_files([published], [self._counters.rejects])
        first = map(RejectSummary.from_rejection, self._counters.first_rejects)
        rejects_name = published.name if published is not None else None
        raise too_many_rejects(
            counts,
            self._config.max_errors,
            first,
            rejects_name,
            stopped=stopped,
            quote=self._config.scoring.may_quote,
            likely=remedy_for_rejects(self._counters.first_rejects, fields),
        )

    def _verify_and_publish(self) -> None:
        self._verify()
        if self._config.dry_run:
            self._report.status = "dry_run"
            return
        any_rejects = self._counters.rejects.records > 0
        try:
            self._publication.publish(self._interrupts, any_rejects=any_rejects)
        finally:
            if self._publication.is_published:
                self._report_published(any_rejects=any_rejects)

    def _report_published(self, *, any_rejects: bool) -> None:
        files, counters = self._files, self._counters
        if any_rejects and files.rejects is not None:
            self._report.files["rejects"] = _describe_files([files.rejects], [counters.rejects])
        if files.log is not None:
            self._report.files["log"] = _describe_files([files.log], [counters.log])
        output_name = printable(self._config.output_file)
        self._report.files["output"] = _describe_files(files.outputs, counters.outputs, output_name)
        self._report.status = "published"

    def _verify(self) -> None:
        """Check that no record was lost, and that the inputs are still the same.

        Raises:
            TryAgain: if an input was changed.
            DataError: if there are no records, and the run does not accept that.
            ModelEtlError: if the counts disagree.
        """
        self._counters.check(logged=self._files.log is not None)
        for location, state in zip(self._files.inputs, self._states, strict=True):
            check_unchanged(location, state)
        if not self._counters.records_read and self._config.on_empty == "fail":
            raise no_records(self._files.name)

    @contextlib.contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self._report.seconds[phase] = round(time.monotonic() - start, 6)


def _describe_files(locations: Sequence[Location], counts: Sequence[FileCounts], name: str = "") -> dict[str, Any]:
    files = [
        FileFacts(location.name, location.uri, file.size, file.sha256, file.records)
        for location, file in zip(locations, counts, strict=True)
    ]
    return describe_files(files, name)
