"""Tables with very many columns take time that grows with their number alone, or are refused."""

from __future__ import annotations

import json
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import Etl
from helpers.waiting import slowdown

MODEL = ("-m", "format_models:LooseScorer")
WIDE = 200_000
NAMES = [f"n{i}" for i in range(WIDE)]
SECONDS = 60
"""Far more than is needed, and far less than a time that grows with the square of the columns."""


@pytest.mark.parametrize(("form", "between"), [("csv", ","), ("tsv", "\t")])
def test_a_table_of_many_columns_is_read_in_seconds(etl: Etl, form: str, between: str) -> None:
    """With all of them published."""
    etl.write(f"in.{form}", f"id{between}{between.join(NAMES)}\nab{between}{between.join(['1'] * WIDE)}\n")
    started = time.monotonic()
    done = etl("run", *MODEL, "-i", f"in.{form}", "-o", "out.json", "--join")
    assert (done.code, done.err) == (0, "")
    assert time.monotonic() - started < SECONDS * slowdown()
    assert len(json.loads((etl.folder / "out.json").read_text())) == WIDE + 2


def test_many_kept_names_are_checked_in_seconds(etl: Etl) -> None:
    """Also for one that comes twice."""
    etl.write("in.csv", f"id,{','.join(NAMES)}\nab,{','.join(['1'] * WIDE)}\n")
    etl.write("keep.toml", f"keep = {json.dumps([*NAMES, NAMES[-1]])}\n")
    started = time.monotonic()
    done = etl("run", *MODEL, "-i", "in.csv", "-o", "out.json", "--config", "keep.toml")
    assert done.code == 78
    assert f"--keep names '{NAMES[-1]}' twice" in done.err
    assert time.monotonic() - started < SECONDS * slowdown()


def test_json_on_one_line_that_is_named_csv_is_refused(etl: Etl) -> None:
    """It would be a first row of very many names."""
    etl.write("in.csv", json.dumps([{"id": "a"}] * 400_000, separators=(",", ":")))
    started = time.monotonic()
    done = etl("run", *MODEL, "-i", "in.csv", "-o", "out.json")
    assert done.code == 65
    assert "it is a JSON array" in done.err
    assert "--input_format json" in done.err
    assert time.monotonic() - started < SECONDS * slowdown()


def test_parquet_has_a_limit_of_columns(etl: Etl) -> None:
    """Arrow takes much memory for each."""
    names = [f"n{i}" for i in range(100_001)]
    pq.write_table(pa.table({name: [1] for name in names}), etl.folder / "in.parquet")
    done = etl("run", *MODEL, "-i", "in.parquet", "-o", "out.json")
    assert done.code == 65
    assert "it has 100,001 columns; Parquet is read with at most 100,000" in done.err
    etl.write("in.csv", f"id,{','.join(names)}\nab,{','.join(['1'] * len(names))}\n")
    done = etl("run", *MODEL, "-i", "in.csv", "-o", "out.parquet", "--join")
    assert done.code == 78
    assert "Parquet is written with at most 100,000" in done.err


def test_a_long_first_row_is_in_the_rejects_once(etl: Etl) -> None:
    """However many rows are rejected, the rejects file has about the size of the input, and can be tried again."""
    etl.write("in.csv", f"id,{','.join(NAMES[:20_000])}\n" + "x\n" * 3000)
    size = (etl.folder / "in.csv").stat().st_size
    done = etl("run", *MODEL, "-i", "in.csv", "-o", "out.json", "--max_errors", "100%")
    assert done.code == 0
    rejects = (etl.folder / "out.rejects.ldjson").read_text()
    assert len(rejects) < size + 3000 * 400
    assert rejects.count("n19999") == 1
    started = time.monotonic()
    done = etl("retry", "out.rejects.ldjson", *MODEL, "-o", "again.json", "--max_errors", "100%")
    assert done.code == 0
    assert (etl.folder / "again.rejects.ldjson").read_text() == rejects
    assert time.monotonic() - started < SECONDS * slowdown()


def test_rejects_without_their_first_row_are_refused(etl: Etl) -> None:
    """If the line that has it was removed, the others cannot be read, and the message says why."""
    etl.write("in.csv", f"id,{','.join(NAMES[:100])}\nx\ny\n")
    etl("run", *MODEL, "-i", "in.csv", "-o", "out.json", "--max_errors", "100%")
    lines = (etl.folder / "out.rejects.ldjson").read_text().splitlines(keepends=True)
    etl.write("second.ldjson", lines[1])
    done = etl("retry", "second.ldjson", *MODEL, "-o", "again.json")
    assert done.code == 65
    assert "line 1 of second.ldjson is not a reject: no line before it has its header" in done.err


def test_a_run_without_tolerance_writes_few_rejects(etl: Etl) -> None:
    """A short file with a long first row does not give a large rejects file."""
    etl.write("in.csv", f"id,{','.join(NAMES[:20_000])}\n" + "x\n" * 20_000)
    done = etl("run", *MODEL, "-i", "in.csv", "-o", "out.json")
    assert done.code == 65
    assert "so the run was stopped" in done.err
    assert (etl.folder / "out.rejects.ldjson").stat().st_size < 2_000_000
