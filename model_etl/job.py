"""run_job: lock, stage, run the graph, check the counts, publish, report."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from model_etl.assembly import Paths, Tallies, load, score, scoring_graph
from model_etl.config import JobConfig
from model_etl.errors import Interrupted, ModelEtlError, printable, storage_error
from model_etl.files import Files
from model_etl.interrupts import Interrupts
from model_etl.model import said
from model_etl.prediction_log import now
from model_etl.publish import Location, Publication, Stage, refuse_existing
from model_etl.report import Report, about_model, masked
from model_etl.strict_json import encode_json
from model_etl.tally import Tally
from model_etl.verdict import too_many, verify
from services import locate


def run_job(
    config: JobConfig, interrupts: Interrupts | None = None, progress: Callable[[Tallies], None] | None = None
) -> tuple[Report, BaseException | None]:
    """Score one file.

    Args:
        config: what to do.
        interrupts: the signals that may end it; none by default.
        progress: called some times a second with the counts so far.

    Returns:
        The report, and what ended the run if it failed.
    """
    interrupts = interrupts or Interrupts()
    report = Report(uuid.uuid4().hex, config.job, masked(config.settings()), now())
    tallies = Tallies.hashing(hashed=config.report is not None)
    failure: BaseException | None = None
    with Publication(config.lock_wait) as publication:
        stage: Stage | None = None
        try:
            files = Files.of(config)
            if files.report is not None:
                stage = publication.stage(files.report)  # before the work: better no run than one without its report
            _run(config, files, interrupts, report, tallies, progress)
            report.exit_code = 0
        except (Exception, Interrupted) as exc:  # noqa: BLE001  told to the user by whoever called
            failure = interrupts.raised or exc  # a library may have wrapped what a signal raised
            report.status = "failed"
            report.exit_code = getattr(failure, "exit_code", 1)
            message = printable(getattr(failure, "message", said(failure)))
            report.error = {"type": type(failure).__name__, "message": message}
        report.counts = tallies.counts()
        report.ended = now()
        if stage is not None:
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
    files: Files,
    interrupts: Interrupts,
    report: Report,
    tallies: Tallies,
    progress: Callable[[Tallies], None] | None,
) -> None:
    identity = files.input.identity()
    with Publication(config.lock_wait) as publication:
        stages = {"output": publication.stage(files.output)}
        if config.if_exists == "skip" and files.output.exists():
            report.status = "skipped"
            return
        if config.if_exists == "fail":
            refuse_existing(files.output)
        if files.log is not None:
            stages["log"] = publication.stage(files.log, private=True)
        # Without a place for rejects they are only counted: their file is staged, but never published.
        stages["rejects"] = publication.stage(files.rejects or locate("-"), private=True)
        with _timed(report, "load"):
            model, rules = load(config)
            report.model = about_model(model)
        paths = Paths(files.input.path, **{role: stage.path for role, stage in stages.items()})
        graph = scoring_graph(config, model, rules, paths, identity=identity, run_id=report.run_id, tallies=tallies)
        interrupts.check()
        with _timed(report, "score"):
            stopped = score(graph, files.input, stages, (lambda: progress(tallies)) if progress else None)
        if config.limit is None and not stopped:  # else it was not read to its end
            report.files["input"] = _about_file(files.input, tallies.input)
        with _timed(report, "publish"):
            if stopped or config.max_errors.exceeded(tallies.rejects.records, tallies.input.records):
                if files.rejects is not None and not config.dry_run:
                    stages["rejects"].settle()
                    with interrupts.held():
                        _publish(stages, ["rejects"], report, tallies)
                raise too_many(config, files, tallies, stopped=stopped)
            verify(config, files, identity, tallies)
            if config.dry_run:
                report.status = "dry_run"
                return
            _publish_all(config, files, stages, interrupts, report, tallies)


def _publish_all(
    config: JobConfig,
    files: Files,
    stages: Mapping[str, Stage],
    interrupts: Interrupts,
    report: Report,
    tallies: Tallies,
) -> None:
    roles = [role for role in ("rejects", "log", "output") if role in stages]  # the output last
    if not tallies.rejects.records:
        roles.remove("rejects")
    for role in roles:
        stages[role].settle()
    with interrupts.held():
        if config.if_exists == "fail":
            refuse_existing(files.output)
        if not tallies.rejects.records and files.rejects is not None:
            files.rejects.remove()  # an earlier run's would be taken for this one's
        _publish(stages, roles, report, tallies)
        report.status = "published"


def _publish(stages: Mapping[str, Stage], roles: Sequence[str], report: Report, tallies: Tallies) -> None:
    for role in roles:
        stage = stages[role]
        stage.publish()
        report.files[role] = _about_file(stage.location, getattr(tallies, role))


def _about_file(location: Location, tally: Tally) -> dict[str, Any]:
    return {"name": location.name, "uri": location.uri, "bytes": tally.size, "sha256": tally.sha256}


@contextlib.contextmanager
def _timed(report: Report, phase: str) -> Iterator[None]:
    start = time.monotonic()
    try:
        yield
    finally:
        report.seconds[phase] = round(time.monotonic() - start, 6)


def _write_report(stage: Stage, report: Report) -> None:
    with stage.fs.openbin(stage.path, "w") as file:
        file.write(encode_json(report.as_json()) + b"\n")
    stage.settle()
    stage.publish()
