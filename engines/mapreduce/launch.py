"""Starts a job: makes its manifest, routes what comes out of it into files, and publishes them whole or not at all."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model_etl.engines.mapreduce import options, running
from model_etl.engines.mapreduce.manifest import inputs_of, refuse_changed, sent_along, tasks_of
from model_etl.engines.mapreduce.models import selected
from model_etl.engines.mapreduce.places import Place
from model_etl.engines.mapreduce.publishing import Outputs
from model_etl.engines.mapreduce.results import Results
from model_etl.engines.shared import options as shared
from model_etl.engines.shared.scoring import Scorer, ScorerSettings
from model_etl.errors import DataError
from model_etl.publishing.publication import Publication
from model_etl.runtime.signals import Interrupts
from model_etl.runtime.standard_streams import prints_to_stderr
from model_etl.settings.job_config import JobConfig

if TYPE_CHECKING:
    from model_etl.engines.mapreduce.job import ScoringJob

_AFAR = ("hadoop", "emr")
"""Runners whose workers do not see the files of this machine."""


def launch(job: ScoringJob) -> int:
    """Run a job as its options say.

    Returns:
        The exit code.
    """
    return shared.run(lambda interrupts: _launched(job, interrupts))


def _launched(job: ScoringJob, interrupts: Interrupts) -> int:
    with tempfile.TemporaryDirectory(prefix="mapreduce-") as folder, prints_to_stderr():
        start = _Launch(job, Path(folder))
        if start.values.get("output_file"):
            return start.publish(interrupts)
        log = start.values.get("prediction_log", "none") != "none" and not job.counting
        start.prepare(log=log, counted=False)
        job.run_as_mrjob_does()
    return 0


class _Launch:
    """A job that is being started.

    Args:
        job: the job, with its options.
        folder: for what lasts as long as the job does.

    Raises:
        ModelEtlError: if the options make no sense.
    """

    def __init__(self, job: ScoringJob, folder: Path) -> None:
        self._job = job
        self._folder = folder
        self.values = options.read(job.options)
        self._names = list(job.options.args)
        self._model = selected(self.values["model"], job.options.model_qualified_name)

    def publish(self, interrupts: Interrupts) -> int:
        """Run the job, and publish what comes out of it.

        Raises:
            ModelEtlError: if nothing was published.
        """
        config = options.config_of({**self.values, "model": self._model}, ", ".join(self._names))
        inputs = inputs_of(self._names)
        outputs = Outputs(config, {place.uri for place in inputs}, counting=self._job.counting)
        with Publication(config.lock_wait) as publication:
            outputs.stage(publication)
            if outputs.skipped:
                return 0
            settings, tasks = self.prepare(inputs, log=outputs.log is not None, counted=True)
            with outputs.opened() as files:
                results = Results(files)
                if outputs.log is not None:
                    files[b"event"].write(self._started(settings))
                interrupts.check()
                counters = running.run(self._job, results.take)
                files[b"output"].writelines(sorted(results.groups))
            results.verify(tasks, counters, log=outputs.log is not None, counting=self._job.counting)
            self._judge(config, results, outputs, interrupts)
            refuse_changed(inputs, self._names)
            outputs.publish(interrupts, any_rejects=results.counts["rejected"] > 0)
        self._tell(results, counters)
        return 0

    def prepare(self, inputs: Sequence[Place] | None = None, *, log: bool, counted: bool) -> tuple[ScorerSettings, int]:
        """Load the model, which finds most mistakes before any work, and give the job its manifest as input.

        Args:
            inputs: what to score; found if not given.
            log: whether there is a prediction log.
            counted: whether each task tells what its records came to.

        Returns:
            The settings of scoring, and the number of tasks.
        """
        inputs = inputs_of(self._names) if inputs is None else inputs
        settings = shared.scorer_settings({**self.values, "model": self._model}, log=log)
        if counted and not settings.keep and not self._job.counting:
            settings = dataclasses.replace(settings, join=True)  # the order of the input is lost
        self._scorer = Scorer(settings)
        given = self._job.options
        afar = given.runner in _AFAR
        form = self.values.get("input_format")
        tasks = tasks_of(inputs, settings, form, given.split_bytes, afar=afar, counted=counted)
        if afar:
            tasks, sent = sent_along(tasks, inputs, self._folder)
            given.upload_files = [*(given.upload_files or ()), *sent]
        manifest = self._folder / "manifest"
        manifest.write_bytes(b"".join(task.line() for task in tasks))
        given.args = [str(manifest)]
        if given.bootstrap_mrjob is None:
            given.bootstrap_mrjob = False  # where the model is installed, so is mrjob
        given.cleanup_on_failure = given.cleanup_on_failure or ["TMP"]  # it holds records
        given.local_tmp_dir = given.local_tmp_dir or str(self._folder)  # which only its owner may read
        return settings, len(tasks)

    def _started(self, settings: ScorerSettings) -> bytes:
        about = shared.masked_settings(settings, inputs=tuple(self._names), runner=self._job.options.runner or "inline")
        return self._scorer.started(uuid.uuid4().hex, about)

    def _judge(self, config: JobConfig, results: Results, outputs: Outputs, interrupts: Interrupts) -> None:
        if config.max_errors.exceeded(results.counts["rejected"], results.read):
            raise DataError(
                results.told_rejects(config.max_errors),
                outputs.publish_rejects(interrupts)
                + "orrect the records or the model and run again, or tolerate some with --max_errors N.",
            )
        if not results.read and config.on_empty == "fail":
            raise DataError(f"{config.input_file} has no records", "Say --on_empty ok if that may be.")

    def _tell(self, results: Results, counters: Mapping[str, int]) -> None:
        if self._job.options.verbose or (sys.stderr.isatty() and not self._job.options.quiet):
            print(results.summary(counters), file=sys.stderr)  # noqa: T201  for people
