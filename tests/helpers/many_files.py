"""Small inputs of many files, and how their runs end."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from helpers.command import Etl, Result

GOOD = "failing_models:Good"
BAD_RECORD = b'{"x":"wide"}\n'
NIGHTS = ("in/a.json", "in/b.json", "in/c.json")


def xs(*values: float) -> bytes:
    """Give records with these values."""
    return b"".join(b'{"x":%d}\n' % value for value in values)


def ys(*values: float) -> bytes:
    """Give what the model says of them."""
    return b"".join(b'{"y":%d.0}\n' % value for value in values)


def grow(etl: Etl, files: Mapping[str, bytes]) -> None:
    """Write files, with their folders."""
    for name, content in files.items():
        path = Path(os.path.join(etl.folder, name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def as_parquet(*values: float) -> bytes:
    """Give a Parquet file of records with these values."""
    file = io.BytesIO()
    parquet.write_table(pa.table({"x": pa.array(values, pa.float64())}), file)
    return file.getvalue()


def ended_well(done: Result) -> None:
    """See that a command succeeded in silence."""
    assert (done.code, done.err) == (0, "")


def ended(done: Result, code: int, *said: str) -> None:
    """See that a command failed as it should: one message with a remedy, no traceback."""
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    assert done.err.count("model-etl: error: ") == 1
    assert "\n  " in done.err, "there is no remedy"
    for text in said:
        assert re.search(text, done.err), f"{text!r} is not in: {done.err}"


def events(etl: Etl, name: str) -> list[dict[str, Any]]:
    """Read the events about records of a log."""
    return etl.lines(name)[1:]


def mixed() -> dict[str, bytes]:
    """Give a folder of everything."""
    return {
        "in/a.json": xs(1),
        "in/b.csv.gz": gzip.compress(b"x,id\n2,b\n"),
        "in/c.parquet": as_parquet(3),
        "in/d.tsv": b"x\n4\n",
        "in/e.ndjson": xs(5),
        "in/f.json.gz": gzip.compress(xs(6)) + gzip.compress(xs(7)),
        "in/g.JSON": b"\xef\xbb\xbf" + xs(8),
    }


def values(path: Path) -> list[float]:
    """Read the predictions of a file of any format."""
    content = path.read_bytes()
    if path.name.endswith(".gz"):
        content = gzip.decompress(content)
    if content[:4] == b"PAR1":
        return [row["y"] for row in parquet.read_table(io.BytesIO(content)).to_pylist()]
    if content.startswith(b"y"):
        return [float(line) for line in content.split()[1:]]
    if content.startswith(b"["):
        return [row["y"] for row in json.loads(content)]
    return [json.loads(line)["y"] for line in content.splitlines()]
