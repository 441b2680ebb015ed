"""One bad or empty file among many."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable

import pytest
from helpers.command import Etl, Result
from helpers.many_files import (
    BAD_RECORD,
    ended,
    ended_well,
    grow,
    values,
    xs,
    ys,
)
from helpers.snapshots import snapshot

BROKEN = {
    "cut off": ("b.json.gz", gzip.compress(xs(*range(9)))[:-9], 65, "ended before"),
    "no gzip": ("b.json.gz", xs(1), 65, "Not a gzipped file"),
    "unknown suffix": ("b.xls", xs(1), 2, "--input_format"),
    "UTF-16": ("b.json", xs(1).decode().encode("utf-16"), 65, "UTF-16"),
    "no Parquet": ("b.parquet", b"PAR1" + b"\0" * 99, 65, "Parquet"),
    "columns twice": ("b.csv", b"x,x\n1,2\n", 65, "'x' twice"),
    "bad record": ("b.json", xs(1) + BAD_RECORD, 65, "record 2 of"),
}


@pytest.mark.parametrize(
    ("case", "output"), [*((case, output) for case in BROKEN for output in ("out.json", "new/")), ("cut off", "out/")]
)
def test_one_bad_file_in_the_middle(etl: Etl, score: Callable[..., Result], case: str, output: str) -> None:
    """Nothing at all is published, also not from the good files; the message names the bad one."""
    name, content, code, said = BROKEN[case]
    grow(etl, {"in/a.json": xs(1), f"in/{name}": content, "in/c.json": xs(3)})
    grow(etl, {"out/a.json": b"earlier\n", "out.json": b"earlier\n", "out.log.ldjson": b"earlier\n"})
    before = snapshot(etl.folder)
    ended(score("-i", "in", "-o", output), code, rf"in/{name}", said)
    rejects = {"out.rejects.ldjson", "new.rejects.ldjson"} if case == "bad record" else set()
    after = snapshot(etl.folder)
    assert {name: content for name, content in after.items() if name not in rejects} == before


@pytest.mark.parametrize("form", ["json", "csv", "tsv", "parquet", "json.gz", "json.zst"])
def test_an_empty_file_has_an_empty_output(etl: Etl, score: Callable[..., Result], form: str) -> None:
    """First, in the middle and last; it exists, and can be read as what its name says."""
    grow(
        etl,
        {f"in/{name}.json": content for name, content in zip("abcde", (b"", xs(2), b"\n", xs(4), b""), strict=True)},
    )
    grow(etl, {"in/f.csv": b"x\n"})
    if form.startswith("json."):
        for name in "abcde":
            path = etl.folder / f"in/{name}.json"
            data = path.read_bytes()
            packed = gzip.compress(data) if form.endswith("gz") else _zst(data)
            (etl.folder / f"in/{name}.{form}").write_bytes(packed)
            path.unlink()
        (etl.folder / "in/f.csv").unlink()
        ended_well(score("-i", "in", "-o", "out/"))
    else:
        ended_well(score("-i", "in", "-o", "out/", "--output_format", form))
    out = etl.folder / "out"
    assert sorted(os.listdir(out)) == sorted(f"{n}.{form}" for n in ("abcde" if "json." in form else "abcdef"))
    for name in os.listdir(out):
        content = (out / name).read_bytes()
        expected = {"b": [2.0], "d": [4.0]}.get(name[0], [])
        if form == "json.zst":
            assert _unzst(content) == (ys(*expected) if expected else b"")
        else:
            assert values(out / name) == expected
            assert form != "json" or content.strip()[:1] == b"["


def _zst(data: bytes) -> bytes:
    return bytes(pytest.importorskip("zstandard").ZstdCompressor().compress(data))


def _unzst(data: bytes) -> bytes:
    with pytest.importorskip("zstandard").ZstdDecompressor().stream_reader(io.BytesIO(data)) as reader:
        return bytes(reader.read())


@pytest.mark.parametrize(("policy", "code"), [("ok", 0), ("fail", 65)])
def test_when_all_files_are_empty(etl: Etl, score: Callable[..., Result], policy: str, code: int) -> None:
    """It is as if one were; one record somewhere is enough."""
    grow(etl, {"in/a.json": b"", "in/b.csv": b"x\n", "in/c.json": b"\n"})
    done = score("-i", "in", "-o", "out/", "--on_empty", policy)
    if code:
        ended(done, code, "in has no records", "--on_empty ok")
        assert not (etl.folder / "out").exists()
    else:
        ended_well(done)
        assert set(os.listdir(etl.folder / "out")) == {"a.json", "b.csv", "c.json"}
    grow(etl, {"in/d.json": xs(1)})
    ended_well(score("-i", "in", "-o", "out/", "--on_empty", policy))
