"""The benchmarks' records in other forms: with an id, as CSV, as Parquet; made when they are first asked for."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import common

FORMATS = ("ldjson", "ldjson with an id", "csv", "parquet")


def file(count: int, input_format: str = "ldjson") -> Path:
    """Return a file with so many records."""
    plain = common.records(count)
    if input_format == "ldjson":
        return plain
    path = (
        plain.with_name(f"{plain.stem}-id.ldjson")
        if "id" in input_format.split()
        else plain.with_suffix(f".{input_format}")
    )
    if not path.exists():
        print(f"making {path.relative_to(common.ROOT)} ...", file=sys.stderr)
        part = path.with_suffix(".part")
        {"csv": _csv, "parquet": _parquet}.get(input_format, _with_id)(plain, part)
        part.replace(path)
    return path


def _with_id(plain: Path, part: Path) -> None:
    with plain.open(encoding="ascii") as lines, part.open("w", encoding="ascii") as file:
        numbered = enumerate(lines, 1)
        while block := [f'{{"id": {number}, {line[1:]}' for number, line in islice(numbered, 50_000)]:
            file.writelines(block)


def _csv(plain: Path, part: Path) -> None:
    from pyarrow import csv, json  # noqa: PLC0415  only when it is made

    csv.write_csv(json.read_json(plain), part)


def _parquet(plain: Path, part: Path) -> None:
    from pyarrow import json, parquet  # noqa: PLC0415

    parquet.write_table(json.read_json(plain), part, row_group_size=100_000)
