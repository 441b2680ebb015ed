"""run_job: lock, stage, run the graph, check the counts, publish, report."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from model_etl.errors import Interrupted, ModelEtlError, OutputRefused, SameFile, printable, storage_error
from model_etl.evidence.prediction_log import now
from model_etl.evidence.run_report import Report, about_model
from model_etl.formats import media_type
from model_etl.job.run_files import RunFiles, raise_open_file_limit, report_location
from model_etl.job.verification import too_many, verify
from model_etl.pipeline.build import (
    GraphFiles,
    GraphInput,
    GraphOutput,
    RunCounts,
    format_of_output,
    load,
    score,
    scoring_graph,
)
from model_etl.publishing.publication import Location, Publication, StagedFile, StagedFileSystem, refuse_existing
from model_etl.records.run_counts import FileCounts
from model_etl.records.strict_json import encode_json
from model_etl.runtime.signals import Interrupts
from model_etl.scoring.model import describe_exception
from model_etl.services import locate
from model_etl.settings.job_config import JobConfig


def run_job(
    config: JobConfig, interrupts: Interrupts | None = None, progress: Callable[[RunCounts], None] | None = None
) -> tuple[Report, BaseException | None]:
    """Score a file, or several in one run.

    Args:
        config: what to do.
        interrupts: the signals that may end it; none by default.
        progress: called some times a second with the counts so far.

    Returns:
        The report, and what ended the run if it failed.
    """
    interrupts = interrupts or Interrupts()
    report = Report(uuid.uuid4().hex, config.scoring.job, config.masked_options(), now())
    tallies = RunCounts.hashing(hashed=config.report is not None)
    failure: BaseException | None = None
    with Publication(config.lock_wait) as publication:
        stage: StagedFile | None = None
        try:
            place = report_location(config)
            if place is not None:  # before the work: better no run than one without its report
                stage = publication.stage(place, "application/json")
            files = RunFiles.from_config(config, place)
            files.find_inputs(config)
            raise_open_file_limit(len(files.outputs))
            _run(config, files, interrupts, report, tallies, progress)
            report.exit_code = 0
        except (Exception, Interrupted) as exc:  # noqa: BLE001  told to the user by whoever called
            failure = interrupts.raised or exc  # a library may have wrapped what a signal raised
            report.status = "failed"
            report.exit_code = getattr(failure, "exit_code", 1)
            message = printable(getattr(failure, "message", describe_exception(failure)))
            report.error = {"type": type(failure).__name__, "message": message}
        report.counts = tallies.counts()
        report.ended = now()
        if stage is not None and not isinstance(failure, SameFile):
            try:
                _write_report(stage, report)
            except (OSError, ModelEtlError) as exc:
                error = storage_error(exc, "write", stage.location.name)
                if report.status == "published":
                    error.message += "; the predictions were published"
                failure = failure or error
                report.exit_code = report.exit_code or error.exit_code
    return report, failure


def _run(
    config: JobConfig,
    files: RunFiles,
    interrupts: Interrupts,
    report: Report,
    tallies: RunCounts,
    progress: Callable[[RunCounts], None] | None,
) -> None:
    inputs = [GraphInput(file.name, file.path, file.identity()) for file in files.inputs]
    sizes = [file.size for file in files.inputs]
    tallies.expected = None if None in sizes else sum(size or 0 for size in sizes)
    with Publication(config.lock_wait) as publication, contextlib.ExitStack() as loaded:
        stages = _Stages([_staged(publication, output, config) for output in files.outputs])
        if config.if_exists == "skip" and _all_exist(files.outputs):
            report.status = "skipped"
            return
        if config.if_exists == "fail":
            refuse_existing(files.outputs)
        if files.log is not None:
            stages.log = publication.stage(files.log, private=True)
        # Without a place for rejects they are only counted: their file is staged, but never published.
        stages.rejects = rejects = publication.stage(files.rejects or locate("-"), private=True)
        with _timed(report, "load"):
            scoring = loaded.enter_context(contextlib.closing(load(config, internals=files.log is not None)))
            report.model = about_model(scoring.facts)
        outputs = [GraphOutput(stage.location.name, str(n), stage.path) for n, stage in enumerate(stages.outputs)]
        paths = GraphFiles(inputs, outputs, rejects.path, stages.log.path if stages.log else None)
        graph = scoring_graph(config, scoring, paths, run_id=report.run_id, tallies=tallies)
        interrupts.check()
        with _timed(report, "score"):
            stopped = score(
                graph, stages.services(files.inputs[0].fs), (lambda: progress(tallies)) if progress else None
            )
        if config.limit is None and not stopped:  # else it was not read to its end
            report.files["input"] = _about(files.inputs, tallies.inputs, files.name)
        with _timed(report, "publish"):
            read, rejected = tallies.read[1], tallies.rejects.records
            if stopped or config.max_errors.exceeded(rejected, read):
                if files.rejects is not None and not config.dry_run:
                    rejects.prepare()
                    with interrupts.uninterruptible():
                        rejects.publish()
                        report.files["rejects"] = _about([files.rejects], [tallies.rejects])
                raise too_many(config, files, tallies, stopped=stopped)
            verify(config, files, [file.identity for file in inputs], tallies)
            if config.dry_run:
                report.status = "dry_run"
                return
            _publish(config, files, stages, interrupts, report, tallies)


_TOLD = 3
"""Files that a message names before it only counts them."""


@dataclass
class _Stages:
    """What a run writes before it is published."""

    outputs: list[StagedFile]
    log: StagedFile | None = None
    rejects: StagedFile | None = None

    def services(self, fs: Any) -> dict[str, Any]:
        """Give the file systems to inject."""
        return {
            "fs": fs,
            "output_fs": StagedFileSystem(self.outputs),
            "log_fs": self.log and self.log.fs,
            "rejects_fs": self.rejects and self.rejects.fs,
        }


def _staged(publication: Publication, output: Location, config: JobConfig) -> StagedFile:
    return publication.stage(output, media_type(*format_of_output(output.name, config)))


def _all_exist(locations: Sequence[Location]) -> bool:
    """Tell whether all of some files exist.

    Raises:
        OutputRefused: if some do and others do not: done in parts, log and outputs would not belong together.
    """
    existing = [location.name for location in locations if location.exists()]
    if existing and len(existing) < len(locations):
        raise OutputRefused(
            f"{len(existing)} of {len(locations)} outputs exist already, {existing[0]} for one",
            "Remove them, or say --if_exists replace.",
        )
    return bool(existing)


def _publish(
    config: JobConfig,
    files: RunFiles,
    stages: _Stages,
    interrupts: Interrupts,
    report: Report,
    tallies: RunCounts,
) -> None:
    any_rejects = tallies.rejects.records > 0
    first = [stage for stage in (stages.rejects if any_rejects else None, stages.log) if stage is not None]
    for stage in (*first, *stages.outputs):
        stage.prepare()
    # An earlier run's would be taken for this one's.
    stale = files.rejects if files.rejects is not None and not any_rejects and files.rejects.exists() else None
    with interrupts.uninterruptible():
        if config.if_exists == "fail":
            refuse_existing(files.outputs)
        if stale is not None:
            stale.remove()
        _publish_in_turn([*first, *stages.outputs])  # the outputs last
        if any_rejects and files.rejects is not None:
            report.files["rejects"] = _about([files.rejects], [tallies.rejects])
        if files.log is not None:
            report.files["log"] = _about([files.log], [tallies.log])
        report.files["output"] = _about(files.outputs, tallies.outputs, printable(config.output_file))
        report.status = "published"


def _publish_in_turn(stages: Sequence[StagedFile]) -> None:
    for number, stage in enumerate(stages):
        try:
            stage.publish()
        except ModelEtlError as exc:
            if number:
                names = [done.location.name for done in stages[:number]]
                more = [f"{number - _TOLD} more"] if number > _TOLD else []
                exc.message += f"; {', '.join(names[:_TOLD] + more)} {'was' if number == 1 else 'were'} published"
            raise


def _about(locations: Sequence[Location], tallies: Sequence[FileCounts], name: str = "") -> dict[str, Any]:
    """Describe a file for the report, or several together."""
    told = [
        {"name": place.name, "uri": place.uri, "bytes": tally.size, "sha256": tally.sha256}
        for place, tally in zip(locations, tallies, strict=True)
    ]
    if len(told) == 1:
        return told[0]
    for about, tally in zip(told, tallies, strict=True):
        about["records"] = tally.records
    return {"name": name, "bytes": sum(tally.size for tally in tallies), "files": told}


@contextlib.contextmanager
def _timed(report: Report, phase: str) -> Iterator[None]:
    start = time.monotonic()
    try:
        yield
    finally:
        report.seconds[phase] = round(time.monotonic() - start, 6)


def _write_report(stage: StagedFile, report: Report) -> None:
    with stage.fs.openbin(stage.path, "w") as file:
        file.write(encode_json(report.as_json()) + b"\n")
    stage.prepare()
    stage.publish()
