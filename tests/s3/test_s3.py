"""S3 and MinIO through the real command line: what holds for files holds for objects."""

from __future__ import annotations

import ast
import contextlib
import gc
import gzip
import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import model_etl.compat  # noqa: F401  before anything of bonobo

import bonobo
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import IRIS, ROOT, Etl, Result
from helpers.proxy import Proxy
from helpers.s3_fixtures import Bucket

from model_etl import etl_job, s3_etl_job
from model_etl.errors import ModelEtlError
from model_etl.pipeline.strategy import GRACE, ReliableStrategy

INPUT = b'{"x":1}\n{"x":2}\n'
OUTPUT = b'{"y":1.0}\n{"y":2.0}\n'
BAD = b'{"x":1}\n{"x":"wide"}\n{"x":2}\n'
EARLIER = b"earlier\n"
MODEL = ("--model", "failing_models:GoodBatch")
PART = 8 << 20
LINES = "application/x-ndjson"
FILES = ("out.json", "out.log.ldjson", "out.rejects.ldjson")


class S3:
    """Runs the command on a bucket, with a folder for temporary files of its own."""

    def __init__(self, etl: Etl, bucket: Bucket, temporary: Path) -> None:
        self.etl = etl
        self.bucket = bucket
        self.temporary = temporary
        self.started: list[subprocess.Popen[bytes]] = []

    def env(self, through: Proxy | None = None, **more: str) -> dict[str, str]:
        """Give the environment of the command."""
        env = self.bucket.env_through(through) if through else self.bucket.env
        return {**env, "TMPDIR": str(self.temporary), "PYTHONDONTWRITEBYTECODE": "1", **more}

    def arguments(self, *more: str) -> list[str]:
        """Score in.json of the bucket into out.json unless told otherwise."""
        return ["run", *MODEL, "-i", self.bucket.uri("in.json"), "-o", self.bucket.uri("out.json"), *more]

    def __call__(self, *more: str, through: Proxy | None = None, **env: str) -> Result:
        """Run it to its end."""
        return self.etl(*self.arguments(*more), env=self.env(through, **env))

    def start(self, *more: str, through: Proxy | None = None, **env: str) -> subprocess.Popen[bytes]:
        """Start it; it is killed at the end of the test if it still runs."""
        self.started.append(self.etl.popen(*self.arguments(*more), env=self.env(through, **env)))
        return self.started[-1]

    def uploads(self) -> list[str]:
        """Name the files of a run whose upload was not ended."""
        return [key for key in FILES for _ in self.bucket.uploads(key)]

    def left(self) -> list[str]:
        """Name the temporary files and locks that are there."""
        return [str(path.relative_to(self.temporary)) for path in self.temporary.rglob("*") if path.is_file()]

    def locks(self) -> int:
        """Count the locks that are held or were left."""
        return sum(name.endswith(".lock") for name in self.left())

    def check_untouched(self, keys: set[str] | None = None) -> None:
        """See that the old output is there, that nothing else is, and that nothing is left lying about."""
        assert self.bucket.get("out.json") == EARLIER
        assert self.bucket.keys() == (keys or {"in.json", "out.json"})
        assert self.uploads() == []
        assert self.left() == []


@pytest.fixture
def s3(etl: Etl, bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """Give the command line on a bucket that holds in.json."""
    bucket.put("in.json", INPUT)
    made = S3(etl, bucket, tmp_path_factory.mktemp("temporary"))
    yield made
    for run in made.started:
        run.kill()
        run.communicate()


@pytest.fixture
def services(bucket: Bucket) -> dict[str, Any]:
    """Give the services of a graph on a bucket, with everything as arguments."""
    server = bucket.server
    return s3_etl_job.get_services(
        bucket=bucket.name, key=server.key, secret_key=server.secret, endpoint_url=server.endpoint
    )


def wait_for(condition: Callable[[], Any], run: subprocess.Popen[bytes] | None = None, seconds: float = 30) -> None:
    """Wait for something, for as long as the run goes on."""
    end = time.monotonic() + seconds
    while not condition():
        if run is not None and run.poll() is not None:
            raise AssertionError(f"the run ended with {run.returncode}: {run.communicate()}")
        assert time.monotonic() < end, "what was waited for never came"
        time.sleep(0.02)


def ended(run: subprocess.Popen[bytes], within: float = 30) -> tuple[int, str]:
    """Wait for a run; give its exit code and what it said."""
    _, err = run.communicate(timeout=within)
    return run.returncode, err.decode()


def kinds(proxy: Proxy, bucket: Bucket) -> list[str]:
    """Give the requests seen, without the ids of uploads and parts."""
    found = [f"{r.method} {r.path.removeprefix(f'/{bucket.name}/')}" for r in proxy.requests]
    return [re.sub(r"=[^&]*", "", line) for line in found]


def timeless(log: bytes) -> list[dict[str, Any]]:
    """Give the events of a log without what differs between two runs, and without the names of files."""
    events = [json.loads(line) for line in log.splitlines()]
    for event in events:
        event["id"] = event["id"].rpartition("-")[2] if event["type"] != "model_etl.run.started" else ""
        event.pop("time")
        event.pop("subject")
        for name in ("run_id", "settings"):
            event["data"].pop(name, None)
    return events


# The original's command


@pytest.fixture(scope="module")
def local_output(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give what the original's local script makes of its input."""
    path = tmp_path_factory.mktemp("local") / "output.json"
    script = [sys.executable, "model_etl/etl_job.py", "--input_file=data/input.json", f"--output_file={path}"]
    subprocess.run(script, cwd=ROOT, check=True)
    return path.read_bytes()


SCRIPT = ("model_etl/s3_etl_job.py",)
KEYS = ("--key={key}", "--secret_key={secret}")
ORIGINALS = {
    "long": (
        *SCRIPT,
        "--input_file=input.json",
        "--output_file=output.json",
        "--bucket={bucket}",
        *KEYS,
        "--endpoint_url={endpoint}",
    ),
    "short": (
        *SCRIPT,
        *("-i", "input.json", "-o", "output.json", "-b", "{bucket}"),
        *("-k", "{key}", "-sk", "{secret}", "-ep", "{endpoint}"),
    ),
    "the article's": (
        *SCRIPT,
        *("--input_file=input.json", "--output_file=output.json", "--bucket={bucket}", *KEYS, "--endpoint_url="),
    ),
    "environment": (*SCRIPT, "--input_file=input.json", "--output_file=output.json", "--bucket={bucket}"),
    "names": (*SCRIPT, "-i", "s3://{bucket}/input.json", "-o", "s3://{bucket}/output.json"),
    "names and another bucket": (
        *SCRIPT,
        "-b",
        "x",
        "-i",
        "s3://{bucket}/input.json",
        "-o",
        "s3://{bucket}/output.json",
    ),
    "model-etl": (
        "-m",
        "model_etl",
        "run",
        "-m",
        IRIS,
        "-i",
        "s3://{bucket}/input.json",
        "-o",
        "s3://{bucket}/output.json",
    ),
    "model-etl --bucket": ("-m", "model_etl", "-m", IRIS, "-b", "{bucket}", "-i", "input.json", "-o", "/output.json"),
}


@pytest.mark.parametrize("command", ORIGINALS.values(), ids=ORIGINALS)
def test_the_originals_command_scores_an_object(
    bucket: Bucket, local_output: bytes, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """The script and the module make of an object, byte for byte, what the local script makes of the file."""
    bucket.put("input.json", (ROOT / "data/input.json").read_bytes())
    server = bucket.server
    values = {"bucket": bucket.name, "key": server.key, "secret": server.secret, "endpoint": server.endpoint}
    arguments = [argument.format(**values) for argument in command]
    env = {**os.environ, **bucket.env, "TMPDIR": str(tmp_path)}
    missing = "".join(command)
    if "{secret}" in missing:
        del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    if "{endpoint}" in missing:
        del env["AWS_ENDPOINT_URL_S3"]
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert (done.stderr == b"") == ("{secret}" not in missing)
    assert bucket.get("output.json") == local_output
    assert bucket.keys() == {"input.json", "output.json", "output.log.ldjson"}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("flags", [(), ("--bucket=",)])
def test_the_originals_script_needs_a_bucket(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """Without one it ends with 2, says --bucket, and asks no server."""
    arguments = [
        "--input_file=data/input.json",
        "--output_file=output.json",
        "--endpoint_url=http://127.0.0.1:1",
        *flags,
    ]
    done = subprocess.run([sys.executable, *SCRIPT, *arguments], cwd=ROOT, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--bucket" in done.stderr
    assert done.stderr.startswith("model-etl: error: ")
    assert "Traceback" not in done.stderr


def test_rejects_of_a_bucket_are_scored_again(s3: S3) -> None:
    """`retry` takes a rejects object; its output lies beside it."""
    s3.bucket.put("in.json", b'{"x":1}\n{"x":-1}\n')
    assert s3("-m", "failing_models:Raises", "--max_errors", "1").code == 0
    done = s3.etl("retry", s3.bucket.uri("out.rejects.ldjson"), *MODEL, env=s3.env())
    assert (done.code, done.err) == (0, "")
    assert s3.bucket.get("out.retry.ldjson") == b'{"y":1.0}\n'


# One graph, any file system


@pytest.fixture
def here(etl: Etl, monkeypatch: pytest.MonkeyPatch) -> Etl:
    """Go to an empty folder, with the models of tests/models at hand."""
    monkeypatch.chdir(etl.folder)
    monkeypatch.syspath_prepend(str(ROOT / "tests/models"))
    return etl


def test_one_graph_runs_on_both(here: Etl, bucket: Bucket, services: dict[str, Any]) -> None:
    """The very same graph object gives the same output with the local services and with those of a bucket."""
    records = (ROOT / "data/input.json").read_bytes()
    here.write("in.json", records)
    bucket.put("in.json", records)
    graph = s3_etl_job.get_graph("in.json", "out.json")
    assert s3_etl_job.get_graph is etl_job.get_graph
    bonobo.run(graph, services=etl_job.get_services(), strategy=ReliableStrategy())
    local = (here.folder / "out.json").read_bytes()
    (here.folder / "out.json").unlink()
    for _ in range(2):
        bonobo.run(graph, services=services, strategy=ReliableStrategy())
        assert bucket.get("out.json") == local
    assert timeless(bucket.get("out.log.ldjson")) == timeless((here.folder / "out.log.ldjson").read_bytes())
    assert "out.json" not in here.files()
    assert bucket.uploads("out.json") == []


def test_graphs_know_no_storage() -> None:
    """Nothing in graphs/ imports or names a file system, a service, S3 or a path."""
    for path in (ROOT / "graphs").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = [n for n in ast.walk(tree) if isinstance(n, (ast.Module, ast.FunctionDef, ast.ClassDef))]
        docstrings = {n.body[0].value for n in documented if n.body and isinstance(n.body[0], ast.Expr)}
        named: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= {"bonobo", "model_etl.compat"}
            elif isinstance(node, ast.ImportFrom):
                assert node.module in {"__future__", "collections.abc", "typing"}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                named.add(node.value)
            named |= {str(getattr(node, field)) for field in ("id", "attr", "arg") if getattr(node, field, None)}
        words = re.compile(r"(^|_)(fs|s3|boto\w*|services?|bucket|path|file|local|open\w*)($|_)|/", re.IGNORECASE)
        assert [name for name in named if words.search(name)] == []


def _breaking(records: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from records
    raise RuntimeError("the reader broke")


@pytest.mark.parametrize("why", ["the input is cut off", "too many rejects", "a step raises", "the end fails"])
def test_a_graph_by_hand_that_fails_leaves_the_old_objects(
    here: Etl, bucket: Bucket, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """A graph on a bucket that fails in mid-run publishes nothing and leaves no upload; the next one works."""
    good = b'{"x":1}\n' * 300_000  # several batches
    content = {"the input is cut off": gzip.compress(good)[:-100], "too many rejects": b'{"x":-1}\n' * 2000 + good}
    name = "in.json.gz" if why == "the input is cut off" else "in.json"
    bucket.put(name, content.get(why, good))
    for key in FILES:
        bucket.put(key, EARLIER)
    graph = s3_etl_job.get_graph(name, "out.json", model="failing_models:RaisesInBatch")
    with monkeypatch.context() as patch:
        if why == "a step raises":
            patch.setattr("model_etl.pipeline.nodes._Outputs.write", _raise)
        elif why == "the end fails":
            patch.setattr("model_etl.pipeline.nodes._Outputs.finish", _raise)
        with pytest.raises((ModelEtlError, RuntimeError)):
            bonobo.run(graph, services=services, strategy=ReliableStrategy())
    # The log is done when the output's end comes, and a graph by hand publishes each file then.
    old = FILES if why != "the end fails" else ("out.json",)
    assert {key: bucket.get(key) for key in old} == dict.fromkeys(old, EARLIER)
    assert [key for key in FILES if bucket.uploads(key)] == []
    bucket.put("in.json", INPUT)
    graph = s3_etl_job.get_graph("in.json", "out.json", model="failing_models:GoodBatch")
    bonobo.run(graph, services=services, strategy=ReliableStrategy())
    assert bucket.get("out.json") == OUTPUT


def _raise(*_: object) -> None:
    raise RuntimeError("a bug")


@pytest.mark.parametrize("fails", [False, True], ids=["done", "failed"])
def test_stock_readers_and_writers_run_on_a_bucket(
    here: Etl, bucket: Bucket, services: dict[str, Any], *, fails: bool
) -> None:
    """Bonobo's own LdjsonReader and LdjsonWriter, which open text files, work, and publish nothing if the run fails."""
    from model_etl.graphs.scoring import get_graph  # noqa: PLC0415
    from model_etl.scoring.model_step import MLModelTransformer  # noqa: PLC0415

    record = {"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}
    bucket.put("in.json", json.dumps(record).encode() + b"\n")
    bucket.put("out.json", EARLIER)
    model = MLModelTransformer("iris_model.iris_predict", "IrisModel")
    reader = (lambda: _breaking([record] * 10)) if fails else bonobo.LdjsonReader("in.json", mode="r")
    graph = get_graph(reader=reader, model=model, writer=bonobo.LdjsonWriter("out.json", mode="w"))
    with pytest.raises(RuntimeError, match="the reader broke") if fails else contextlib.nullcontext():
        bonobo.run(graph, services=services, strategy=ReliableStrategy())
    assert bucket.get("out.json").rstrip() == (EARLIER.rstrip() if fails else b'{"species": "setosa"}')


OPENERS: dict[str, Callable[[Any], Any]] = {
    "openbin": lambda fs: fs.openbin("out.json", "w"),
    "open binary": lambda fs: fs.open("out.json", "wb"),
    "open text": lambda fs: _Text(fs.open("out.json", "w")),
    "opendir": lambda fs: fs.makedir("", recreate=True).openbin("out.json", "w"),
}


class _Text:
    """Takes bytes for a text file."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __enter__(self) -> Any:
        self._file.__enter__()
        return self

    def __exit__(self, *exc: object) -> Any:
        return self._file.__exit__(*exc)

    def write(self, data: bytes) -> None:
        self._file.write(data.decode())

    def close(self) -> None:
        self._file.close()


@pytest.mark.parametrize("how", OPENERS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_file_that_was_not_closed_well_is_not_published(bucket: Bucket, services: dict[str, Any], how: str) -> None:
    """Neither a block that raises nor a handle that is forgotten publishes; a block that ends, and close(), do."""
    fs, opened = services["fs"], OPENERS[how]
    bucket.put("out.json", EARLIER)
    with pytest.raises(ZeroDivisionError), opened(fs) as file:  # noqa: PT012
        file.write(b"half")
        raise ZeroDivisionError
    assert bucket.get("out.json") == EARLIER
    file = opened(fs)
    file.write(b"half")
    del file
    gc.collect()
    assert bucket.get("out.json") == EARLIER
    assert bucket.uploads("out.json") == []
    with opened(fs) as file:
        file.write(b"whole")
        assert bucket.get("out.json") == EARLIER
    assert bucket.get("out.json") == b"whole"
    file = opened(fs)
    file.write(b"whole again")
    file.close()
    file.close()
    assert bucket.get("out.json") == b"whole again"
    assert bucket.keys() == {"out.json"}


def test_a_bucket_is_a_file_system(bucket: Bucket, services: dict[str, Any]) -> None:
    """Whatever takes a file system of the fs package can list, read, seek and write a bucket."""
    fs = services["fs"]
    for key in ("a/b/c.json", "a/d.json", "e.json"):
        fs.writebytes(key, key.encode())
    assert (sorted(fs.listdir("")), sorted(fs.listdir("a"))) == (["a", "e.json"], ["b", "d.json"])
    assert sorted(fs.walk.files()) == ["/a/b/c.json", "/a/d.json", "/e.json"]
    assert (fs.isdir("a"), fs.isfile("a"), fs.exists("a/b"), fs.exists("z"), fs.isfile("e.json")) == (
        True,
        False,
        True,
        False,
        True,
    )
    assert (fs.getsize("e.json"), fs.readtext("e.json"), fs.readbytes("a/d.json")) == (6, "e.json", b"a/d.json")
    with fs.openbin("e.json") as file:
        assert (file.seek(-4, 2), file.read(), file.seek(0), file.read(1)) == (2, b"json", 0, b"e")
    fs.copy("e.json", "f.json")
    fs.move("f.json", "g.json")
    with fs.open("g.json") as file:
        assert file.readlines() == ["e.json"]
    assert bucket.keys() == {"a/b/c.json", "a/d.json", "e.json", "g.json"}
    assert bucket.server.secret not in f"{fs!r} {fs} {services!r}"


# Where the files lie


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


# Formats


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


# Publishing


def test_nothing_is_seen_before_all_is_there(s3: S3, proxy: Proxy) -> None:
    """While the last part is on its way no new object shows; then the log does before the output."""
    s3.bucket.put("out.json", EARLIER)
    s3.bucket.put("in.json", BAD)
    name = s3.bucket.name
    part = proxy.fault("delay response", f"PUT /{name}/out.json partNumber", times=1, seconds=2)
    log = proxy.fault("delay response", f"POST /{name}/out.log.ldjson uploadId", times=1, seconds=2)
    run = s3.start("--max_errors", "1", through=proxy)
    wait_for(lambda: part.hits, run)
    assert (s3.bucket.keys(), s3.bucket.get("out.json")) == ({"in.json", "out.json"}, EARLIER)
    assert sorted(s3.uploads()) == sorted(FILES)
    wait_for(lambda: log.hits, run)
    time.sleep(0.2)
    assert s3.bucket.keys() == {"in.json", *FILES}
    assert s3.bucket.get("out.json") == EARLIER
    assert ended(run) == (0, "")
    assert s3.bucket.get("out.json") == OUTPUT
    assert (s3.uploads(), s3.left()) == ([], [])
    done = [
        line.partition("?")[0] for line in kinds(proxy, s3.bucket) if line.startswith("POST") and "uploadId" in line
    ]
    assert done == ["POST out.rejects.ldjson", "POST out.log.ldjson", "POST out.json"]


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (("--if_exists", "fail"), 73),
        (("--if_exists", "skip"), 0),
        (("--dry_run",), 0),
        (("check",), 0),
        (("check", "--if_exists", "fail"), 73),
        (("--expect_version", "2.0"), 69),
        (("-i", "{}missing.json"), 66),
        (("-i", "{}none/"), 66),
        (("-o", "{}"), 78),
        (("-o", "{}in.json/.."), None),
        (("--keep", "y"), 78),
        (("--limit", "0"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_publishes_nothing(s3: S3, flags: tuple[str, ...], code: int | None) -> None:
    """Whatever skips, tries or refuses leaves the old output, no object, no upload, no lock and no temporary file."""
    s3.bucket.put("out.json", EARLIER)
    more = [flag.format(s3.bucket.uri("")) for flag in flags]
    arguments = s3.arguments(*(flag for flag in more if flag != "check"))
    arguments[0] = "check" if "check" in flags else "run"
    done = s3.etl(*arguments, env=s3.env())
    assert "Traceback" not in done.err
    assert (done.code == code) if code is not None else (done.code not in (0, 1)), done.err
    assert (done.err == "") == (code == 0)
    s3.check_untouched()


def test_an_earlier_runs_rejects_go(s3: S3) -> None:
    """A run without rejects removes those of the run before, and one with too many publishes its rejects alone."""
    s3.bucket.put("out.json", EARLIER)
    s3.bucket.put("in.json", BAD)
    assert s3().code == 65
    assert s3.bucket.keys() == {"in.json", "out.json", "out.rejects.ldjson"}
    assert s3.bucket.get("out.json") == EARLIER
    assert s3.bucket.get("out.rejects.ldjson").count(b"\n") == 1
    s3.bucket.put("in.json", INPUT)
    assert s3("--dry_run").code == 0
    assert s3.bucket.exists("out.rejects.ldjson")
    assert s3().code == 0
    assert s3.bucket.keys() == {"in.json", "out.json", "out.log.ldjson"}
    assert (s3.uploads(), s3.left()) == ([], [])


def test_what_was_not_there_at_first_is_not_overwritten(s3: S3, proxy: Proxy) -> None:
    """With --if_exists fail an output that somebody else publishes meanwhile stays."""
    part = proxy.fault("delay response", f"PUT /{s3.bucket.name}/out.json partNumber", times=1, seconds=1)
    run = s3.start("--if_exists", "fail", through=proxy)
    wait_for(lambda: part.hits, run)
    s3.bucket.put("out.json", EARLIER)
    assert ended(run)[0] == 73
    s3.check_untouched()


# Two runs, signals, crashes


@pytest.fixture
def hanging(s3: S3) -> Callable[..., subprocess.Popen[bytes]]:
    """Start a run that hangs while it holds its files."""

    def start(*flags: str, through: Proxy | None = None) -> subprocess.Popen[bytes]:
        s3.bucket.put("slow.json", b'{"x":-1}\n')
        run = s3.start("-m", "failing_models:Hangs", "-i", s3.bucket.uri("slow.json"), *flags, through=through)
        wait_for((s3.etl.folder / "hanging").exists, run)
        (s3.etl.folder / "hanging").unlink()
        return run

    return start


def test_runs_with_the_same_output_do_not_overlap(s3: S3, hanging: Callable[..., Any], proxy: Proxy) -> None:
    """The second one leaves with 75 or waits; a run that holds the log or the rejects counts, too."""
    run = hanging("--prediction_log", "none", "--rejects", s3.bucket.uri("shared.json"))
    for flags in (
        ("--report", "report.json"),
        ("-b", s3.bucket.name, "-o", "out.json"),
        ("-o", s3.bucket.uri("b.json"), "--prediction_log", s3.bucket.uri("shared.json")),
    ):
        start = time.monotonic()
        done = s3(*flags)
        assert (done.code, "another run is writing s3://" in done.err) == (75, True), (flags, done.err)
        assert time.monotonic() - start < 5
    report = json.loads((s3.etl.folder / "report.json").read_bytes())
    assert (report["exit_code"], report["error"]["type"]) == (75, "TryAgain")
    assert run.poll() is None
    # The same key at another endpoint is another object, as far as anybody knows.
    assert s3(through=proxy).code == 0
    threading.Timer(1, run.kill).start()
    done = s3("--lock_wait", "20")
    assert (done.code, done.err) == (0, "")
    assert s3.bucket.get("out.json") == OUTPUT
    assert s3.left() == [name for name in s3.left() if s3.locks() == 1]  # the killed one's for shared.json


def test_a_lock_knows_a_server_by_any_spelling(s3: S3, hanging: Callable[..., Any]) -> None:
    """An endpoint with a slash at its end, or in capitals, is the same one."""
    hanging()
    endpoint = s3.bucket.server.endpoint
    for same in (f"{endpoint}/", endpoint.replace("http", "HTTP")):
        done = s3("--endpoint_url", same)
        assert (done.code, "another run is writing s3://" in done.err) == (75, True), (same, done.err)


def test_a_lock_is_of_one_key(s3: S3, hanging: Callable[..., Any]) -> None:
    """Another key in the same folder, or the same key in another bucket, is free."""
    hanging()
    assert s3("-o", s3.bucket.uri("out.json2"), "--output_format", "ldjson").code == 0
    other = f"{s3.bucket.name}-2"
    s3.bucket.client.make_bucket(other)
    assert s3("-o", f"s3://{other}/out.json").code == 0
    for found in s3.bucket.client.list_objects(other):
        s3.bucket.client.remove_object(other, found.object_name)
    s3.bucket.client.remove_bucket(other)


@pytest.mark.slow
def test_many_runs_take_turns(s3: S3) -> None:
    """Runs that wait for the same output all succeed, one after the other."""
    runs = [s3.start("--lock_wait", "50") for _ in range(4)]
    assert [ended(run, 60) for run in runs] == [(0, "")] * 4
    assert s3.bucket.get("out.json") == OUTPUT
    assert (s3.uploads(), s3.left()) == ([], [])


def test_a_killed_run_is_cleared_up_by_the_next(s3: S3, proxy: Proxy) -> None:
    """After kill -9 in mid-upload the old object is there, and the next run leaves no parts of the dead one."""
    s3.bucket.put("out.json", EARLIER)
    part = proxy.fault("delay response", f"PUT /{s3.bucket.name}/out.json partNumber", times=1)
    run = s3.start(through=proxy)
    wait_for(lambda: part.hits, run)
    time.sleep(0.2)
    run.kill()
    run.communicate()
    assert s3.bucket.get("out.json") == EARLIER
    assert sorted(s3.uploads()) == sorted(FILES)
    proxy.clear()
    done = s3(through=proxy)
    assert (done.code, done.err) == (0, "")
    assert s3.bucket.get("out.json") == OUTPUT
    assert (s3.uploads(), s3.left()) == ([], [])


def test_check_clears_up_or_leaves_alone(s3: S3, hanging: Callable[..., Any]) -> None:
    """`check` beside a run that writes takes nothing of it away."""
    run = hanging()
    arguments = s3.arguments()
    arguments[0] = "check"
    assert s3.etl(*arguments, env=s3.env()).code == 0
    assert sorted(s3.uploads()) == sorted(FILES)
    run.send_signal(signal.SIGTERM)
    assert ended(run)[0] == 143
    assert (s3.uploads(), s3.left()) == ([], [])


MOMENTS = {
    "looking": ("delay response", "HEAD /{}/in.json"),
    "reading": ("stall response", "GET /{}/in.json"),
    "beginning": ("delay response", "POST /{}/out.log.ldjson?uploads"),
    "sending": ("delay response", "PUT /{}/out.json partNumber"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_at_a_bad_moment(s3: S3, proxy: Proxy, moment: str, number: signal.Signals, code: int) -> None:
    """A signal while the server hangs ends the run soon; old output, no upload, no lock, no temporary file."""
    s3.bucket.put("out.json", EARLIER)
    s3.bucket.put("in.json", b'{"x":1}\n' * 500_000)
    kind, match = MOMENTS[moment]
    fault = proxy.fault(kind, match.format(s3.bucket.name), at=2_000_000, times=1)
    run = s3.start(through=proxy)
    wait_for(lambda: fault.hits, run)
    time.sleep(0.3)
    start = time.monotonic()
    run.send_signal(number)
    assert ended(run) == (code, f"model-etl: error: stopped by {number.name}; nothing was published\n")
    assert time.monotonic() - start < GRACE + 3
    if moment == "beginning":  # the server has begun an upload, and nobody here was told its id: it has no parts
        assert s3.uploads() == ["out.log.ldjson"]
        s3.bucket.client._abort_multipart_upload(s3.bucket.name, "out.log.ldjson", *s3.bucket.uploads("out.log.ldjson"))
    s3.check_untouched()


# Names


NAMES = [
    "a b.json",
    "a#b.json",
    "a?b.json",
    "a%20b.json",
    "a+b.json",
    "ä/é/日本.json",
    "a[1]*.json",
    "a=1&b=2;c@d:e,f$g.json",
    "~`^{|}<>\"'\\.json",
    " .json",
    "%2e%2e/x.json",
    "a.json.",
    "x" * 200 + "/" + "y" * 200 + ".json",
]


@pytest.mark.parametrize("key", NAMES)
def test_keys_are_taken_as_they_are_written(s3: S3, key: str) -> None:
    """Blanks, wildcards, escapes and letters of any script mean nothing in a key that exists, or in an output's."""
    s3.bucket.put(key, INPUT)
    flags = ("--input_format", "ldjson", "--output_format", "ldjson", "--prediction_log", "none")
    done = s3("-i", s3.bucket.uri(key), "-o", s3.bucket.uri(f"out/{key}"), *flags)
    assert (done.code, done.err) == (0, "")
    assert s3.bucket.keys() == {"in.json", key, f"out/{key}"}
    assert s3.bucket.get(f"out/{key}") == OUTPUT


@pytest.mark.parametrize(
    "key", ["a//b.json", "/a.json", "//a.json", "../a.json", "a/../b.json", "./a.json", "a/./b.json"]
)
def test_keys_are_no_paths(s3: S3, proxy: Proxy, key: str) -> None:
    """Every request is for the very key that was written, whether the server takes such keys or not."""
    with contextlib.suppress(Exception):  # a server that refuses it, or a client
        s3.bucket.put(key.lstrip("/"), INPUT)
    before = s3.bucket.keys()
    out = key.replace(".json", ".out.json")
    done = s3("-i", s3.bucket.uri(key), "-o", s3.bucket.uri(out), "--prediction_log", "none", through=proxy)
    asked = {request.path.partition("?")[0].removeprefix(f"/{s3.bucket.name}/") for request in proxy.requests}
    asked.discard(f"/{s3.bucket.name}")  # where does the bucket lie?
    assert asked <= {key, out, out.replace(".json", ".rejects.ldjson")}
    assert key in asked
    if done.code:
        assert (done.err.startswith("model-etl: error: cannot "), s3.bucket.keys()) == (True, before)
    else:
        assert s3.bucket.get(out.lstrip("/")) == OUTPUT


def test_removing_an_object_with_a_leading_slash_removes_no_other(s3: S3, proxy: Proxy) -> None:
    """The rejects of `s3://bucket//out.json` are not those of `s3://bucket/out.json`."""
    s3.bucket.put("in.json", BAD)
    flags = ("--max_errors", "1", "--prediction_log", "none", "-o", f"s3://{s3.bucket.name}//out.json")
    assert s3(*flags).code == 0
    s3.bucket.put("in.json", INPUT)
    assert s3(*flags, through=proxy).code == 0
    deleted = [request.path for request in proxy.requests if request.matches("DELETE out.rejects.ldjson !uploadId")]
    assert deleted == [f"/{s3.bucket.name}//out.rejects.ldjson"]


@pytest.mark.parametrize("flag", ["-i", "-o", "--prediction_log", "--rejects", "--report"])
def test_a_key_that_is_no_text(s3: S3, flag: str) -> None:
    """Bytes that are no UTF-8 are no key: 2, and the message shows them."""
    for name, more in ((f"s3://{s3.bucket.name}/\udcff.json", ()), ("\udcff.json", ("--bucket", s3.bucket.name))):
        done = s3(*more, flag, name)
        assert (done.code, "\\udcff" in done.err, "UTF-8" in done.err) == (2, True, True), done.err
        assert "Traceback" not in done.err
    assert s3.bucket.keys() == {"in.json"}


@pytest.mark.parametrize(
    "name", ["s3://", "s3:///x.json", "s3:/{}/x.json", "S3://{}/in.json", "s3://A_b!/x.json", "gs://{}/x"]
)
@pytest.mark.parametrize("flag", ["-i", "-o"])
def test_names_that_are_no_objects(s3: S3, flag: str, name: str) -> None:
    """A name without a bucket or a key, or of another service, is refused with a word that helps, never with a bug."""
    name = name.format(s3.bucket.name)
    done = s3(flag, name, "--prediction_log", "none", "--rejects", "rejects.json")
    assert done.code in (2, 66, 73, 78), done.err
    assert ("Traceback" in done.err, name.partition("/")[0] in done.err) == (False, True)
    assert (s3.bucket.keys(), s3.etl.files()) == ({"in.json"}, set())


def test_a_bucket_is_a_folder(s3: S3) -> None:
    """A bucket without a key is a folder for inputs, with or without the last slash, and one for outputs with it."""
    other = f"{s3.bucket.name}-2"
    s3.bucket.client.make_bucket(other)
    try:
        for name in (f"s3://{s3.bucket.name}", f"s3://{s3.bucket.name}/"):
            done = s3("-i", name, "-o", f"s3://{other}/", "--prediction_log", "none", "--rejects", "rejects.json")
            assert (done.code, done.err) == (0, "")
            found = [found.object_name for found in s3.bucket.client.list_objects(other)]
            assert found == ["in.json"]
            s3.bucket.client.remove_object(other, "in.json")
    finally:
        s3.bucket.client.remove_bucket(other)


# Which input it was


def ids(s3: S3) -> list[str]:
    """Give the ids of the predictions in the log."""
    return [json.loads(line)["id"] for line in s3.bucket.get("out.log.ldjson").splitlines()[1:]]


def test_prediction_ids_are_of_the_object(s3: S3, proxy: Proxy) -> None:
    """The same object has the same ids, by any name and endpoint; another content, or key, has others."""
    assert s3().code == 0
    first = ids(s3)
    for flags in (("-b", s3.bucket.name, "-i", "in.json"), ("-i", s3.bucket.uri("in*.json")), ()):
        assert s3(*flags, through=proxy).code == 0
        assert ids(s3) == first
    s3.bucket.put("in.json", INPUT.replace(b"2", b"3"))
    assert s3().code == 0
    second = ids(s3)
    s3.bucket.put("in2.json", INPUT)
    assert s3("-i", s3.bucket.uri("in2.json")).code == 0
    assert not {*first} & {*second}
    assert not {*first, *second} & {*ids(s3)}


@pytest.mark.slow
def test_an_object_that_is_replaced_while_it_is_read(s3: S3) -> None:
    """By the time that everything was read: 75, and nothing is published."""
    s3.bucket.put("out.json", EARLIER)
    s3.bucket.put("in.json", b'{"x":1}\n' * 500)
    run = s3.start("-m", "failing_models:Slow")
    wait_for((s3.etl.folder / "hanging").exists, run)
    s3.bucket.put("in.json", b'{"x":2}\n' * 500)
    code, err = ended(run)
    assert (code, "was changed while it was read; nothing was published" in err) == (75, True), err
    s3.check_untouched()


@pytest.mark.parametrize("then", ["replaced", "removed", "the same again"])
def test_an_object_that_changes_before_reading_goes_on(s3: S3, proxy: Proxy, then: str) -> None:
    """After a broken connection reading goes on in the same object only: 75 if it is another one."""
    s3.bucket.put("out.json", EARLIER)
    content = b'{"x":1}\n' * 500_000
    s3.bucket.put("in.json", content)
    stall = proxy.fault("stall response", f"GET /{s3.bucket.name}/in.json", at=2_000_000, times=1)
    run = s3.start("--read_timeout", "2", through=proxy)
    wait_for(lambda: stall.hits, run)
    if then == "removed":
        s3.bucket.remove("in.json")
    else:
        s3.bucket.put("in.json", content if then == "the same again" else content.replace(b"1", b"2"))
    code, err = ended(run)
    if then == "the same again":
        assert (code, err, s3.bucket.get("out.json")) == (0, "", b'{"y":1.0}\n' * 500_000)
        return
    assert (code, "was changed while it was read" in err) == (75, True), err
    s3.check_untouched({"in.json", "out.json"} if then == "replaced" else {"out.json"})


# What a run on the disk pays for all this


def test_a_local_run_imports_nothing_of_s3(etl: Etl) -> None:
    """boto3 and what it needs are imported by runs that need it."""
    etl.write("in.json", INPUT)
    command = [sys.executable, "-X", "importtime", "-m", "model_etl", "run", *MODEL, "-i", "in.json", "-o", "out.json"]
    done = subprocess.run(command, cwd=etl.folder, env=etl.environment(), capture_output=True, check=True, text=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "model_etl" in imported
    assert not imported & {"boto3", "botocore", "s3transfer", "urllib3", "fs_s3fs", "requests", "minio"}
