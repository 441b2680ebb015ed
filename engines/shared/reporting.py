"""The run report of an engine, which is that of `model-etl run`."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, NamedTuple

from model_etl.evidence.prediction_log import now
from model_etl.evidence.run_report import Report
from model_etl.job.reporting import reported
from model_etl.job.run_files import report_location
from model_etl.publishing.publication import Publication
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


class Digest(NamedTuple):
    """The size and the SHA-256 of a file."""

    size: int
    sha256: str


def digest_of(file: BinaryIO) -> Digest:
    """Read a file to its end and return its size and its SHA-256."""
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
        size += len(block)
    return Digest(size, digest.hexdigest())


def describe_files(name: str, files: Sequence[tuple[str, str, Digest]]) -> dict[str, Any]:
    """Return what the report says of the files of one role.

    Args:
        name: the files together, as messages show them.
        files: the name, the URI and the digest of each file.
    """
    described = [
        {"name": file, "uri": uri, "bytes": digest.size, "sha256": digest.sha256} for file, uri, digest in files
    ]
    if len(described) == 1:
        return described[0]
    return {"name": name, "bytes": sum(digest.size for *_, digest in files), "files": described}
