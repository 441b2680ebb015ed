"""run_job: find the inputs, run the pipeline on whatever runner, check the counts, publish."""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions

from model_etl import errors
from model_etl.engines.beam.files import BatchSink, LineSink, Output, lines_in, pieces_of, remove_folder, storage
from model_etl.engines.beam.finish import finish
from model_etl.engines.beam.pipeline import COUNTS, LOG, REJECTS, results_of
from model_etl.engines.shared.options import masked_settings
from model_etl.engines.shared.pieces import InputPiece
from model_etl.engines.shared.scoring import ScorerSettings
from model_etl.engines.shared.verdict import FIRST, too_many
from model_etl.errors import DataError, ModelEtlError, SameFile, TryAgain, UsageError
from model_etl.formats import format_for
from model_etl.runtime.signals import Interrupts
from model_etl.settings.job_config import sibling_name
from model_etl.settings.values import MaxErrors

_PATIENCE = 20
"""Seconds in which a job service has to answer."""


class PipelineFailed(ModelEtlError):
    """The engine gave up; its own log says why."""


@dataclass(frozen=True)
class Job:
    """What is read and written; the options of `model-etl run`, by the same names.

    Attributes:
        input: a file, a folder or a pattern.
        output: the predictions.
        settings: of the scorer.
        input_format, output_format: if the names do not tell them.
        prediction_log: the log, or "none"; beside the output by default.
        rejects: the rejects; beside the output by default.
        max_errors: how many rejects are tolerated.
        shards: how many files each result has; 0 leaves it to the engine, with 1 there is one of just the name given.
        split_bytes: bytes of the pieces that JSON Lines are cut into.
        run_id: of this run alone.
    """

    input: str
    output: str
    settings: ScorerSettings
    input_format: str | None = None
    output_format: str | None = None
    prediction_log: str | None = None
    rejects: str | None = None
    max_errors: MaxErrors = field(default_factory=MaxErrors)
    shards: int = 0
    split_bytes: int = 32 << 20
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def outputs(self) -> dict[str, Output]:
        """Say where the results go, in the order in which they are published: the predictions last."""
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


def run_job(job: Job, options: Sequence[str], interrupts: Interrupts) -> dict[str, int]:
    """Score the inputs of a job; publish all of it or nothing.

    Args:
        job: what to do.
        options: Beam's own options: the runner and what it wants.
        interrupts: the signals that may end the job.

    Returns:
        The number of records by what became of them: read, written, rejected, withheld.

    Raises:
        DataError: if more records were rejected than are tolerated; then the rejects are published, and nothing else.
        TryAgain: if an input was changed meanwhile, or the engine is not there.
        ModelEtlError: if something else goes wrong.
    """
    outputs = job.outputs()
    format_for(job.output, job.output_format, "--output_format")
    pieces = pieces_of(job.input, job.input_format, job.split_bytes)
    for output in outputs.values():
        with storage("write", output.name):
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
    scorer = job.settings.scorer()  # here to see that it can be loaded; each worker loads its own
    form, compression = format_for(job.output, job.output_format, "--output_format")
    _find_job_service(options)
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
                sink = BatchSink(output.staged, output.suffix, form, compression, scorer.layout, job.shards)
            else:
                sink = LineSink(output.staged, output.suffix, job.shards, skip_if_empty=role == REJECTS)
            _ = results[role] | f"write {role}" >> beam.io.Write(sink)
        _ = (
            results[COUNTS]
            | "encode counts" >> beam.Map(lambda count: json.dumps(count).encode() + b"\n")
            | "write counts" >> beam.io.Write(LineSink(_beside_predictions(outputs), "", 1))
        )
        finish(pipeline)
    except Exception as exc:
        raise _told(exc) from exc


def _find_job_service(options: Sequence[str]) -> None:
    """See that somebody listens where the job goes: Beam would wait for minutes.

    Raises:
        TryAgain: if nobody does.
    """
    endpoint = PipelineOptions(list(options)).view_as(PortableOptions).job_endpoint
    if not endpoint or endpoint == "embed":
        return
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, ValueError) as exc:
        raise TryAgain(f"the job service at {endpoint} cannot be reached: {exc}", "Check --job_endpoint.") from exc


def _beside_predictions(outputs: Mapping[str, Output]) -> str:
    return outputs["predictions"].staged.removesuffix("predictions") + COUNTS


def _counts(outputs: Mapping[str, Output]) -> dict[str, int]:
    counts = dict(map(json.loads, lines_in(_beside_predictions(outputs))))
    return {"read": 0, "written": 0, "rejected": 0, "withheld": 0, **counts}


def _verify(job: Job, counts: Mapping[str, int], pieces: Sequence[InputPiece], outputs: Mapping[str, Output]) -> None:
    if counts["read"] != counts["written"] + counts["rejected"] + counts["withheld"]:
        raise ModelEtlError(f"the counts disagree: {counts}; nothing was published", "This is a bug: please report it.")
    now = pieces_of(job.input, job.input_format, job.split_bytes)
    if {(piece.name, piece.identity) for piece in now} != {(piece.name, piece.identity) for piece in pieces}:
        raise TryAgain(
            f"{job.input} was changed while it was read; nothing was published",
            "Run again when whoever writes it is done.",
        )
    if job.max_errors.exceeded(counts["rejected"], counts["read"]):
        first = list(islice(lines_in(outputs[REJECTS].staged), FIRST))
        raise DataError(
            too_many(counts["rejected"], counts["read"], job.max_errors, first),
            f"See {outputs[REJECTS].shown}; correct the records or the model and run again,"
            " or tolerate some with --max_errors N.",
        )


_OURS = re.compile(r"model_etl\.errors\.(\w+): (.+?)(?: \[while running|$)", re.MULTILINE)


def _told(exc: Exception) -> Exception:
    """Give the error that a worker raised and the engine wrapped, if it is one of ours."""
    text = str(exc)
    if isinstance(exc, ModelEtlError):  # from this process, with more words and the traceback in its message
        return type(exc)(text.partition(" [while running")[0] + "; nothing was published")
    if found := _OURS.search(text):  # from another process, as text
        return getattr(errors, found[1], PipelineFailed)(found[2] + "; nothing was published")
    if isinstance(exc, ValueError) and "[while running" not in text:  # before anything ran
        return UsageError(f"Beam refuses: {_last_line(text)}", "See the documentation of the runner's options.")
    return PipelineFailed(
        f"the pipeline failed: {_last_line(text)}; nothing was published", "The lines above are the engine's own."
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it does not say why"
