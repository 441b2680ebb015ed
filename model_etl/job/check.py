"""check_job: try a run without publishing."""

from __future__ import annotations

import contextlib
import dataclasses

from model_etl.errors import printable_message
from model_etl.job.fetched_model import fetched_model
from model_etl.job.run_files import RunFiles, report_location
from model_etl.job.score_files import score_files
from model_etl.job.verification import RejectSummary, no_records, too_many_rejects
from model_etl.pipeline.build import LoadedScoring, load_scoring
from model_etl.pipeline.writers import TooManyRejects
from model_etl.publishing.publication import RunPublication, refuse_existing
from model_etl.records.batch import Batch
from model_etl.records.run_counts import RunCounters, RunCounts
from model_etl.scoring.model_step import MLModelTransformer
from model_etl.scoring.neighbours import check_neighbours
from model_etl.services import locate
from model_etl.settings.job_config import JobConfig


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
    with fetched_model(first.scoring.model, config.storage) as fetched:
        scoring = load_scoring(
            first.scoring,
            workers=1,
            internals=files.log is not None,
            timeout_s=config.model_timeout,
            judged=True,
            fetched=fetched,
        )
    counters = RunCounters()
    sample = _Sample(scoring)
    with RunPublication() as publication:
        _stage_discarded_files(publication, files)
        with contextlib.suppress(TooManyRejects):  # the same error follows, with the first rejects
            score_files(first, files, identities, publication, sample.scoring, counters, run_id="check")
    counts = counters.counts()
    if config.max_errors.exceeded(counts.rejected, counts.read):
        first_rejects = map(RejectSummary.from_rejection, counters.first_rejects)
        raise too_many_rejects(counts, config.max_errors, first_rejects, quote=config.scoring.may_quote)
    if not counts.read and config.on_empty == "fail":
        raise no_records(files.name)
    return [*_describe(scoring, files, counts), *sample.compare()]


class _Sample:
    """The records of the first batch, for a model that predicts batches: each must be predicted as it is alone.

    Args:
        scoring: the loaded model.

    Attributes:
        scoring: the same, and it keeps the sample.
    """

    def __init__(self, scoring: LoadedScoring) -> None:
        self.scoring = dataclasses.replace(scoring, decode=self._decode) if scoring.decode else scoring
        self._scoring = scoring
        self._batch: Batch | None = None

    def _decode(self, batch: Batch) -> Batch:
        self._batch = self._batch or batch
        return self._scoring.decode(batch) if self._scoring.decode else batch

    def compare(self) -> list[str]:
        """Return a line that says what was compared, if anything was.

        Raises:
            ModelUnavailable: if predictions depend on other records.
        """
        transformer, batch = self._scoring.transformer, self._batch
        if not isinstance(transformer, MLModelTransformer) or not transformer.model.takes_batches or not batch:
            return []
        check_neighbours(transformer, batch)
        return [f"batches  {len(batch)} records have the same predictions alone and in any company"]


def _stage_discarded_files(publication: RunPublication, files: RunFiles) -> None:
    """Stage streams, which are not published, instead of the files of the run."""
    publication.outputs = [publication.stage(locate("-"))] * len(files.outputs)
    if files.log is not None:
        publication.stage_log(locate("-"))
    publication.stage_rejects(locate("-"), publishes=False)


def _describe(scoring: LoadedScoring, files: RunFiles, counts: RunCounts) -> list[str]:
    lines = [
        f"model    {scoring.facts.name} {scoring.facts.version} ({scoring.facts.reference})",
        *(f"rule     {rule.name}, {'before' if rule.before_model else 'after'} the model" for rule in scoring.rules),
        *(f"input    {location.name}" for location in files.inputs),
        *(f"{role:<8} {location.name}" for role, location in files.outputs_by_role()),
        f"records  first {counts.read}: {counts.written} predicted, {counts.rejected} rejected,"
        f" {counts.withheld} withheld",
    ]
    return list(map(printable_message, lines))
