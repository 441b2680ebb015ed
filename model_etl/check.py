"""check_job: try all that a run would do, without writing."""

from __future__ import annotations

import dataclasses

from model_etl.assembly import Paths, Tallies, load, score, scoring_graph
from model_etl.config import JobConfig
from model_etl.files import Files
from model_etl.publish import Publication, refuse_existing
from model_etl.verdict import no_records, too_many
from services import locate


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
        stages = {
            role: spools.stage(locate("-"))
            for role in ("output", "log", "rejects")
            if role != "log" or files.log is not None
        }
        paths = Paths(files.input.path, **{role: stage.path for role, stage in stages.items()})
        graph = scoring_graph(first, model, rules, paths, identity=identity, run_id="check", tallies=tallies)
        score(graph, files.input, stages, None)
    counts = tallies.counts()
    if config.max_errors.exceeded(counts["rejected"], counts["read"]):
        raise too_many(first, files, tallies, stopped=False)
    if not counts["read"] and config.on_empty == "fail":
        raise no_records(files)
    return [
        f"model    {model.name} {model.version} ({model.reference})",
        *(f"rule     {rule.name}, {'before' if rule.before_model else 'after'} the model" for rule in rules),
        f"input    {files.input.name}",
        *(f"{role:<8} {location.name}" for role, location in vars(files).items() if location in written),
        f"records  first {counts['read']}: {counts['written']} predicted, {counts['rejected']} rejected,"
        f" {counts['withheld']} withheld",
    ]
