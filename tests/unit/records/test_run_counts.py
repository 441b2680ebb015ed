"""The counts of a run: their check, their summary line, and the counters of its files."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

import pytest

from model_etl.errors import ModelEtlError
from model_etl.records.run_counts import CountingReader, CountingWriter, FileCounts, RunCounters, RunCounts


def test_counts_that_agree_pass_the_check() -> None:
    """Every record that was read is written, rejected or withheld."""
    RunCounts(read=6, written=3, rejected=2, withheld=1).check()


def test_counts_that_disagree_are_refused() -> None:
    """A lost record ends the run, and the message has all four numbers."""
    with pytest.raises(ModelEtlError, match=r"the counts disagree: \{'read': 6, 'written': 3.*nothing was published"):
        RunCounts(read=6, written=3, rejected=2).check()


def test_summary_is_one_line() -> None:
    """The summary of all engines has thousands separators and begins with the status."""
    line = "published: 1,006 read = 1,003 written + 2 rejected + 1 withheld"
    assert RunCounts(read=1006, written=1003, rejected=2, withheld=1).summary() == line
    assert RunCounts().summary("iris") == "iris: 0 read = 0 written + 0 rejected + 0 withheld"


def test_counts_from_outcomes_add_up() -> None:
    """Where only outcomes are counted, the records read are their sum, and other counters are ignored."""
    assert RunCounts.from_outcomes({"written": 3, "rejected": 1, "other": 9}) == RunCounts(4, 3, 1, 0)
    assert RunCounts.from_mapping({"read": 4, "other": 9}) == RunCounts(read=4)


def test_counters_of_files_become_counts() -> None:
    """The counts of a run are those of its files, and a log with fewer events than records is refused."""
    counters = RunCounters.with_digests(hashed=True)
    counters.add_input().records = 2
    counters.add_input().records = 3
    counters.add_output().records = 4
    counters.rejects.records = 1
    counters.log.records = 4
    assert counters.counts() == RunCounts(5, 4, 1, 0)
    counters.check(logged=False)
    with pytest.raises(ModelEtlError, match="the log has 4 events for 5 records"):
        counters.check(logged=True)


def test_bytes_are_counted_and_digested() -> None:
    """Reader and writer count the same bytes and find the same digest."""
    written, read = FileCounts(hashed=True), FileCounts(hashed=True)
    file = io.BytesIO()
    CountingWriter(file, written).write(memoryview(b"some bytes"))
    file.seek(0)
    assert cast("BinaryIO", io.BufferedReader(CountingReader(file, read))).read() == b"some bytes"
    assert (read.size, read.sha256) == (written.size, written.sha256) == (10, written.sha256)
    assert FileCounts().sha256 is None
