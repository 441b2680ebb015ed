"""Inputs of several formats in one run, and the formats of their outputs."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable

import pytest
from helpers.command import Etl, Result
from helpers.many_files import (
    ended,
    ended_well,
    grow,
    mixed,
    values,
    xs,
    ys,
)
from helpers.snapshots import snapshot


def test_formats_may_be_mixed(etl: Etl, score: Callable[..., Result]) -> None:
    """Each file is read as its name says."""
    grow(etl, mixed())
    ended_well(score("-i", "in", "-o", "out.json"))
    assert (etl.folder / "out.json").read_bytes() == ys(*range(1, 9))


@pytest.mark.parametrize(
    ("form", "names"),
    [
        (None, "a.json b.csv.gz c.parquet d.tsv e.ndjson f.json.gz g.JSON"),
        ("csv", "a.csv b.csv.gz c.csv d.csv e.csv f.csv.gz g.csv"),
        ("tsv", "a.tsv b.tsv.gz c.tsv d.tsv e.tsv f.tsv.gz g.tsv"),
        ("ldjson", "a.json b.json.gz c.json d.json e.json f.json.gz g.json"),
        ("json", "a.json b.json.gz c.json d.json e.json f.json.gz g.json"),
        ("parquet", "a.parquet b.parquet c.parquet d.parquet e.parquet f.parquet g.parquet"),
    ],
)
def test_the_suffix_of_an_output_tells_its_format(
    etl: Etl, score: Callable[..., Result], form: str | None, names: str
) -> None:
    """As the input's, or that of the wanted format; compression stays where the format knows it."""
    grow(etl, mixed())
    ended_well(score("-i", "in", "-o", "out/", *(("--output_format", form) if form else ())))
    out = etl.folder / "out"
    assert set(os.listdir(out)) == set(names.split())
    found = [value for name in sorted(os.listdir(out)) for value in values(out / name)]
    assert found == list(range(1, 9))


def test_only_the_suffix_of_the_format_changes(etl: Etl, score: Callable[..., Result]) -> None:
    """Dots elsewhere in a name, and names of folders, stay."""
    grow(etl, {"in/day.json/a.v2.json": xs(1), "in/x.csv/b.json.json.gz": gzip.compress(xs(2))})
    ended_well(score("-i", "in/*/*", "-o", "out/", "--output_format", "csv"))
    assert set(snapshot(etl.folder / "out")) == {
        "day.json", "day.json/a.v2.csv", "x.csv", "x.csv/b.json.csv.gz",
    }  # fmt: skip


def test_a_suffix_that_tells_nothing(etl: Etl, score: Callable[..., Result]) -> None:
    """With formats named, the files of an exporter with suffixes of its own can be scored."""
    grow(etl, {"in/part-00000": xs(1), "in/part-00001": xs(2)})
    ended(score("-i", "in", "-o", "out.json"), 2, "in/part-00000", "--input_format")
    ended_well(score("-i", "in", "-o", "out.json", "--input_format", "ldjson"))
    assert (etl.folder / "out.json").read_bytes() == ys(1, 2)
    ended_well(score("-i", "in", "-o", "out/", "--input_format", "ldjson", "--output_format", "csv"))
    assert snapshot(etl.folder / "out") == {"part-00000.csv": b"y\n1.0\n", "part-00001.csv": b"y\n2.0\n"}
    ended(score("-i", "in", "-o", "new/", "--input_format", "ldjson"), 2, "part-00000", "--output_format")
    assert not (etl.folder / "new").exists()


def test_arrays_in_arrays_out(etl: Etl, score: Callable[..., Result]) -> None:
    """Each output is an array of its own; that of an empty array is one, too."""
    grow(etl, {"in/a.json": b"[]", "in/b.json": b'[{"x":1},{"x":2}]', "in/c.json": b" [\n] "})
    ended_well(score("-i", "in", "-o", "out/", "--input_format", "json", "--output_format", "json"))
    assert {n: json.loads(c) for n, c in snapshot(etl.folder / "out").items()} == {
        "a.json": [], "b.json": [{"y": 1.0}, {"y": 2.0}], "c.json": [],
    }  # fmt: skip
