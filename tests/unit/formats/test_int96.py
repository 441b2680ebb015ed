"""INT96, the timestamps of Spark, Hive and Impala in Parquet."""

from __future__ import annotations

import datetime
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import Etl

MOMENTS = [
    datetime.datetime(2024, 1, 1, 1, 2, 3, 456789),  # noqa: DTZ001  as Spark writes them, without a zone
    datetime.datetime(9999, 12, 31),  # noqa: DTZ001
    datetime.datetime(1, 1, 1),  # noqa: DTZ001
    datetime.datetime(1677, 9, 20),  # noqa: DTZ001
    datetime.datetime(2262, 4, 13),  # noqa: DTZ001
    None,
]


def write_int96(etl: Etl, column: pa.Array) -> None:
    """Write a table with a column of INT96 beside the model's own."""
    table = pa.table({"x": [1.0] * len(column), "t": column})
    pq.write_table(table, etl.folder / "in.parquet", use_deprecated_int96_timestamps=True)


@pytest.mark.parametrize("output", ["out.json", "out.csv", "out.parquet"])
def test_moments_beyond_nanoseconds_are_kept(etl: Etl, output: str) -> None:
    """The end of time of a slowly changing table, 9999-12-31, is published as the file has it."""
    write_int96(etl, pa.array(MOMENTS, pa.timestamp("us")))
    run = etl("-i", "in.parquet", "-o", output, "-m", "generations:Fast", "--keep", "t")
    assert (run.code, run.err) == (0, "")
    if output == "out.parquet":
        assert pq.read_table(etl.folder / output)["t"].to_pylist() == MOMENTS
        return
    expected = [moment and moment.isoformat(" ", "microseconds") for moment in MOMENTS]
    if output == "out.json":
        assert [line["t"] for line in etl.lines(output)] == expected
    else:
        rows = (etl.folder / output).read_text().splitlines()[1:]
        assert [row.split(",")[0] for row in rows] == [text or "" for text in expected]


def test_nanoseconds_are_not_cut_off(etl: Etl) -> None:
    """A kept INT96 timestamp that is finer than microseconds rejects its record; in an unread column it does not."""
    write_int96(etl, pa.array([1_700_000_000_123_456_000, 1_700_000_000_123_456_789], pa.timestamp("ns")))
    run = etl("-i", "in.parquet", "-o", "out.json", "-m", "generations:Fast", "--keep", "t")
    assert run.code == 65
    assert "record 2 of in.parquet, parse: NotText: t has a part of a microsecond" in run.err
    assert json.loads(etl.lines("out.rejects.ldjson")[0]["text"])["t"] == "2023-11-14 22:13:20.123456789"
    assert "out.json" not in etl.files()
    run = etl("-i", "in.parquet", "-o", "out.json", "-m", "generations:Fast")
    assert (run.code, run.err) == (0, "")
