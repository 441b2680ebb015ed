"""Launches a job: writes its manifest, routes its output into files, and publishes these whole or not at all."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from model_etl.engines.mapreduce import options, running
from model_etl.engines.mapreduce.inputs import MapReduceInput, check_unchanged, find_inputs
from model_etl.engines.mapreduce.manifest import Limit, build_tasks, upload_shared_inputs
from model_etl.engines.mapreduce.models import select_model
from model_etl.engines.mapreduce.mrjob_import import MRJob
from model_etl.engines.mapreduce.output_files import (
    compression_of_output,
    locate_output_files,
    open_staged_files,
    stage_output_files,
)
from model_etl.engines.mapreduce.results import JobResults
from model_etl.engines.mapreduce.task import Task
from model_etl.engines.shared.options import masked_settings, run, scorer_settings
from model_etl.engines.shared.reporting import digest_file, run_reported
from model_etl.engines.shared.scoring import Scorer, ScorerSettings
from model_etl.errors import DataError
from model_etl.evidence.run_report import Report, describe_files, describe_model
from model_etl.job.run_files import RunFiles
from model_etl.job.verification import check_outcomes
from model_etl.publishing.publication import RunPublication
from model_etl.records.run_counts import RunCounts
from model_etl.runtime.signals import Interrupts
from model_etl.runtime.standard_streams import prints_to_stderr
from model_etl.settings.job_config import JobConfig
from model_etl.settings.values import MaxErrors

REMOTE_RUNNERS = ("hadoop", "emr")
"""Runners whose workers do not see the files of this machine."""


def launch(job: MRJob) -> int:
    """Run a job as its options say.

    Returns:
        The exit code.
    """
    return run(lambda interrupts: _launch(job, interrupts), until_exit=True)


def _launch(job: MRJob, interrupts: Interrupts) -> int:
    with tempfile.TemporaryDirectory(prefix="mapreduce-") as folder, prints_to_stderr():
        launcher = _Launcher(job, Path(folder))
        if launcher.values.get("output_file"):
            run_reported(launcher.config, interrupts, lambda report: launcher.run_and_publish(interrupts, report))
        else:
            launcher.run_to_stdout()
    return 0


class _Launcher:
    """Launches one job.

    Args:
        job: the job, with its options.
        folder: for files that are needed as long as the job runs.

    Attributes:
        values: of the options, by name.

    Raises:
        ModelEtlError: if the options contradict each other.
    """

    def __init__(self, job: MRJob, folder: Path) -> None:
        self._job = job
        self._folder = folder
        self.values = options.read(job.options)
        self._names: list[str] = self.values["input_file"]
        self._model = select_model(self.values["model"], job.options.model_qualified_name)

    def run_to_stdout(self) -> None:
        """Run the job, whose output goes to standard output or to --output-dir."""
        logged = self.values.get("prediction_log", "none") != "none" and not self._job.counting
        inputs = find_inputs(self._names)
        settings = scorer_settings({**self.values, "model": self._model}, log=logged)
        scorer = Scorer(settings)  # finds most mistakes before any work; each worker loads its own
        tasks = self._build_tasks(inputs, settings, scorer, numbered=False)
        self._write_manifest(tasks, inputs)
        self._job.run_job()
        counts = RunCounts.from_mapping(running.counters_of(self._job.runner))
        max_errors = self.values.get("max_errors") or MaxErrors()
        if max_errors.exceeded(counts.rejected, counts.read):
            raise DataError(
                f"{counts.rejected} of {counts.read} records were rejected, {max_errors} are tolerated; their lines are"
                " in the output",
                "Correct the records or the model, or tolerate some with --max_errors N.",
            )

    @cached_property
    def config(self) -> JobConfig:
        """The settings of a run that publishes."""
        return options.config_of({**self.values, "model": self._model}, ", ".join(self._names))

    def run_and_publish(self, interrupts: Interrupts, report: Report) -> None:
        """Run the job and publish its output.

        Args:
            interrupts: signals that may end the job.
            report: of the run.

        Raises:
            ModelEtlError: if nothing was published.
        """
        config = self.config
        inputs = find_inputs(self._names)
        uris = {job_input.uri for job_input in inputs}
        files = locate_output_files(config, uris, counting=self._job.counting)
        logged, compression = files.log is not None, compression_of_output(config)
        with RunPublication(config.if_exists, config.lock_wait) as publication:
            if not stage_output_files(publication, files, compression, dry_run=config.dry_run):
                report.status = "skipped"
                return
            settings = self._settings_to_publish(logged=logged)
            scorer = Scorer(settings)
            report.model = describe_model(scorer.facts)
            tasks = self._build_tasks(inputs, settings, scorer, numbered=True)
            self._write_manifest(tasks, inputs)
            with open_staged_files(publication, compression) as staged:
                results = JobResults(staged)
                if logged:
                    staged[b"event"].write(scorer.started(report.run_id, self._masked_settings(settings)))
                interrupts.check()
                counters = running.run(self._job, results.route_lines)
                staged[b"output"].writelines(sorted(results.groups))
            report.counts = results.counts
            results.check(len(tasks), counters, logged=logged, counting=self._job.counting)
            check_outcomes(
                config, results.counts, results.first_rejects, config.input_file,
                lambda: _publish_rejects(publication, interrupts),
            )  # fmt: skip
            check_unchanged(inputs, self._names)
            report.status = "dry_run" if config.dry_run else "published"
            if not config.dry_run:
                publication.publish(interrupts, any_rejects=results.counts.rejected > 0)
                if config.report is not None:
                    report.files |= _described(files, results)
        self._print_summary(results, counters)

    def _settings_to_publish(self, *, logged: bool) -> ScorerSettings:
        settings = scorer_settings({**self.values, "model": self._model}, log=logged)
        if settings.keep or self._job.counting:
            return settings
        return dataclasses.replace(settings, join=True)  # the order of the input is lost

    def _masked_settings(self, settings: ScorerSettings) -> dict[str, object]:
        runner = self._job.options.runner or "inline"
        return masked_settings(settings, inputs=tuple(self._names), runner=runner)

    def _build_tasks(
        self, inputs: Sequence[MapReduceInput], settings: ScorerSettings, scorer: Scorer, *, numbered: bool
    ) -> list[Task]:
        limit = self.values.get("limit")
        tasks = build_tasks(
            inputs,
            settings,
            self.values.get("input_format"),
            self._job.options.split_bytes,
            input_compression=self.values.get("input_compression"),
            remote=self._job.options.runner in REMOTE_RUNNERS,
            numbered=numbered,
            tsv_quotes=bool(self.values.get("tsv_quotes")),
            limited=Limit(limit, scorer.facts.inputs) if limit is not None else None,
        )
        null_for_rejects = bool(self._job.options.null_for_rejects)
        return [dataclasses.replace(task, null_for_rejects=null_for_rejects) for task in tasks]

    def _write_manifest(self, tasks: Sequence[Task], inputs: Sequence[MapReduceInput]) -> None:
        """Write the manifest, and make it the job's input."""
        given = self._job.options
        if given.runner in REMOTE_RUNNERS:
            tasks, uploads = upload_shared_inputs(tasks, inputs, self._folder)
            given.upload_files = [*(given.upload_files or ()), *uploads]
        manifest = self._folder / "manifest"
        manifest.write_bytes(b"".join(task.line() for task in tasks))
        given.args = [str(manifest)]
        if given.bootstrap_mrjob is None:
            given.bootstrap_mrjob = False  # where the model is installed, so is mrjob
        given.cleanup_on_failure = given.cleanup_on_failure or ["TMP"]  # it holds records
        given.local_tmp_dir = given.local_tmp_dir or str(self._folder)  # which only its owner may read

    def _print_summary(self, results: JobResults, counters: Mapping[str, int]) -> None:
        if self._job.options.verbose or (sys.stderr.isatty() and not self._job.options.quiet):
            print(results.summary(counters), file=sys.stderr)  # noqa: T201  for people


def _described(files: RunFiles, results: JobResults) -> dict[str, dict[str, Any]]:
    """Return what the report says of the published files, by role."""
    described = {}
    for role, location in files.outputs_by_role():
        if role in ("output", "log") or (role == "rejects" and results.counts.rejected):
            with location.fs.openbin(location.path) as file:
                described[role] = describe_files([digest_file(location.name, location.uri, file)])
    return described


def _publish_rejects(publication: RunPublication, interrupts: Interrupts) -> str | None:
    published = publication.publish_rejects(interrupts)
    return published.name if published is not None else None
