"""run_job: lock, stage, run the graph, check the counts, publish, report."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphs.scoring import get_graph
from model_etl.config import JobConfig
from model_etl.errors import DataError, Interrupted, ModelEtlError, TryAgain, UsageError
from model_etl.execution import run_graph
from model_etl.formats import format_for
from model_etl.interrupts import Interrupts
from model_etl.layout import Layout
from model_etl.model import Model, load_model, said
from model_etl.model_node import MLModelTransformer
from model_etl.nodes import PredictionLogWriter, RecordReader, RecordWriter, RejectsWriter, TooManyRejects
from model_etl.prediction_log import PredictionLog, now
from model_etl.publish import Location, Publication, Stage, refuse_existing
from model_etl.records import Rejection, Source
from model_etl.report import Report, about_model, about_software, masked
from model_etl.rules import BusinessRuleTransformer, load_rule
from model_etl.strict_json import encode_json
from model_etl.tally import Tally
from services import locate

MORE_REJECTS = 1000
"""How many rejects beyond the tolerated ones are still collected: enough to see what is wrong."""

ROLES = ("output", "log", "rejects")


@dataclass
class Tallies:
    """What went through the files of a run."""

    input: Tally = field(default_factory=Tally)
    output: Tally = field(default_factory=Tally)
    log: Tally = field(default_factory=Tally)
    rejects: Tally = field(default_factory=Tally)
    withheld: Tally = field(default_factory=Tally)
    first_rejects: list[Rejection] = field(default_factory=list)

    @classmethod
    def hashing(cls, *, hashed: bool) -> Tallies:
        """Count files, with their digests if asked for: that costs time."""
        return cls(Tally(hashed), Tally(hashed), Tally(hashed), Tally(hashed))

    def counts(self) -> dict[str, int]:
        """Give the number of records by what became of them."""
        return {
            "read": self.input.records,
            "written": self.output.records,
            "rejected": self.rejects.records,
            "withheld": self.withheld.records,
        }


@dataclass(frozen=True)
class Paths:
    """Where the graph reads and writes, in the file systems that are injected."""

    input: str
    output: str
    rejects: str
    log: str | None = None


def load(config: JobConfig) -> tuple[Model, list[BusinessRuleTransformer]]:
    """Load the model and the rules of a configuration.

    Raises:
        ModelUnavailable, ConfigurationError, UsageError: if one cannot be loaded.
    """
    model = load_model(config.model, expect_version=config.expect_version)
    return model, [load_rule(reference, model) for reference in config.rules]


def layout_of(config: JobConfig, model: Model) -> Layout:
    """Say what the output records of a configuration hold."""
    return Layout(model.output.fields(), model.input.fields(), config.join, config.keep)


def scoring_graph(
    config: JobConfig,
    model: Model,
    rules: list[BusinessRuleTransformer],
    paths: Paths,
    *,
    identity: str,
    run_id: str,
    tallies: Tallies,
) -> Any:
    """Build the graph of a configuration.

    Args:
        config: what to do.
        model: the loaded model.
        rules: the loaded rules.
        paths: where to read and write.
        identity: the input's (see `Location.identity`).
        run_id: of this run.
        tallies: counts what goes through.
    """
    input_form, input_compression = format_for(config.input_file, config.input_format, "--input_format")
    output_form, output_compression = format_for(config.output_file, config.output_format, "--output_format")
    reader = RecordReader(
        paths.input,
        form=input_form,
        compression=input_compression,
        source=Source(config.input_file, identity, input_form.name),
        schema=model.input,
        limit=config.limit,
        tally=tallies.input,
    )
    log_writer = None
    if paths.log is not None:
        log = PredictionLog(config.job, model.name, model.version, config.log_inputs, frozenset(config.redact))
        about = {"job": config.job, "model": about_model(model), "software": about_software()}
        first = log.started(run_id, {**about, "settings": masked(config.settings())})
        log_writer = PredictionLogWriter(paths.log, log=log, first=first, tally=tallies.log)
    tolerated = config.max_errors
    return get_graph(
        reader=reader,
        rules=rules,
        model=MLModelTransformer(model=model, internals=log_writer is not None),
        log_writer=log_writer,
        rejects_writer=RejectsWriter(
            paths.rejects,
            stop_after=None if tolerated.percent else int(tolerated.limit) + MORE_REJECTS,
            first=tallies.first_rejects,
            tally=tallies.rejects,
        ),
        writer=RecordWriter(
            paths.output,
            form=output_form,
            compression=output_compression,
            layout=layout_of(config, model),
            withheld=tallies.withheld,
            tally=tallies.output,
        ),
    )


@dataclass
class Files:
    """Where the files of a run lie."""

    input: Location
    output: Location
    log: Location | None
    rejects: Location | None
    report: Location | None

    @classmethod
    def of(cls, config: JobConfig) -> Files:
        """Find them.

        Raises:
            UsageError: if two of them are the same, or rejects are tolerated but have no place.
        """
        output = locate(config.output_file)
        log = config.log_name(stream=output.stream)
        rejects = config.rejects_name(stream=output.stream)
        files = cls(
            input=locate(config.input_file),
            output=output,
            log=locate(log) if log else None,
            rejects=locate(rejects) if rejects else None,
            report=locate(config.report) if config.report else None,
        )
        files._check(config)
        return files

    def _check(self, config: JobConfig) -> None:
        seen: dict[str, str] = {}
        for role, location in vars(self).items():
            if location is None or location.stream:
                continue
            if location.uri in seen:
                raise UsageError(
                    f"{seen[location.uri]} and {role} are the same file, {location.name}",
                    "Give each a name of its own.",
                )
            seen[location.uri] = role
        if self.rejects is None and config.max_errors.limit:
            raise UsageError(
                "--max_errors tolerates rejects, but there is no place for them beside a stream", "Add --rejects FILE."
            )


@contextlib.contextmanager
def _timed(report: Report, phase: str) -> Iterator[None]:
    start = time.monotonic()
    try:
        yield
    finally:
        report.seconds[phase] = round(time.monotonic() - start, 6)


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
    report_file: Location | None = None
    try:
        report_file = locate(config.report) if config.report else None
        _run(config, interrupts, report, tallies, progress)
        report.exit_code = 0
    except (Exception, Interrupted) as exc:  # noqa: BLE001  told to the user by whoever called
        failure = exc
        report.status = "failed"
        report.exit_code = getattr(exc, "exit_code", 1)
        report.error = {"type": type(exc).__name__, "message": getattr(exc, "message", said(exc))}
    report.counts = tallies.counts()
    report.ended = now()
    if report_file is not None:
        try:
            _write_report(report_file, report)
        except ModelEtlError as exc:
            failure = failure or exc
            report.exit_code = report.exit_code or exc.exit_code
    return report, failure


def _run(
    config: JobConfig,
    interrupts: Interrupts,
    report: Report,
    tallies: Tallies,
    progress: Callable[[Tallies], None] | None,
) -> None:
    files = Files.of(config)
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
            stopped = _score(graph, files.input, stages, (lambda: progress(tallies)) if progress else None)
        if config.limit is None and not stopped:  # else it was not read to its end
            report.files["input"] = _about_file(files.input, tallies.input)
        with _timed(report, "publish"):
            if stopped or config.max_errors.exceeded(tallies.rejects.records, tallies.input.records):
                if files.rejects is not None and not config.dry_run:
                    with interrupts.held():
                        _publish(stages, ["rejects"], report, tallies)
                raise _too_many(config, files, tallies, stopped=stopped)
            _check(config, files, identity, tallies)
            if config.dry_run:
                report.status = "dry_run"
                return
            with interrupts.held():
                _publish_all(config, files, stages, report, tallies)
                report.status = "published"


def _score(graph: Any, source: Location, stages: Mapping[str, Stage], on_tick: Callable[[], None] | None) -> bool:
    """Run the graph; tell whether it was stopped for too many rejects."""
    services = {"fs": source.fs, **{f"{role}_fs": stage.fs for role, stage in stages.items()}}
    try:
        run_graph(graph, services, on_tick)
    except TooManyRejects:
        return True
    return False


def _publish_all(
    config: JobConfig, files: Files, stages: Mapping[str, Stage], report: Report, tallies: Tallies
) -> None:
    if config.if_exists == "fail":
        refuse_existing(files.output)
    roles = [role for role in ("rejects", "log", "output") if role in stages]  # the output last
    if not tallies.rejects.records:
        roles.remove("rejects")
        if files.rejects is not None:
            files.rejects.remove()  # an earlier run's would be taken for this one's
    _publish(stages, roles, report, tallies)


def _publish(stages: Mapping[str, Stage], roles: Sequence[str], report: Report, tallies: Tallies) -> None:
    for role in roles:
        stage = stages[role]
        stage.publish()
        report.files[role] = _about_file(stage.location, getattr(tallies, role))


def _about_file(location: Location, tally: Tally) -> dict[str, Any]:
    return {"name": location.name, "uri": location.uri, "bytes": tally.size, "sha256": tally.sha256}


def _check(config: JobConfig, files: Files, identity: str, tallies: Tallies) -> None:
    """See that nothing was lost, before anything is published."""
    counts = tallies.counts()
    if counts["read"] != counts["written"] + counts["rejected"] + counts["withheld"]:
        raise ModelEtlError(f"the counts disagree: {counts}; nothing was published", "This is a bug: please report it.")
    if files.log is not None and tallies.log.records != counts["read"]:
        raise ModelEtlError(
            f"the log has {tallies.log.records} events for {counts['read']} records; nothing was published",
            "This is a bug: please report it.",
        )
    if not files.input.stream and files.input.identity() != identity:
        raise TryAgain(
            f"{files.input.name} was changed while it was read; nothing was published",
            "Run again when whoever writes it is done.",
        )
    if not counts["read"] and config.on_empty == "fail":
        raise _empty(files)


def _empty(files: Files) -> DataError:
    return DataError(f"{files.input.name} has no records", "Say --on_empty ok if that may be.")


def _too_many(config: JobConfig, files: Files, tallies: Tallies, *, stopped: bool) -> DataError:
    counts = tallies.counts()
    told = [
        f"  record {r.position} of {r.source.name}, {r.stage}: {r.type_name}: {' '.join(r.message.split())}"
        for r in tallies.first_rejects
    ]
    rejected = counts["rejected"]
    if rejected > len(told):
        told.append(f"  and {rejected - len(told)} more")
    head = f"{rejected} of {counts['read']} records were rejected, {config.max_errors} are tolerated"
    head += ", so the run was stopped" if stopped else ""
    where = f"See {files.rejects.name}; c" if files.rejects and not config.dry_run else "C"
    return DataError(
        f"{head}; nothing was published\n" + "\n".join(told),
        where + "orrect the records or the model and run again, or tolerate some with --max_errors N.",
    )


def _write_report(location: Location, report: Report) -> None:
    with Publication() as publication:
        stage = publication.stage(location)
        with stage.fs.openbin(stage.path, "w") as file:
            file.write(encode_json(report.as_json()) + b"\n")
        stage.publish()


def check_job(config: JobConfig, records: int = 100) -> list[str]:
    """Try all that a run would do, but for the first records only and without writing a file.

    Args:
        config: what would be run.
        records: how many records to score.

    Returns:
        What was found to be in order, a line each.

    Raises:
        ModelEtlError: what a run would fail with.
    """
    files = Files.of(config)
    identity = files.input.identity()
    written = [location for location in (files.output, files.log, files.rejects, files.report) if location is not None]
    for location in written:
        location.check_writable()
    if config.if_exists == "fail":
        refuse_existing(files.output)
    tallies = Tallies()
    first = dataclasses.replace(config, limit=min(records, config.limit or records), dry_run=True)
    with Publication() as spools:
        model, rules = load(config)
        stages = {role: spools.stage(locate("-")) for role in ROLES if role != "log" or files.log is not None}
        paths = Paths(files.input.path, **{role: stage.path for role, stage in stages.items()})
        graph = scoring_graph(first, model, rules, paths, identity=identity, run_id="check", tallies=tallies)
        _score(graph, files.input, stages, None)
    counts = tallies.counts()
    if config.max_errors.exceeded(counts["rejected"], counts["read"]):
        raise _too_many(first, files, tallies, stopped=False)
    if not counts["read"] and config.on_empty == "fail":
        raise _empty(files)
    return [
        f"model    {model.name} {model.version} ({model.reference})",
        *(f"rule     {rule.name}, {'before' if rule.before_model else 'after'} the model" for rule in rules),
        f"input    {files.input.name}",
        *(f"{role:<8} {location.name}" for role, location in vars(files).items() if location in written),
        f"records  first {counts['read']}: {counts['written']} predicted, {counts['rejected']} rejected,"
        f" {counts['withheld']} withheld",
    ]
