"""The errors of a run that must not be published."""

from __future__ import annotations

import json

from model_etl.formats import rejects
from model_etl.job.verification import RejectSummary, no_records, too_many_rejects
from model_etl.records.batch import Rejection, Source
from model_etl.records.run_counts import RunCounts
from model_etl.settings.values import MaxErrors

COUNTS = RunCounts(read=9, written=2, rejected=7)


def rejection(position: int) -> Rejection:
    """Build a rejection."""
    source = Source("in.json", "0" * 32, "ldjson")
    return Rejection(source, position, 0, b"{}", b"{}", "predict", "ValueError", "no\n  good")


def test_the_first_rejects_are_described() -> None:
    """The message describes five rejects, each on one line, and counts the others."""
    error = too_many_rejects(COUNTS, MaxErrors(3), map(RejectSummary.from_rejection, map(rejection, range(1, 8))))
    headline, *lines = error.message.splitlines()
    assert headline == "7 of 9 records were rejected, 3 are tolerated; nothing was published"
    assert lines[0] == "  record 1 of in.json, predict: ValueError: no good"
    assert (len(lines), lines[-1]) == (6, "  and 2 more")
    assert error.remedy.startswith("Correct the records")


def test_the_rejects_file_is_named() -> None:
    """The remedy names a rejects file that was published, in a sentence of its own."""
    error = too_many_rejects(COUNTS, MaxErrors(), [], "out.rejects.ldjson", stopped=True)
    assert (
        error.message == "7 of 9 records were rejected, 0 are tolerated, so the run was stopped; nothing was published"
    )
    assert error.remedy.startswith("See out.rejects.ldjson. Correct the records")


def test_a_line_of_the_rejects_file_has_the_same_summary() -> None:
    """Engines that have only the rejects file describe rejects as a run on one machine does."""
    line = rejects.encode([rejection(3)])
    assert json.loads(line)["position"] == 3
    assert RejectSummary.from_line(line) == RejectSummary.from_rejection(rejection(3))


def test_an_input_without_records_has_a_remedy() -> None:
    """The remedy is the option that accepts it."""
    error = no_records("in.json")
    assert (error.message, "--on_empty ok" in error.remedy) == ("in.json has no records", True)
