"""Recording in the run report how a run ends, and writing the report file after success and failure alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from model_etl.errors import Interrupted, ModelEtlError, SameFile, printable_json
from model_etl.evidence.prediction_log import now
from model_etl.evidence.run_report import Report
from model_etl.publishing.publication import write_and_publish
from model_etl.publishing.storage import StagedFile
from model_etl.records.run_counts import RunCounts
from model_etl.records.strict_json import encode_json
from model_etl.runtime.signals import Interrupts
from model_etl.runtime.system_errors import lack_of_resources, storage_error


@dataclass
class Outcome:
    """How a run ended.

    Attributes:
        report_file: the staged report file, or None for no such file.
        failure: what ended the run, or None.
    """

    report_file: StagedFile | None = None
    failure: BaseException | None = None


@contextlib.contextmanager
def reported(report: Report, count: Callable[[], RunCounts], interrupts: Interrupts) -> Iterator[Outcome]:
    """Record in the report how the block ends, and write the report file; raise nothing that the block raises.

    Args:
        report: of the run.
        count: returns the number of records by outcome, as far as they are known when the block ends.
        interrupts: the signals that may end the run.
    """
    outcome = Outcome()
    try:
        try:
            yield outcome
            interrupts.decide()
            report.exit_code = 0
        except (Exception, Interrupted) as exc:  # noqa: BLE001  the caller of run_job reports it
            # A library may have wrapped what a signal raised.
            outcome.failure = interrupts.raised or lack_of_resources(exc) or exc
            interrupts.decide(outcome.failure)
    except Interrupted as exc:  # it came while another failure was handled
        outcome.failure = exc
        interrupts.decide(exc)
    if outcome.failure is not None:
        report.fail(outcome.failure)
    report.counts = count()
    report.ended = now()
    if outcome.report_file is not None and not isinstance(outcome.failure, SameFile):
        if getattr(outcome.failure, "quotes_records", outcome.failure is not None):
            getattr(outcome.report_file, "make_private", lambda: None)()  # not every storage can
        try:
            content = printable_json(encode_json(report.as_json()).decode())
            write_and_publish(outcome.report_file, content.encode() + b"\n")
        except (OSError, ModelEtlError) as exc:
            error = storage_error(exc, "write", outcome.report_file.location.name)
            if report.status == "published":
                error.message += "; the predictions were published"
            outcome.failure = outcome.failure or error
            report.exit_code = report.exit_code or error.exit_code
