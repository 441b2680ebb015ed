"""check_job: try a run without publishing."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence

from model_etl.errors import printable_message
from model_etl.formats.table_remedies import remedy_for_rejects
from model_etl.job.estimate import estimate_run
from model_etl.job.fetched_model import fetched_model
from model_etl.job.run_files import RunFiles, report_location
from model_etl.job.sample import Sample
from model_etl.job.score_files import score_files
from model_etl.job.self_test_file import read_self_test
from model_etl.job.verification import RejectSummary, check_outcomes
from model_etl.pipeline.build import GraphInput, LoadedScoring, input_file, load_scoring
from model_etl.pipeline.writers import TooManyRejects
from model_etl.publishing.publication import RunPublication, refuse_existing
from model_etl.records.run_counts import FileCounts, RunCounters, RunCounts
from model_etl.scoring.self_test import SelfTest
from model_etl.services import locate
from model_etl.settings.job_config import JobConfig

_MOST_INPUTS = 100
"""How many inputs are opened to check the names of their columns."""


def check_job(config: JobConfig, records: int = 100) -> list[str]:
    """Do everything that a run does, for the first records only and without writing a file.

    Args:
        config: the settings of the run.
        records: how many records to score.

    Returns:
        Lines that describe what was checked.

    Raises:
        ModelEtlError: the error that would end the run.
    """
    files = RunFiles.from_config(config, report_location(config))
    files.find_inputs(config)
    identities = [location.identity() for location in files.inputs]
    for _, location in files.outputs_by_role():
        location.check_writable()
    if config.if_exists == "fail":
        refuse_existing(files.outputs)
    first = dataclasses.replace(config, limit=min(records, config.limit or records), workers=1)
    self_test = read_self_test(config)
    loading = _load(config, self_test, internals=files.log is not None)
    counters = RunCounters()
    inputs = [
        GraphInput(location.name, location.path, identity)
        for location, identity in zip(files.inputs, identities, strict=True)
    ]
    with contextlib.closing(loading) as scoring:
        sample = Sample(scoring)
        with RunPublication() as publication:
            _stage_discarded_files(publication, files)
            with contextlib.suppress(TooManyRejects):  # the same error follows, with the first rejects
                score_files(first, files, identities, publication, sample.scoring, counters, run_id="check")
        _check_other_names(config, files, inputs, sample)
        counts = counters.counts()
        likely = remedy_for_rejects(counters.first_rejects, scoring.facts.inputs)
        first_rejects = map(RejectSummary.from_rejection, counters.first_rejects)
        check_outcomes(config, counts, first_rejects, files.name, likely=likely)
        return [
            *_describe(scoring, files, counts),
            *([f"self-test {len(self_test.records)} records are predicted as expected"] if self_test else ()),
            *sample.describe_names(),
            *sample.predictions(config.scoring.redact),
            *sample.compare(),
            *estimate_run(config, files, inputs, scoring),
        ]


def _load(config: JobConfig, self_test: SelfTest | None, *, internals: bool) -> LoadedScoring:
    with fetched_model(config.scoring.model, config.storage) as fetched:
        return load_scoring(
            config.scoring,
            workers=1,
            internals=internals,
            timeout_s=config.model_timeout,
            judged=True,
            python=config.model_python,
            lasting=True,
            fetched=fetched,
            self_test=self_test,
        )


def _check_other_names(config: JobConfig, files: RunFiles, inputs: Sequence[GraphInput], sample: Sample) -> None:
    """Check the names of the fields of the inputs that the first records do not come from.

    Raises:
        DataError: if a required field is missing, or an input is not in its format.
    """
    for location, graph_input in zip(files.inputs[:_MOST_INPUTS], inputs, strict=False):
        if location.stream or location.name in sample.seen:
            continue
        file = input_file(config, graph_input, FileCounts(), sample.scoring.facts)
        with file.opened(location.fs) as stream:
            batch = next(file.read(stream, sample.scoring.facts.inputs), None)
            if batch is not None:
                sample.check_names(batch)


def _stage_discarded_files(publication: RunPublication, files: RunFiles) -> None:
    """Stage streams, which are not published, instead of the files of the run."""
    publication.outputs = [publication.stage(locate("-"))] * len(files.outputs)
    if files.log is not None:
        publication.stage_log(locate("-"))
    publication.stage_rejects(locate("-"), publishes=False)


def _describe(scoring: LoadedScoring, files: RunFiles, counts: RunCounts) -> list[str]:
    python = f", Python {scoring.facts.python}" if scoring.facts.python else ""
    lines = [
        f"model    {scoring.facts.name} {scoring.facts.version} ({scoring.facts.reference}{python})",
        *(f"rule     {rule}" for rule in scoring.ask("describe_rules")),
        *(f"input    {location.name}" for location in files.inputs),
        *(f"{role:<8} {location.name}" for role, location in files.outputs_by_role()),
        f"records  first {counts.read}: {counts.written} predicted, {counts.rejected} rejected,"
        f" {counts.withheld} withheld",
    ]
    return list(map(printable_message, lines))
