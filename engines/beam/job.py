"""run_job: find the inputs, run the pipeline, check the counts, publish."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions

from model_etl.engines.beam.files import BeamInput, find_inputs, lines_in, open_file, uri_of
from model_etl.engines.beam.outputs import (
    LOG,
    PREDICTIONS,
    REJECTS,
    Output,
    StagingFolders,
    outputs_of,
    publish,
    remove_stale,
)
from model_etl.engines.beam.piece_files import FileSettings
from model_etl.engines.beam.pipeline import Results, Task, build, read_results
from model_etl.engines.beam.run_pipeline import run_pipeline
from model_etl.engines.shared.pieces import limit_pieces, piece_format
from model_etl.engines.shared.reporting import digest_file
from model_etl.engines.shared.scoring import Scorer, ScorerSettings
from model_etl.errors import ModelEtlError, ModelUnavailable, TryAgain, UsageError, input_changed, rebuild
from model_etl.evidence.run_report import Report, describe_files, describe_model
from model_etl.formats import format_for
from model_etl.job.verification import RejectSummary, check_outcomes
from model_etl.publishing.publication import all_exist, refuse_existing
from model_etl.records.run_counts import FIRST_REJECTS, RunCounts
from model_etl.runtime.signals import Interrupts
from model_etl.settings.job_config import JobConfig

_CONNECT_TIMEOUT_S = 20
"""How long a job service may take to accept a connection, in seconds."""
SPLIT_BYTES = 32 << 20
"""The default size of the pieces that JSON Lines are cut into."""


class PipelineFailed(ModelUnavailable):
    """The pipeline failed for a reason that only Beam's log tells: a worker died, or could not be started."""


@dataclass(frozen=True)
class Job:
    """The settings of a job.

    Attributes:
        config: those of the run.
        scoring: those of the scorer.
        shards: number of files of each result; 0 for a file for each piece, 1 for a file of just the given name.
        split_bytes: size of the pieces that JSON Lines are cut into.
    """

    config: JobConfig
    scoring: ScorerSettings
    shards: int = 0
    split_bytes: int = SPLIT_BYTES


def run_job(job: Job, options: Sequence[str], interrupts: Interrupts, report: Report) -> None:
    """Score the inputs of a job; publish all results or nothing.

    Args:
        job: the settings.
        options: Beam's own options: the runner and its options.
        interrupts: the signals that may end the job.
        report: completed while the job goes on.

    Raises:
        DataError: if more records were rejected than are tolerated; then the rejects are published, and nothing else.
        TryAgain: if an input was changed meanwhile, another run has a lock, or the job service cannot be reached.
        ModelEtlError: if anything else fails.
    """
    _Run(job, options, interrupts, report).execute()


class _Run:
    def __init__(self, job: Job, options: Sequence[str], interrupts: Interrupts, report: Report) -> None:
        self._job = job
        self._config = job.config
        self._options = options
        self._interrupts = interrupts
        self._report = report

    def execute(self) -> None:
        config = self._config
        inputs = find_inputs(config.input_file)
        scorer: Scorer | None = None
        if config.limit is not None:
            scorer = self._load()
        tasks, input_numbers = self._tasks(inputs, scorer)
        outputs = {output.role: output for output in outputs_of(config, inputs, input_numbers, self._job.shards)}
        if not self._job.scoring.log:
            outputs.pop(LOG, None)
        folders = StagingFolders(list(outputs.values()), self._report.run_id, config.lock_wait)
        with folders.made():
            if not self._is_wanted(outputs[PREDICTIONS]):
                self._report.status = "skipped"
                return
            results = self._run_pipeline(tasks, outputs, folders, scorer or self._load())
            self._interrupts.check()
            self._report.counts = RunCounts.from_mapping(results.counts)
            self._report.counts.check()
            self._verify_inputs(inputs)
            check_outcomes(
                config, self._report.counts, _first_rejects(results), config.input_file,
                lambda: self._publish_rejects(outputs[REJECTS], results),
            )  # fmt: skip
            self._publish(list(outputs.values()), results)

    def _load(self) -> Scorer:
        """Load the model here, which finds most mistakes before any work; each worker loads its own."""
        scorer = self._job.scoring.scorer()
        self._report.model = describe_model(scorer.facts)
        return scorer

    def _tasks(self, inputs: Sequence[BeamInput], scorer: Scorer | None) -> tuple[list[Task], list[int]]:
        """Return the pieces of the inputs, and for each the number of its input."""
        limit, config = self._config.limit, self._config
        split_bytes = self._job.split_bytes if limit is None else None
        paths = {file.name: file.path for file in inputs}
        formats = [piece_format(f.name, config.input_format, tsv_quotes=config.tsv_quotes) for f in inputs]
        pieces = [
            piece
            for file, file_format in zip(inputs, formats, strict=True)
            for piece in file.pieces(file_format, split_bytes, config.input_compression)
        ]
        if limit is not None and scorer is not None:
            pieces = list(limit_pieces(pieces, limit, lambda piece: open_file(paths[piece.name]), scorer.facts.inputs))
        numbers = {file.name: number for number, file in enumerate(inputs)}
        tasks = [Task(number, paths[piece.name], piece) for number, piece in enumerate(pieces)]
        return tasks, [numbers[piece.name] for piece in pieces]

    def _is_wanted(self, predictions: Output) -> bool:
        """Return whether there is something to do: not if the output exists and is to be kept."""
        if self._config.if_exists == "fail":
            refuse_existing(predictions.targets)
        return self._config.if_exists != "skip" or not all_exist(predictions.targets)

    def _run_pipeline(
        self, tasks: Sequence[Task], outputs: dict[str, Output], folders: StagingFolders, scorer: Scorer
    ) -> Results:
        _check_job_service(self._options)
        groups = {role: output.groups for role, output in outputs.items()}
        files = FileSettings(
            folders.by_role,
            outputs[PREDICTIONS].targets[0].name,
            self._output_format(outputs[PREDICTIONS].targets[0].name),
            self._config.output_compression,
            assembled=groups[PREDICTIONS] is not None,
            first_event=scorer.started(self._report.run_id, self._config.masked_options()) if LOG in outputs else b"",
        )
        prefix = f"{folders.by_role[REJECTS]}/results"
        try:
            pipeline = beam.Pipeline(options=PipelineOptions(list(self._options)))
            build(pipeline, tasks, groups, self._job.scoring, files, prefix)
            run_pipeline(pipeline)
        except Exception as exc:
            raise _translate_pipeline_error(exc) from exc
        return read_results(prefix, len(tasks), groups)

    def _output_format(self, name: str) -> str | None:
        """Return the name of the format of the predictions, or None if their name shows it."""
        config = self._config
        if not config.tsv_quotes:
            return config.output_format
        return format_for(name, config.output_format, "--output_format", tsv_quotes=True)[0].name

    def _verify_inputs(self, inputs: Sequence[BeamInput]) -> None:
        found = {(file.path, file.identity) for file in find_inputs(self._config.input_file)}
        if found != {(file.path, file.identity) for file in inputs}:
            raise input_changed(self._config.input_file)

    def _publish_rejects(self, output: Output, results: Results) -> str | None:
        if self._config.dry_run:
            return None
        with self._interrupts.uninterruptible():
            self._publish_files(output, results)
        return output.display_name

    def _publish(self, outputs: Sequence[Output], results: Results) -> None:
        if self._config.dry_run:
            self._report.status = "dry_run"
            return
        with self._interrupts.uninterruptible():
            if self._config.if_exists == "fail":
                refuse_existing(outputs[0].targets)
            published = {output.role: self._publish_files(output, results) for output in reversed(outputs)}
            for output in outputs:
                remove_stale(output, published[output.role])
        self._report.status = "published"

    def _publish_files(self, output: Output, results: Results) -> list[str]:
        files = []
        if self._config.report is not None:
            for name in results.files[output.role]:
                with open_file(name) as file:
                    files.append(digest_file(name, name, file))
        names = publish(output, results.files[output.role])
        if files:
            role = "output" if output.role == PREDICTIONS else output.role
            published = [file._replace(name=n, uri=uri_of(n)) for file, n in zip(files, names, strict=True)]
            self._report.files[role] = describe_files(published, output.display_name)
        return names


def _first_rejects(results: Results) -> list[RejectSummary]:
    lines = zip(lines_in(results.files[REJECTS]), range(FIRST_REJECTS), strict=False)
    return [RejectSummary.from_line(line) for line, _ in lines]


def _check_job_service(options: Sequence[str]) -> None:
    """Check that the job service accepts connections: Beam would wait for minutes.

    Raises:
        TryAgain: if it does not.
    """
    endpoint = PipelineOptions(list(options)).view_as(PortableOptions).job_endpoint
    if not endpoint or endpoint == "embed":
        return
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as exc:
        raise TryAgain(f"the job service at {endpoint} cannot be reached: {exc}", "Check --job_endpoint.") from exc


_ERROR_IN_TEXT = re.compile(r"model_etl\.errors\.(\w+): (.+?)(?: \[while running|$)", re.MULTILINE)


def _translate_pipeline_error(exc: Exception) -> ModelEtlError:
    """Return the error that a worker raised and Beam wrapped, if it is a `ModelEtlError`; else one that has Beam's."""
    text = str(exc)
    if isinstance(exc, ModelEtlError):  # of this process; Beam appends a traceback to its message
        return type(exc)(text.partition(" [while running")[0] + "; nothing was published")
    if match := _ERROR_IN_TEXT.search(text):  # of another process, as text
        return rebuild(match[1], match[2] + "; nothing was published", default=PipelineFailed)
    if isinstance(exc, ValueError) and "[while running" not in text:  # before anything ran
        return UsageError(f"Beam refuses: {_last_line(text)}", "See the documentation of the runner's options.")
    return PipelineFailed(
        f"the pipeline failed: {_last_line(text)}; nothing was published", "The lines above are Beam's."
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it gives no reason"
