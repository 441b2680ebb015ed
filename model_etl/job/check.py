"""check_job: try all that a run would do, without writing."""

from __future__ import annotations

import dataclasses

from model_etl.job.run_files import RunFiles, report_location
from model_etl.job.verification import no_records, too_many
from model_etl.pipeline.build import GraphFiles, GraphInput, GraphOutput, RunCounts, load, score, scoring_graph
from model_etl.publishing.publication import Publication, refuse_existing
from model_etl.services import locate
from model_etl.settings.job_config import JobConfig


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
    files = RunFiles.from_config(config, report_location(config))
    files.find_inputs(config)
    inputs = [GraphInput(file.name, file.path, file.identity()) for file in files.inputs]
    for _, location in files.outputs_by_role():
        location.check_writable()
    if config.if_exists == "fail":
        refuse_existing(files.outputs)
    tallies = RunCounts()
    first = dataclasses.replace(config, limit=min(records, config.limit or records), dry_run=True, workers=1)
    with Publication() as spools:
        scoring = load(first, internals=files.log is not None)
        output, log, rejects = (spools.stage(locate("-")) for _ in range(3))
        outputs = [GraphOutput(file.name, output.path, output.path) for file in files.outputs]
        paths = GraphFiles(inputs, outputs, rejects.path, log.path if files.log else None)
        services = {"fs": files.inputs[0].fs, "output_fs": output.fs, "log_fs": log.fs, "rejects_fs": rejects.fs}
        graph = scoring_graph(first, scoring, paths, run_id="check", tallies=tallies)
        score(graph, services, None)
    counts = tallies.counts()
    if config.max_errors.exceeded(counts["rejected"], counts["read"]):
        raise too_many(first, files, tallies, stopped=False)
    if not counts["read"] and config.on_empty == "fail":
        raise no_records(files)
    return [
        f"model    {scoring.facts.name} {scoring.facts.version} ({scoring.facts.reference})",
        *(f"rule     {rule.name}, {'before' if rule.before_model else 'after'} the model" for rule in scoring.rules),
        *(f"input    {file.name}" for file in files.inputs),
        *(f"{role:<8} {location.name}" for role, location in files.outputs_by_role()),
        f"records  first {counts['read']}: {counts['written']} predicted, {counts['rejected']} rejected,"
        f" {counts['withheld']} withheld",
    ]
