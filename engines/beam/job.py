"""run_job: find the inputs, run the pipeline, check the counts, publish."""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions

from model_etl.engines.beam.files import (
    BatchSink,
    LineSink,
    Output,
    find_pieces,
    lines_in,
    remove_folder,
    translate_beam_errors,
)
from model_etl.engines.beam.pipeline import COUNTS, LOG, REJECTS, results_of
from model_etl.engines.beam.run_pipeline import run_pipeline
from model_etl.engines.shared.options import masked_settings
from model_etl.engines.shared.pieces import InputPiece
from model_etl.engines.shared.scoring import ScorerSettings
from model_etl.errors import DataError, ModelEtlError, SameFile, TryAgain, UsageError, input_changed, rebuild
from model_etl.formats import format_for
from model_etl.job.verification import RejectSummary, too_many_rejects
from model_etl.records.run_counts import RunCounts
from model_etl.runtime.signals import Interrupts
from model_etl.settings.job_config import sibling_name
from model_etl.settings.values import MaxErrors

_CONNECT_TIMEOUT_S = 20
"""How long a job service may take to accept a connection, in seconds."""


class PipelineFailed(ModelEtlError):
    """The pipeline failed for a reason that only Beam's log tells."""


@dataclass(frozen=True)
class Job:
    """The settings of a job, by the names of the options of `model-etl run`.

    Attributes:
        input: a file, a folder or a pattern.
        output: the predictions.
        settings: of the scorer.
        input_format, output_format: names of formats that the names of the files do not show.
        input_compression, output_compression: names of compressions that the names of the files do not show.
        prediction_log: the prediction log, or "none"; by default beside the output.
        rejects: the rejects file; by default beside the output.
        max_errors: how many rejects are tolerated.
        shards: number of files of each result; 0 lets the engine decide, 1 is a file of just the given name.
        split_bytes: size of the pieces that JSON Lines are cut into.
        run_id: identifies the run.
    """

    input: str
    output: str
    settings: ScorerSettings
    input_format: str | None = None
    output_format: str | None = None
    input_compression: str | None = None
    output_compression: str | None = None
    prediction_log: str | None = None
    rejects: str | None = None
    max_errors: MaxErrors = field(default_factory=MaxErrors)
    shards: int = 0
    split_bytes: int = 32 << 20
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def outputs(self) -> dict[str, Output]:
        """Return the results by role, in the order of publishing: the predictions last."""
        names = {
            LOG: self.prediction_log or sibling_name(self.output, ".log.ldjson"),
            REJECTS: self.rejects or sibling_name(self.output, ".rejects.ldjson"),
            "predictions": self.output,
        }
        if not self.settings.log:
            del names[LOG]
        return {
            role: Output(name, sibling_name(name, f".staged-{self.run_id}/{role}"), self.shards == 1)
            for role, name in names.items()
        }


def run_job(job: Job, options: Sequence[str], interrupts: Interrupts) -> RunCounts:
    """Score the inputs of a job; publish all results or nothing.

    Args:
        job: the settings.
        options: Beam's own options: the runner and its options.
        interrupts: the signals that may end the job.

    Returns:
        The number of records by outcome.

    Raises:
        DataError: if more records were rejected than are tolerated; then the rejects are published, and nothing else.
        TryAgain: if an input was changed meanwhile, or the job service cannot be reached.
        ModelEtlError: if anything else fails.
    """
    outputs = job.outputs()
    format_for(job.output, job.output_format, "--output_format", job.output_compression)
    pieces = find_pieces(job.input, job.input_format, job.split_bytes, job.input_compression)
    for output in outputs.values():
        with translate_beam_errors("write", output.name):
            FileSystems.get_filesystem(output.name)
        if output.name in {piece.name for piece in pieces}:
            raise SameFile(f"{output.name} is an input too", "Give each a name of its own.")
    try:
        for output in outputs.values():
            output.stage()
        _run(job, outputs, pieces, options)
        interrupts.check()
        counts = _counts(outputs)
        _verify(job, counts, pieces, outputs)
        with interrupts.uninterruptible():
            for output in outputs.values():
                output.publish()
    except DataError:
        outputs[REJECTS].publish()
        raise
    finally:
        for output in outputs.values():
            remove_folder(output.staged.rpartition("/")[0])
    return counts


def _run(job: Job, outputs: Mapping[str, Output], pieces: Sequence[InputPiece], options: Sequence[str]) -> None:
    scorer = job.settings.scorer()  # finds most mistakes before any work; each worker loads its own
    file_format, compression = format_for(job.output, job.output_format, "--output_format", job.output_compression)
    _check_job_service(options)
    try:
        pipeline = beam.Pipeline(options=PipelineOptions(list(options)))
        results = results_of(pipeline | "inputs" >> beam.Create(pieces), job.settings, scorer.facts.inputs)
        if LOG in outputs:
            first = scorer.started(
                job.run_id, masked_settings(job.settings, input_file=job.input, output_file=job.output)
            )
            started = pipeline | "run started" >> beam.Create([first])
            results[LOG] = (started, results[LOG]) | "whole log" >> beam.Flatten()
        for role, output in outputs.items():
            if role == "predictions":
                sink = BatchSink(output.staged, output.suffix, file_format, compression, scorer.layout, job.shards)
            else:
                sink = LineSink(output.staged, output.suffix, job.shards, skip_if_empty=role == REJECTS)
            _ = results[role] | f"write {role}" >> beam.io.Write(sink)
        _ = (
            results[COUNTS]
            | "encode counts" >> beam.Map(lambda count: json.dumps(count).encode() + b"\n")
            | "write counts" >> beam.io.Write(LineSink(_counts_prefix(outputs), "", 1))
        )
        run_pipeline(pipeline)
    except Exception as exc:
        raise _translate_pipeline_error(exc) from exc


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


def _counts_prefix(outputs: Mapping[str, Output]) -> str:
    return outputs["predictions"].staged.removesuffix("predictions") + COUNTS


def _counts(outputs: Mapping[str, Output]) -> RunCounts:
    return RunCounts.from_mapping(dict(map(json.loads, lines_in(_counts_prefix(outputs)))))


def _verify(job: Job, counts: RunCounts, pieces: Sequence[InputPiece], outputs: Mapping[str, Output]) -> None:
    counts.check()
    now = find_pieces(job.input, job.input_format, job.split_bytes, job.input_compression)
    if {(piece.name, piece.identity) for piece in now} != {(piece.name, piece.identity) for piece in pieces}:
        raise input_changed(job.input)
    if job.max_errors.exceeded(counts.rejected, counts.read):
        first = map(RejectSummary.from_line, lines_in(outputs[REJECTS].staged))
        raise too_many_rejects(counts, job.max_errors, first, outputs[REJECTS].display_name)


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
