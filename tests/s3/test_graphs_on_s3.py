"""Graphs run by hand on a bucket."""

from __future__ import annotations

import ast
import contextlib
import gc
import gzip
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import model_etl.compat  # noqa: F401  before anything of bonobo

import bonobo
import pytest
from helpers.command import ROOT, Etl
from helpers.s3_fixtures import Bucket
from helpers.s3_runs import EARLIER, FILES, INPUT, OUTPUT, timeless

from model_etl import etl_job, s3_etl_job
from model_etl.errors import ModelEtlError
from model_etl.pipeline.strategy import ReliableStrategy


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
            patch.setattr("model_etl.pipeline.writers.OutputSequence.write", _raise)
        elif why == "the end fails":
            patch.setattr("model_etl.pipeline.writers.OutputSequence.finish", _raise)
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
