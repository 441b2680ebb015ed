"""Where the files of a run lie, in which formats, and how they are read."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import stat
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.proxy import Proxy
from helpers.s3_runs import BAD, FILES, INPUT, LINES, OUTPUT, PART, S3, kinds, timeless
from helpers.waiting import wait_for

PLACES = ("input", "output", "log", "rejects", "report")
# Every two of the columns have every two of the places in some row: an orthogonal array.
MIXES = [
    "sssss",
    "lllll",
    "sslll",
    "llsss",
    "slsls",
    "lslsl",
    "slssl",
    "lslls",
    "ssssl",
    "sllls",
    "lssls",
    "llsll",
]


def test_the_mixes_are_all_there() -> None:
    """Every two files have every two places in some row of the table."""
    for i in range(5):
        for j in range(i):
            assert {(row[i], row[j]) for row in MIXES} == {("s", "s"), ("s", "l"), ("l", "s"), ("l", "l")}, (i, j)


@pytest.mark.parametrize("mix", MIXES)
def test_each_file_may_lie_elsewhere(s3: S3, mix: str) -> None:
    """Input, output, log, rejects and report on S3 or on the disk, in any mix, hold the same."""
    s3.bucket.put("in.json", BAD)
    s3.etl.write("in.json", BAD)
    names = dict(zip(PLACES, ("in.json", "out.json", "log.json", "rejects.json", "report.json"), strict=True))
    where = {
        role: s3.bucket.uri(name) if place == "s" else name
        for (role, name), place in zip(names.items(), mix, strict=True)
    }
    flags = ("-i", where["input"], "-o", where["output"], "--prediction_log", where["log"])
    done = s3(*flags, "--rejects", where["rejects"], "--report", where["report"], "--max_errors", "1")
    assert (done.code, done.err) == (0, "")

    def content(role: str) -> bytes:
        local = s3.etl.folder / names[role]
        return s3.bucket.get(names[role]) if where[role] != names[role] else local.read_bytes()

    assert content("output") == OUTPUT
    assert [event["type"].rpartition(".")[2] for event in timeless(content("log"))] == [
        "started",
        "completed",
        "rejected",
        "completed",
    ]
    assert json.loads(content("rejects"))["position"] == 2
    report = json.loads(content("report"))
    for role in ("input", "output", "log", "rejects"):
        told = report["files"][role]
        assert (told["name"], told["bytes"]) == (where[role], len(content(role)))
        assert told["uri"].endswith(where[role] if where[role] != names[role] else f"/{names[role]}")
    assert s3.bucket.keys() == {"in.json"} | {names[r] for r in PLACES if where[r] != names[r]}
    assert s3.etl.files() == {"in.json"} | {names[r] for r in PLACES if where[r] == names[r]}


def test_a_bucket_and_a_local_file(s3: S3) -> None:
    """With --bucket a local file is written file://, and what lies beside a local output is local."""
    s3.etl.write("in.json", INPUT)
    done = s3("-b", s3.bucket.name, "-i", "in.json", "-o", "file://out.json")
    assert (done.code, done.err) == (0, "")
    assert (s3.etl.files(), s3.bucket.keys()) == ({"in.json", "out.json", "out.log.ldjson"}, {"in.json"})
    done = s3("-b", s3.bucket.name, "-i", f"file://{s3.etl.folder}/in.json", "-o", "a/b.json")
    assert (done.code, s3.bucket.keys()) == (0, {"in.json", "a/b.json", "a/b.log.ldjson"})


def test_standard_streams_and_objects(s3: S3) -> None:
    """From an object to standard output, and from standard input to an object, also with --bucket."""
    done = s3("-o", "-")
    assert (done.code, done.out, done.err) == (0, OUTPUT, "")
    arguments = s3.arguments("-b", s3.bucket.name, "-i", "-", "-o", "out.json")
    done = s3.etl(*arguments, stdin=INPUT, env=s3.env())
    assert (done.code, done.err, s3.bucket.get("out.json")) == (0, "", OUTPUT)


def test_one_file_twice_is_refused(s3: S3) -> None:
    """An output that is the input, by whatever name, is refused before anything is written."""
    for flags in (
        ("-o", s3.bucket.uri("in.json")),
        ("-b", s3.bucket.name, "-o", "in.json"),
        ("--report", s3.bucket.uri("out.json")),
    ):
        done = s3(*flags)
        assert (done.code, "same file" in done.err) == (2, True), done.err
    assert (s3.bucket.keys(), s3.bucket.get("in.json")) == ({"in.json"}, INPUT)


TYPES = {
    "data.json": ("ldjson", LINES),
    "data.array.json": ("json", "application/json"),
    "data.csv": ("csv", "text/csv"),
    "data.tsv": ("tsv", "text/tab-separated-values"),
    "data.parquet": ("parquet", "application/vnd.apache.parquet"),
    "data.json.gz": ("ldjson", "application/gzip"),
    "data.array.json.zst": ("json", "application/zstd"),
    "data.csv.gz": ("csv", "application/gzip"),
    "data.tsv.zst": ("tsv", "application/zstd"),
}


@pytest.mark.parametrize("name", TYPES)
def test_every_format_in_and_out(s3: S3, name: str) -> None:
    """Each format and compression is read and written as on the disk, and has its content type."""
    form, media_type = TYPES[name]
    s3.etl.write("in.json", b"".join(b'{"x":%d.5}\n' % i for i in range(3000)))
    made = s3("-i", "in.json", "-o", f"in.{name}", "--output_format", form, "--keep", "x")
    assert (made.code, made.err) == (0, "")
    flags = ("-i", f"in.{name}", "-o", f"out.{name}", "--input_format", form, "--output_format", form)
    assert s3(*flags).code == 0
    local = (s3.etl.folder / f"out.{name}").read_bytes()
    s3.bucket.put(f"in.{name}", (s3.etl.folder / f"in.{name}").read_bytes())
    done = s3(*flags, "-b", s3.bucket.name)
    assert (done.code, done.err) == (0, "")
    assert s3.bucket.get(f"out.{name}") == local
    assert s3.bucket.stat(f"out.{name}").content_type == media_type
    # At the other end: nothing to read, and what was written is read.
    s3.bucket.put(f"empty.{name}", b"")
    if not name.endswith((".gz", ".zst")):
        empty = s3("-b", s3.bucket.name, "-i", f"empty.{name}", *flags[2:], "--prediction_log", "none")
        assert (empty.code, empty.err) == (0, "")
        size = s3.bucket.stat(f"out.{name}").size
        assert size == 0 if form == "ldjson" else size < 1000


def test_content_types_of_what_lies_beside(s3: S3) -> None:
    """Log, rejects and report have content types, too, and the text is theirs."""
    s3.bucket.put("in.json", BAD)
    assert s3("--max_errors", "1", "--report", s3.bucket.uri("report.json")).code == 0
    types = {key: s3.bucket.stat(key).content_type for key in s3.bucket.keys() - {"in.json"}}
    assert types == {**dict.fromkeys(FILES, LINES), "report.json": "application/json"}


def test_small_objects(s3: S3) -> None:
    """An object of 0 bytes gives an output of 0 bytes, one record gives one; a last line needs no end."""
    for content, expected in ((b"", b""), (b"\n", b""), (b'{"x":3}', b'{"y":3.0}\n')):
        s3.bucket.put("in.json", content)
        done = s3()
        assert (done.code, done.err) == (0, "")
        assert s3.bucket.get("out.json") == expected
        assert len(timeless(s3.bucket.get("out.log.ldjson"))) == 1 + len(expected.splitlines())
    s3.bucket.put("in.json", b"")
    assert s3("--on_empty", "fail").code == 65
    assert s3.bucket.get("out.json") == expected


def open_files(run: subprocess.Popen[bytes]) -> int:
    """Give the bytes of the files of a run that are on a disk and writable, also those without a name."""
    size = 0
    for fd in os.listdir(f"/proc/{run.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(f"/proc/{run.pid}/fd/{fd}")
            flags = int(re.search(r"flags:\s*(\d+)", Path(f"/proc/{run.pid}/fdinfo/{fd}").read_text())[1], 8)
            if stat.S_ISREG(found.st_mode) and flags & (os.O_RDWR | os.O_WRONLY):
                size += found.st_size
    return size


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
@pytest.mark.parametrize("name", ["in.json", "in.json.gz"])
def test_reading_leaves_nothing_on_the_disk(s3: S3, proxy: Proxy, name: str) -> None:
    """In the middle of a large object no file holds what was read: not in TMPDIR, and none without a name."""
    line = b'{"x":1,"pad":"%s"}\n'
    content = b"".join(line % os.urandom(1000).hex().encode() for _ in range(6000))
    packed = gzip.compress(content, 1) if name.endswith("gz") else content
    at = len(packed) * 2 // 3
    s3.bucket.put(name, packed)
    stall = proxy.fault("stall response", f"GET /{s3.bucket.name}/{name}", at=at, times=1)
    run = s3.start("-i", s3.bucket.uri(name), "--prediction_log", "none", "--read_timeout", "60", through=proxy)
    wait_for(lambda: stall.hits, run)
    time.sleep(1)
    assert run.poll() is None
    assert open_files(run) < 200_000
    assert sum(path.stat().st_size for path in s3.temporary.rglob("*") if path.is_file()) < 2000
    assert all(name.endswith(".lock") for name in s3.left())
    assert proxy.count(f"GET /{s3.bucket.name}/{name}") == 1


def test_the_requests_of_a_small_run(s3: S3, proxy: Proxy) -> None:
    """An object is read with one request, nothing is asked about folders, and the rest is known by number."""
    done = s3("-i", s3.bucket.uri("in.json"), "-o", s3.bucket.uri("a/b/out.json"), through=proxy)
    assert (done.code, done.err) == (0, "")
    assert kinds(proxy, s3.bucket) == [
        "HEAD in.json",
        "POST a/b/out.json?uploads",
        "POST a/b/out.log.ldjson?uploads",
        "POST a/b/out.rejects.ldjson?uploads",
        "GET in.json",
        "HEAD in.json",  # it is still the same
        "PUT a/b/out.log.ldjson?uploadId&partNumber",
        "PUT a/b/out.json?uploadId&partNumber",
        "HEAD a/b/out.rejects.ldjson",  # is there an earlier run's?
        "GET a/b/out.rejects.ldjson",  # why not?
        "POST a/b/out.log.ldjson?uploadId",
        "POST a/b/out.json?uploadId",
        "DELETE a/b/out.rejects.ldjson?uploadId",
    ]
    if s3.bucket.server.kind == "minio":  # moto ends them
        assert proxy.connections <= 2
    assert s3.bucket.keys() == {"in.json", "a/b/out.json", "a/b/out.log.ldjson"}


def test_parquet_is_read_in_ranges(s3: S3, proxy: Proxy) -> None:
    """A Parquet object is read where its columns lie: not whole, not to the disk, and with few requests."""
    rows = 200_000
    table = pa.table({"x": [float(i) for i in range(rows)], "pad": [os.urandom(40).hex() for _ in range(rows)]})
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=rows // 4)
    s3.bucket.put("in.parquet", file.getvalue())
    flags = ("-i", s3.bucket.uri("in.parquet"), "--prediction_log", "none")
    done = s3(*flags, through=proxy)
    assert (done.code, done.err) == (0, "")
    assert s3.bucket.get("out.json").count(b"\n") == rows
    asked = [r.status for r in proxy.requests if r.method == "GET" and "/in.parquet" in r.path]
    assert asked.count(206) == len(asked) - 1  # the first one finds the object
    assert len(asked) < 30
    assert s3.left() == []


@pytest.mark.slow
def test_large_files_are_sent_in_parts(s3: S3, proxy: Proxy) -> None:
    """A log of more than 16 MiB goes in several parts, which become what a local run writes."""
    content = b"".join(b'{"x":%d,"pad":"%s"}\n' % (i, b"%04d" % i * 250) for i in range(20_000))
    assert len(content) > 20_000_000
    s3.bucket.put("in.json", content)
    s3.etl.write("in.json", content)
    done = s3(through=proxy)
    assert (done.code, done.err) == (0, "")
    assert s3("-i", "in.json", "-o", "out.json").code == 0
    assert s3.bucket.get("out.json") == (s3.etl.folder / "out.json").read_bytes()
    log, local = s3.bucket.get("out.log.ldjson"), (s3.etl.folder / "out.log.ldjson").read_bytes()
    assert len(log) > 2 * PART
    assert timeless(log) == timeless(local)
    parts = -(-len(log) // PART)
    assert proxy.count("PUT /out.log.ldjson partNumber") == parts
    assert s3.bucket.stat("out.log.ldjson").etag.strip('"').endswith(f"-{parts}")
    assert s3.uploads() == []
