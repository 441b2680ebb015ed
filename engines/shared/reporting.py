"""The run report of an engine, which is that of `model-etl run`."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import BinaryIO

from model_etl.evidence.prediction_log import now
from model_etl.evidence.run_report import FileFacts, Report
from model_etl.job.reporting import reported
from model_etl.job.run_files import report_location
from model_etl.publishing.publication import Publication
from model_etl.records.run_counts import FileCounts
from model_etl.runtime.signals import Interrupts
from model_etl.settings.job_config import JobConfig

_BLOCK_BYTES = 1 << 20


def run_reported(config: JobConfig, interrupts: Interrupts, work: Callable[[Report], None]) -> Report:
    """Do the work of a run, and write its report, after a failure too.

    Args:
        config: the settings of the run.
        interrupts: the signals that may end the run.
        work: does it, and completes the report.

    Returns:
        The report.

    Raises:
        ModelEtlError, Interrupted: what `work` raises, or the error of writing the report.
    """
    report = Report(uuid.uuid4().hex, config.scoring.job, config.masked_options(), now())
    with Publication(config.lock_wait) as publication, reported(report, lambda: report.counts, interrupts) as outcome:
        location = report_location(config)
        if location is not None:  # before the work: better no run than a run without its report
            outcome.report_file = publication.stage(location, "application/json")
        work(report)
    if outcome.failure is not None:
        raise outcome.failure
    return report


def digest_file(name: str, uri: str, file: BinaryIO) -> FileFacts:
    """Read a file to its end, and return what the report says about it.

    Args:
        name: the file, as messages show it.
        uri: its absolute name.
        file: the file, at its start.
    """
    counts = FileCounts(hashed=True)
    while block := file.read(_BLOCK_BYTES):
        counts.add(block)
    return FileFacts(name, uri, counts.size, counts.sha256)
