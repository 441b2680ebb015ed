"""Many files in one run: folders and patterns as input, folders as output, through the real command line."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from helpers.command import Etl, Result, minding_modes
from pyarrow import parquet

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


def seen(folder: Path) -> dict[str, Any]:
    """Give all that a folder holds: the bytes of files, the targets of links, the names of folders."""

    def content(path: Path) -> Any:
        if path.is_symlink():
            return os.readlink(path)
        return path.read_bytes() if path.is_file() else "folder" if path.is_dir() else "other"

    return {str(path.relative_to(folder)): content(path) for path in folder.rglob("*")}


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


@pytest.fixture
def score(etl: Etl) -> Callable[..., Result]:
    """Score with a small model."""

    def run(*arguments: str, model: str = GOOD, **options: Any) -> Result:
        return etl("run", "-m", model, *arguments, **options)

    return run


@pytest.fixture
def three(etl: Etl) -> Etl:
    """Give the command line in a folder with three small inputs."""
    grow(etl, {"in/b.json": xs(3), "in/a.json": xs(1, 2), "in/c.json": xs(4, 5, 6)})
    return etl


@pytest.fixture
def hanging(etl: Etl) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start runs that hang at their negative record while they hold their files."""
    started = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        sign = etl.folder / "hanging"
        run = etl.popen("run", "-m", "failing_models:Hangs", *arguments)
        started.append(run)
        until = time.monotonic() + 30
        while not sign.exists():
            assert run.poll() is None, run.stderr.read() if run.stderr else ""
            assert time.monotonic() < until
            time.sleep(0.01)
        sign.unlink()
        return run

    yield start
    for run in started:
        run.kill()
        run.communicate()


def events(etl: Etl, name: str) -> list[dict[str, Any]]:
    """Read the events about records of a log."""
    return etl.lines(name)[1:]


# One output for all inputs


def test_files_are_read_in_the_order_of_their_names(etl: Etl, score: Callable[..., Result]) -> None:
    """Whatever the order on the disk is; 10 comes before 9, and capitals before small letters."""
    grow(etl, {f"in/{name}.json": xs(i) for i, name in enumerate(("9", "b", "10", "a", "B", "ä", "a b"))})
    ended_well(score("-i", "in", "-o", "out.json"))
    assert (etl.folder / "out.json").read_bytes() == ys(2, 0, 4, 6, 3, 1, 5)


@pytest.mark.parametrize(
    ("given", "shown", "output"),
    [
        ("in", "in/", "out.json"), ("in/", "in/", "out/"), ("./in", "./in/", "out/"), ("in/*.json", "in/", "out/"),
        ("{}/in", "{}/in/", "out.json"), ("i*/?.json", "in/", "out/"),
    ],
)  # fmt: skip
def test_the_log_names_the_file_of_each_record(
    three: Etl, score: Callable[..., Result], given: str, shown: str, output: str
) -> None:
    """Positions start again in each file; no two events have the same id, and the next run gives the same ones."""
    arguments = ("-i", given.format(three.folder), "-o", output)
    ended_well(score(*arguments))
    logged = events(three, "out.log.ldjson")
    place = shown.format(three.folder)
    assert [(event["subject"], event["data"]["position"]) for event in logged] == [
        (f"{place}{name}.json", number)
        for name, count in (("a", 2), ("b", 1), ("c", 3))
        for number in range(1, count + 1)
    ]
    assert [event["data"]["input"]["x"] for event in logged] == [1, 2, 3, 4, 5, 6]
    ids = [event["id"] for event in logged]
    assert len(set(ids)) == 6
    ended_well(score(*arguments))
    assert [event["id"] for event in events(three, "out.log.ldjson")] == ids


def test_a_file_has_the_same_ids_alone_and_among_others(three: Etl, score: Callable[..., Result]) -> None:
    """So that a file which was scored again can be compared."""
    ended_well(score("-i", "in", "-o", "all.json"))
    ended_well(score("-i", "in/b.json", "-o", "one.json"))
    assert events(three, "one.log.ldjson")[0]["id"] == events(three, "all.log.ldjson")[2]["id"]


@pytest.mark.parametrize("output", ["out.json", "out/"])
def test_the_report_adds_up(three: Etl, score: Callable[..., Result], output: str) -> None:
    """Records, sizes and digests of each file, and their sums."""
    grow(three, {"in/b.json": gzip.compress(xs(3))})
    os.rename(three.folder / "in/b.json", three.folder / "in/b.json.gz")
    grow(three, {"in/a.json": xs(1) + BAD_RECORD, "in/d.parquet": as_parquet(7), "in/e.json": b""})
    ended_well(score("-i", "in", "-o", output, "--report", "r.json", "--max_errors", "1", "--output_format", "ldjson"))
    (report,) = three.lines("r.json")
    assert report["counts"] == {"read": 7, "written": 6, "rejected": 1, "withheld": 0}
    told = report["files"]["input"]
    assert told["name"] == "in"
    assert [(file["name"], file["records"]) for file in told["files"]] == [
        ("in/a.json", 2), ("in/b.json.gz", 1), ("in/c.json", 3), ("in/d.parquet", 1), ("in/e.json", 0),
    ]  # fmt: skip
    roles = ["input", "output"] if output == "out/" else ["input"]
    for role in roles:
        told = report["files"][role]
        for file in told["files"]:
            content = (three.folder / file["name"]).read_bytes()
            assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
            assert file["uri"] == f"file://{three.folder}/{file['name']}"
        assert told["bytes"] == sum(file["bytes"] for file in told["files"])
    if output == "out/":
        told = report["files"]["output"]["files"]
        assert [(file["name"], file["records"]) for file in told] == [
            ("out/a.json", 1), ("out/b.json.gz", 1), ("out/c.json", 3), ("out/d.json", 1), ("out/e.json", 0),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "output"),
    [(1, "out.json"), (1, "out/"), (2, "out/"), (3, "out/"), (4, "out.json"), (4, "out/"), (99, "out/")],
)
def test_the_limit_is_for_all_files(three: Etl, score: Callable[..., Result], limit: int, output: str) -> None:
    """The first N records of all; a file that is not reached has an output without records."""
    ended_well(score("-i", "in", "-o", output, "--limit", str(limit)))
    if output == "out.json":
        assert (three.folder / output).read_bytes() == ys(*range(1, min(limit, 6) + 1))
    else:
        parts = {"a.json": (1, 2), "b.json": (3,), "c.json": (4, 5, 6)}
        assert seen(three.folder / "out") == {name: ys(*(y for y in y3 if y <= limit)) for name, y3 in parts.items()}


@pytest.mark.parametrize(
    ("tolerated", "code"), [("0", 65), ("1", 65), ("2", 0), ("19%", 65), ("20%", 0), ("99%", 0)]
)  # fmt: skip
def test_rejects_are_counted_over_all_files(etl: Etl, score: Callable[..., Result], tolerated: str, code: int) -> None:
    """A number or per cent of all records, though one file has half of its records bad."""
    grow(etl, {"in/a.json": xs(*range(5)), "in/b.json": xs(1) + BAD_RECORD, "in/c.json": xs(1, 2) + BAD_RECORD})
    done = score("-i", "in", "-o", "out/", "--max_errors", tolerated)
    assert done.code == code, done.err
    assert (etl.folder / "out").exists() == (not code)
    lines = etl.lines("out.rejects.ldjson")
    assert [(line["input"], line["position"]) for line in lines] == [("in/b.json", 2), ("in/c.json", 3)]
    if code:
        assert "2 of 10 records were rejected" in done.err
        assert "record 2 of in/b.json" in done.err
        assert "record 3 of in/c.json" in done.err


@pytest.mark.parametrize(("output", "retried"), [("out.json", "out.retry.ldjson"), ("out/", "out.retry.ldjson")])
def test_rejects_of_many_files_can_be_tried_again(
    etl: Etl, score: Callable[..., Result], output: str, retried: str
) -> None:
    """Each with its file, its place and its id."""
    csv = b"n,x\n1,1\n2,-2\n"
    grow(etl, {"in/a.json": xs(1, -3), "in/b.csv": csv, "in/c.json": xs(-4, 5)})
    bad = ("-i", "in", "-o", output, "--output_format", "ldjson", "--max_errors", "9")
    ended_well(score(*bad, model="failing_models:Raises"))
    done = etl("retry", "out.rejects.ldjson", "-m", GOOD.replace("Good", "Prints"))
    assert done.code == 0, done.err
    assert (etl.folder / retried).read_bytes() == ys(1, 1, 1)

    def places(name: str) -> list[tuple[str, int, str]]:
        return [
            (e["subject"], e["data"]["position"], e["id"]) for e in events(etl, name) if e["data"]["input"]["x"] < 0
        ]

    assert [place[:2] for place in places("out.log.ldjson")] == [("in/a.json", 2), ("in/b.csv", 2), ("in/c.json", 1)]
    assert places("out.retry.log.ldjson") == places("out.log.ldjson")


@pytest.mark.parametrize("output", ["all.json", "all/"])
def test_rejects_files_of_several_runs_are_tried_again(etl: Etl, score: Callable[..., Result], output: str) -> None:
    """Several nights' rejects at once, into one file or into one for each."""
    for night in "ab":
        grow(etl, {f"{night}.json": xs(1, -2), "in.json": b""})
        name = f"{night}.out.json"
        ended_well(score("-i", f"{night}.json", "-o", name, "--max_errors", "1", model="failing_models:Raises"))
    ended_well(etl("retry", "*.rejects.ldjson", "-m", "failing_models:ChangesInput", "-o", output))
    if output == "all.json":
        assert (etl.folder / output).read_bytes() == ys(1, 1)
    else:
        assert seen(etl.folder / "all") == {f"{night}.out.rejects.ldjson": ys(1) for night in "ab"}


HEADERS = {"in/a.csv": b"id,x\n1,1\n", "in/b.csv": b"x,name\n2,b\n"}


@pytest.mark.parametrize(
    ("arguments", "code", "outputs"),
    [
        (("-o", "out.csv"), 0, {"out.csv": b"y\n1.0\n2.0\n"}),
        (("-o", "out.csv", "--join"), 78, {}),
        (("-o", "out.csv", "--keep", "id,x"), 0, {"out.csv": b"id,x,y\n1,1,1.0\n,2,2.0\n"}),
        (("-o", "out.json", "--join"), 0, {"out.json": b'{"id":"1","x":1,"y":1.0}\n{"x":2,"name":"b","y":2.0}\n'}),
        (("-o", "out/", "--join"), 0, {"out/a.csv": b"id,x,y\n1,1,1.0\n", "out/b.csv": b"x,name,y\n2,b,2.0\n"}),
    ],
    ids=["predictions", "join", "keep", "json", "folder"],
)
def test_tables_with_different_columns(
    etl: Etl, score: Callable[..., Result], arguments: tuple[str, ...], code: int, outputs: dict[str, bytes]
) -> None:
    """They fit into one table only if nothing of them is carried over as it stands, else into one each."""
    grow(etl, HEADERS)
    done = score("-i", "in", *arguments)
    if code:
        ended(done, code, "record 1 of in/b.csv has other columns", "--keep")
        assert etl.files() == set(HEADERS)
    else:
        ended_well(done)
        assert {name: (etl.folder / name).read_bytes() for name in outputs} == outputs


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
    assert set(seen(etl.folder / "out")) == {
        "day.json", "day.json/a.v2.csv", "x.csv", "x.csv/b.json.csv.gz",
    }  # fmt: skip


def test_a_suffix_that_tells_nothing(etl: Etl, score: Callable[..., Result]) -> None:
    """With formats named, the files of an exporter with suffixes of its own can be scored."""
    grow(etl, {"in/part-00000": xs(1), "in/part-00001": xs(2)})
    ended(score("-i", "in", "-o", "out.json"), 2, "in/part-00000", "--input_format")
    ended_well(score("-i", "in", "-o", "out.json", "--input_format", "ldjson"))
    assert (etl.folder / "out.json").read_bytes() == ys(1, 2)
    ended_well(score("-i", "in", "-o", "out/", "--input_format", "ldjson", "--output_format", "csv"))
    assert seen(etl.folder / "out") == {"part-00000.csv": b"y\n1.0\n", "part-00001.csv": b"y\n2.0\n"}
    ended(score("-i", "in", "-o", "new/", "--input_format", "ldjson"), 2, "part-00000", "--output_format")
    assert not (etl.folder / "new").exists()


def test_arrays_in_arrays_out(etl: Etl, score: Callable[..., Result]) -> None:
    """Each output is an array of its own; that of an empty array is one, too."""
    grow(etl, {"in/a.json": b"[]", "in/b.json": b'[{"x":1},{"x":2}]', "in/c.json": b" [\n] "})
    ended_well(score("-i", "in", "-o", "out/", "--input_format", "json", "--output_format", "json"))
    assert {n: json.loads(c) for n, c in seen(etl.folder / "out").items()} == {
        "a.json": [], "b.json": [{"y": 1.0}, {"y": 2.0}], "c.json": [],
    }  # fmt: skip


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
    before = seen(etl.folder)
    ended(score("-i", "in", "-o", output), code, rf"in/{name}", said)
    rejects = {"out.rejects.ldjson", "new.rejects.ldjson"} if case == "bad record" else set()
    after = seen(etl.folder)
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


# A folder of outputs


@pytest.mark.parametrize(
    ("given", "output", "names"),
    [
        ("in/day=*/part.csv", "out/", "day=1 day=1/part.csv day=2 day=2/part.csv"),
        ("in/day=1/part.csv", "{}/out/", "part.csv"),
        ("in/day=1", "file://{}/out/", "other.csv part.csv"),
        ("in/day=1/*.csv", "out/", "other.csv part.csv"),
        ("in/**/part.csv", "{}/out/", "day=1 day=1/part.csv day=2 day=2/part.csv part.csv"),
        ("in/**", "file://{}/out/", "day=1 day=1/other.csv day=1/part.csv day=2 day=2/part.csv part.csv"),
        ("{}/in/day=[1]/part.csv", "out/", "day=1 day=1/part.csv"),
        ("file://{}/in/day=[1]/part.csv", "{}/out/", "day=1 day=1/part.csv"),
        ("file://{}/in/day=1/", "file://{}/out/", "other.csv part.csv"),
    ],
)
def test_outputs_lie_as_the_inputs(etl: Etl, score: Callable[..., Result], given: str, names: str, output: str) -> None:
    """Below the folders that the wildcards stand for."""
    tree = ("in/day=1/part.csv", "in/day=1/other.csv", "in/day=2/part.csv", "in/part.csv")
    grow(etl, dict.fromkeys(tree, b"x\n1\n"))
    ended_well(score("-i", given.format(etl.folder), "-o", output.format(etl.folder)))
    made = seen(etl.folder / "out")
    assert made.keys() == set(names.split())
    assert set(made.values()) <= {"folder", b"y\n1.0\n"}
    assert etl.files() - set(tree) == {"out.log.ldjson", *(f"out/{n}" for n in made if n.endswith(".csv"))}


@pytest.mark.parametrize("output", ["out", "out/", "./out", "out//", "link", "link/"])
def test_an_existing_folder_needs_no_slash(three: Etl, score: Callable[..., Result], output: str) -> None:
    """A link to a folder is one; log and rejects lie beside the name that was given."""
    (three.folder / "out").mkdir()
    (three.folder / "link").symlink_to("out")
    grow(three, {"in/a.json": xs(1, 2) + BAD_RECORD, "out/other.json": b"not ours\n"})
    ended_well(score("-i", "in", "-o", output, "--max_errors", "1"))
    assert set(os.listdir(three.folder / "out")) == {"a.json", "b.json", "c.json", "other.json"}
    beside = "link" if output.startswith("link") else "out"
    assert {f"{beside}.log.ldjson", f"{beside}.rejects.ldjson"} <= three.files()
    assert (three.folder / "out/other.json").read_bytes() == b"not ours\n"


def test_a_single_input_goes_into_a_folder(three: Etl, score: Callable[..., Result]) -> None:
    """Under its own name; the folder is made."""
    ended_well(score("-i", "in/b.json", "-o", "out/", "--report", "r.json"))
    assert seen(three.folder / "out") == {"b.json": ys(3)}
    (report,) = three.lines("r.json")
    assert report["files"]["output"]["name"] == "out/b.json"


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_standard_input_does_not_go_into_a_folder(etl: Etl, score: Callable[..., Result], name: str) -> None:
    """It has no name to go by."""
    done = score("-i", name, "-o", "out/", "--input_format", "ldjson", stdin=xs(1))
    ended(done, 2, "a folder cannot be filled", "--output_file")
    assert seen(etl.folder) == {}


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("out/", 0), ("no/out/", 73), ("file/", 73), ("file/out/", 73), ("link/", 0), (".", 78), ("./", 78), ("/", 78),
        ("out/..", 78),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["run", "check"])
def test_which_folders_can_be_made(three: Etl, verb: str, output: str, code: int) -> None:
    """The folder itself, but not the one around it; where nothing lies beside it, the log needs a name."""
    grow(three, {"file": b"a file\n", "out/keep.txt": b"kept\n"})
    shutil.rmtree(three.folder / "out")
    (three.folder / "real").mkdir()
    (three.folder / "link").symlink_to("real")
    before = seen(three.folder)
    done = three(verb, "-m", GOOD, "-i", "in", "-o", output)
    if code == 0:
        assert (done.code, done.err) == (0, "")
    else:
        said = ("no place beside", "--prediction_log") if code == 78 else (f"cannot write {output}a.json",)
        ended(done, code, *said)
    if code or verb == "check":
        assert seen(three.folder) == before


def test_the_current_folder_as_output(three: Etl, score: Callable[..., Result]) -> None:
    """With log and rejects named, it can be written to."""
    ended_well(score("-i", "in", "-o", ".", "--prediction_log", "log.json", "--rejects", "rejects.json"))
    assert {"a.json", "b.json", "c.json", "log.json"} <= three.files()
    assert (three.folder / "b.json").read_bytes() == ys(3)


@pytest.mark.parametrize("role", ["--prediction_log", "--rejects", "--report"])
def test_log_rejects_and_report_may_lie_in_the_new_folder(three: Etl, score: Callable[..., Result], role: str) -> None:
    """A run that makes its folder can put all that it leaves there; and a check says the same."""
    grow(three, {"in/a.json": xs(1) + BAD_RECORD})
    arguments = ("-m", GOOD, "-i", "in", "-o", "out/", "--max_errors", "1", role, "out/about.ldjson")
    checked = three("check", *arguments)
    done = three("run", *arguments)
    assert (checked.code, done.code) == (0, 0), checked.err + done.err
    assert (three.folder / "out/about.ldjson").is_file()


@pytest.mark.parametrize("verb", ["check", "dry run", "failing run", "empty run"])
@pytest.mark.parametrize("output", ["out/", "old/new/"])
def test_what_writes_nothing_leaves_no_folder(three: Etl, verb: str, output: str) -> None:
    """No new folders, no staged files, though there are several outputs in several folders."""
    grow(three, {"in/sub/d.json": xs(7), "old/x.txt": b""})
    if verb == "failing run":
        grow(three, {"in/sub/e.json.gz": b"no gzip"})
    before = seen(three.folder)
    more = {"dry run": ("--dry_run",), "empty run": ("--expect_version", "2")}.get(verb, ())
    done = three("check" if verb == "check" else "run", "-m", GOOD, "-i", "in/**", "-o", output, *more)
    assert done.code == {"failing run": 65, "empty run": 69}.get(verb, 0), done.err
    assert seen(three.folder) == before


def test_a_check_tells_what_a_run_would_do(three: Etl) -> None:
    """Each input and each output by name, in any mixture of formats."""
    grow(three, mixed())
    done = three("check", "-m", GOOD, "-i", "in", "-o", "out/")
    ended_well(done)
    said = done.out.decode()
    for name in os.listdir(three.folder / "in"):
        assert re.search(rf"^input +in/{re.escape(name)}$", said, re.MULTILINE)
        assert re.search(rf"^output +out/{re.escape(name)}$", said, re.MULTILINE)
    assert "predicted, 0 rejected" in said


@pytest.mark.parametrize(
    ("files", "arguments", "code", "said"),
    [
        ({"in/b.xls": b""}, (), 2, "in/b.xls"),
        (
            {"in/b.csv": b"x\n1\n"},
            ("--output_format", "parquet"),
            2,
            "two inputs would both be written to out/b.parquet",
        ),
        ({"out/c.json": b"earlier\n"}, ("--if_exists", "fail"), 73, "out/c.json exists already"),
        ({"out/b.json/x": b""}, (), 73, "out/b.json: it is a folder"),
        ({}, ("--report", "in/c.json"), 2, "same file"),
        ({}, ("--prediction_log", "out/b.json"), 2, "same file"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "check"])
def test_a_check_finds_what_a_run_would_stumble_over(
    three: Etl, verb: str, files: dict[str, bytes], arguments: tuple[str, ...], code: int, said: str
) -> None:
    """With the same code and the same words, and nothing is written."""
    grow(three, files)
    before = seen(three.folder)
    ended(three(verb, "-m", GOOD, "-i", "in", "-o", "out/", *arguments), code, re.escape(said))
    assert seen(three.folder) == before


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("earlier", [False, True], ids=["first", "again"])
def test_a_file_where_an_output_needs_a_folder(
    etl: Etl, score: Callable[..., Result], form: str, earlier: bool
) -> None:
    """Found before anything is published: the output of one input is the folder of another's."""
    grow(etl, {"in/a.json": xs(1), f"in/a.{form}/b.json": xs(2), "in/0.json": xs(3)})
    if earlier:
        grow(etl, {f"out/0.{form}": b"earlier\n", "out.log.ldjson": b"earlier\n"})
    before = seen(etl.folder)
    ended((done := score("-i", "in/**", "-o", "out/", "--output_format", form)), done.code, rf"out/a\.{form}")
    assert done.code in (2, 73)
    assert seen(etl.folder) == before


# Same files


@pytest.mark.parametrize(
    ("arguments", "links"),
    [
        (("-i", "in", "-o", "in"), {}),
        (("-i", "in", "-o", "in/"), {}),
        (("-i", "in/*.json", "-o", "link/"), {"link": "in"}),
        (("-i", "link", "-o", "in/"), {"link": "in"}),
        (("-i", "in", "-o", "out/"), {"out/b.json": "../in/b.json"}),
        (("-i", "in", "-o", "out/"), {"out/b.json": "c.json"}),
        (("-i", "in", "-o", "out/", "--report", "in/b.json"), {}),
        (("-i", "in", "-o", "out.json", "--rejects", "./in/../in/c.json"), {}),
        (("-i", "in", "-o", "in/c.json"), {}),
        (("-i", "/{}/in", "-o", "in/"), {}),
        (("-i", "in", "-o", "/{}/in/"), {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "".join(value),
)
def test_no_file_is_read_and_written(
    three: Etl, score: Callable[..., Result], arguments: tuple[str, ...], links: dict[str, str]
) -> None:
    """Nor written twice, by whatever name or link: nothing is written at all."""
    (three.folder / "out").mkdir()
    for name, target in links.items():
        (three.folder / name).symlink_to(target)
    before = seen(three.folder)
    ended(score(*(argument.format(three.folder) for argument in arguments)), 2)
    assert seen(three.folder) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("-i", "*.json", "-o", "out.json"),
        ("-i", "*.json", "-o", "out.csv", "--report", "report.json"),
        ("-i", "*json", "-o", "out.csv"),
        ("-i", "**/*.json", "-o", "out/"),
        ("-i", ".", "-o", "new.json", "--report", "report.json"),
        ("-i", "*.*json", "-o", "out/"),
    ],
    ids=" ".join,
)
def test_what_an_earlier_run_wrote_is_no_input(
    etl: Etl, score: Callable[..., Result], arguments: tuple[str, ...]
) -> None:
    """A pattern that catches the last night's output, log or report is refused, and nothing is overwritten."""
    grow(etl, {"a.json": xs(1), "b.json": xs(2)})
    ended_well(score(*arguments))
    before = seen(etl.folder)
    ended(score(*arguments), 2, "same file")
    assert seen(etl.folder) == before


def test_two_inputs_for_one_output(etl: Etl, score: Callable[..., Result]) -> None:
    """Nothing is written, and the message names the output."""
    grow(etl, {"in/a.json": xs(1), "in/a.csv": b"x\n1\n"})
    before = seen(etl.folder)
    ended(score("-i", "in", "-o", "out/", "--output_format", "csv"), 2, "two inputs would both be written to out/a.csv")
    assert seen(etl.folder) == before


# What exists


@pytest.mark.parametrize("existing", [(), ("b.json",), ("a.json", "b.json", "c.json")], ids=["none", "some", "all"])
@pytest.mark.parametrize("policy", ["replace", "fail", "skip"])
def test_outputs_that_exist(three: Etl, score: Callable[..., Result], policy: str, existing: tuple[str, ...]) -> None:
    """All are replaced, or none is touched; a night that was done in parts is not skipped over."""
    grow(three, {f"out/{name}": b"earlier\n" for name in existing})
    before = seen(three.folder)
    done = score("-i", "in", "-o", "out/", "--if_exists", policy, "-v")
    refused = (policy == "fail" and existing) or (policy == "skip" and len(existing) == 1)
    if refused:
        ended(done, 73, "out/[ab].json", "--if_exists replace")
    else:
        assert done.code == 0, done.err
    if refused or (policy == "skip" and existing):
        assert seen(three.folder) == before
        assert refused or "skipped" in done.err
    else:
        assert seen(three.folder / "out") == {"a.json": ys(1, 2), "b.json": ys(3), "c.json": ys(4, 5, 6)}


def test_new_outputs_have_the_usual_rights(three: Etl, score: Callable[..., Result]) -> None:
    """As the umask says for files and folders; an old one keeps its own."""
    grow(three, {"out/b.json": b"earlier\n"})
    (three.folder / "out/b.json").chmod(0o640)
    grow(three, {"in/sub/d.json": xs(7)})
    command = three.command("run", "-m", GOOD, "-i", "in/**", "-o", "out/")
    subprocess.run(command, cwd=three.folder, env=three.environment(), check=True, umask=0o027)
    modes = {n: oct(stat.S_IMODE((three.folder / "out" / n).stat().st_mode)) for n in seen(three.folder / "out")}
    assert modes == {"a.json": "0o640", "b.json": "0o640", "c.json": "0o640", "sub": "0o750", "sub/d.json": "0o640"}


# Two runs, and runs that are killed


@pytest.mark.parametrize("given", ["in", "in/c.json"], ids=["all", "one of them"])
def test_the_second_run_with_the_same_outputs_leaves(
    three: Etl, score: Callable[..., Result], hanging: Any, given: str
) -> None:
    """With 75, though it may have the lock of none but one; others in the same folder are free."""
    grow(three, {"in/b.json": xs(-1), "more/z.json": xs(9)})
    hanging("-i", "in", "-o", "out/")
    before = seen(three.folder)
    done = score("-i", given, "-o", "out/", "--prediction_log", "none", "--rejects", "r.json")
    ended(done, 75, "another run is writing out/[ac].json", "--lock_wait")
    assert seen(three.folder) == before
    done = score("-i", "more", "-o", "out/", "--prediction_log", "none", "--rejects", "r.json")
    ended_well(done)
    assert (three.folder / "out/z.json").read_bytes() == ys(9)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_in_the_middle(
    three: Etl, score: Callable[..., Result], hanging: Any, number: signal.Signals
) -> None:
    """Nothing is published; what kill -9 leaves, the next run takes over, all else leaves nothing."""
    grow(three, {"in/b.json": xs(-1)})
    before = seen(three.folder)
    run = hanging("-i", "in", "-o", "out/")
    run.send_signal(number)
    run.wait(timeout=20)
    visible = {n: c for n, c in seen(three.folder).items() if not os.path.basename(n).startswith(".") and n != "out"}
    assert visible == before
    if number != signal.SIGKILL:
        assert seen(three.folder) == before
    grow(three, {"in/b.json": xs(3)})
    ended_well(score("-i", "in", "-o", "out/"))
    assert seen(three.folder / "out") == {"a.json": ys(1, 2), "b.json": ys(3), "c.json": ys(4, 5, 6)}
    assert three.files() == {*NIGHTS, "out/a.json", "out/b.json", "out/c.json", "out.log.ldjson"}


# Inputs


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no*.json", "no file has such a name"), ("empty", "no files in that folder"), ("empty/", "no files"),
        ("hidden", "no files in that folder"), ("hidden/", "no files"), ("empty/*", "no file has"),
        ("empty/**", "no file"),
        ("folders/", "no files"), ("gone/*.json", "gone/"), ("gone/", "gone/"), ("in/a.json/", "in/a.json"),
        ("in/a.json/*", "in/a.json"), ("broken", "broken/b.json"), ("in[", "in"),
    ],
)  # fmt: skip
def test_there_is_nothing_to_read(three: Etl, score: Callable[..., Result], name: str, said: str) -> None:
    """66, and the message names what was looked for."""
    grow(three, {"hidden/.a.json": xs(1), "hidden/_SUCCESS": b"", "folders/sub/a.json": xs(1), "broken/a.json": xs(1)})
    (three.folder / "empty").mkdir()
    (three.folder / "broken/b.json").symlink_to("gone")
    before = seen(three.folder)
    ended(score("-i", name, "-o", "out/"), 66, re.escape(said), "Check the path")
    assert seen(three.folder) == before


@pytest.mark.parametrize("locked", ["in/b.json", "in/sub"])
def test_a_file_that_must_not_be_read(three: Etl, locked: str) -> None:
    """77, and the message names it; nothing is published, also not from the others."""
    grow(three, {"in/sub/d.json": xs(1)})
    (three.folder / locked).chmod(0)
    command = three.command("run", "-m", GOOD, "-i", "in/**", "-o", "out/")
    command = minding_modes(command)
    done = subprocess.run(command, cwd=three.folder, env=three.environment(), capture_output=True, check=False)
    (three.folder / locked).chmod(0o700)
    ended(Result(done.returncode, done.stdout, done.stderr.decode()), 77, "permission refused", locked)
    assert not (three.folder / "out").exists()


@pytest.mark.parametrize("output", ["out.json", "out/"])
def test_a_literal_name_with_wildcards(etl: Etl, score: Callable[..., Result], output: str) -> None:
    """A file that has them in its name is that file, and its output is called the same."""
    grow(etl, {"data[1].json": xs(7), "data1.json": xs(1)})
    ended_well(score("-i", "data[1].json", "-o", output))
    assert (etl.folder / ("out/data[1].json" if output == "out/" else output)).read_bytes() == ys(7)
    assert not (etl.folder / "out/data1.json").exists()


STRANGE = (
    "a b.json",
    "a\nb.json",
    "a#%20b.json",
    "ä€😀.json",
    os.fsdecode(b"\xff\xfe.json"),
    "-a.json",
    "a\\b.json",
    "[1]*?.json",
)


def test_names_of_any_kind(etl: Etl, score: Callable[..., Result]) -> None:
    """Of files and of folders: each output has the name of its input."""
    grow(etl, {f"in/{name}/{name}": xs(i) for i, name in enumerate(STRANGE)})
    ended_well(score("-i", "in/*/*", "-o", "out/", "--report", "r.json"))
    assert {n: c for n, c in seen(etl.folder / "out").items() if c != "folder"} == {
        f"{name}/{name}": ys(i) for i, name in enumerate(STRANGE)
    }
    (report,) = etl.lines("r.json")
    assert len({file["uri"] for file in report["files"]["output"]["files"]}) == len(STRANGE)


def test_names_that_look_the_same_when_printed(etl: Etl, score: Callable[..., Result]) -> None:
    r"""A byte that is no UTF-8 is shown as \udcff; a file that is really called so is another one."""
    grow(etl, {"in/" + os.fsdecode(b"\xff.json"): xs(1), "in/\\udcff.json": xs(2, 3)})
    ended_well(score("-i", "in", "-o", "out/"))
    assert seen(etl.folder / "out") == {os.fsdecode(b"\xff.json"): ys(1), "\\udcff.json": ys(2, 3)}


def test_links_among_the_inputs(etl: Etl, score: Callable[..., Result]) -> None:
    """Links to files and folders are what they lead to, under their own names."""
    grow(etl, {"real/x.json": xs(1), "other/y.json": xs(2), "in/z.json": xs(3)})
    (etl.folder / "in/link.json").symlink_to("../real/x.json")
    (etl.folder / "in/folder").symlink_to("../other")
    (etl.folder / "linked").symlink_to("in")
    ended_well(score("-i", "linked", "-o", "out/"))
    assert seen(etl.folder / "out") == {"link.json": ys(1), "z.json": ys(3)}
    ended_well(score("-i", "in/*/*", "-o", "deep/"))
    assert seen(etl.folder / "deep") == {"folder": "folder", "folder/y.json": ys(2)}


def test_a_file_is_not_scored_twice(etl: Etl, score: Callable[..., Result]) -> None:
    """A link to another input, such as latest.json, is refused with a message that names it."""
    grow(etl, {"in/a.json": xs(1), "in/b.json": xs(2)})
    (etl.folder / "in/latest.json").symlink_to("b.json")
    before = seen(etl.folder)
    ended(score("-i", "in", "-o", "out.json"), 2, "in/latest.json", "same file")
    assert seen(etl.folder) == before


@pytest.mark.parametrize("kind", ["fifo", "socket"])
@pytest.mark.parametrize("name", ["in", "in/*.json"])
def test_what_is_no_file_never_makes_a_run_hang(three: Etl, score: Callable[..., Result], kind: str, name: str) -> None:
    """A pipe or a socket in the folder is left out, or refused by name."""
    place = three.folder / "in/b2.json"
    with contextlib.ExitStack() as stack:
        if kind == "fifo":
            os.mkfifo(place)
        else:
            where = stack.enter_context(socket.socket(socket.AF_UNIX))
            where.bind(os.path.relpath(place))
        done = score("-i", name, "-o", "out/", timeout=15)
    if done.code:
        ended(done, done.code, "in/b2.json")
        assert done.code in (2, 66)
    else:
        assert set(os.listdir(three.folder / "out")) == {"a.json", "b.json", "c.json"}


@pytest.mark.parametrize("when", ["a", "in", "z"])
@pytest.mark.parametrize("output", ["out.csv", "out/"])
def test_a_file_that_is_changed_meanwhile(etl: Etl, score: Callable[..., Result], when: str, output: str) -> None:
    """75, though it is the second of three and was changed before or after it was read."""
    grow(etl, {f"{name}.json": xs(1, -1) if name == when else xs(1) for name in ("a", "in", "z")})
    done = score("-i", "*.json", "-o", output, model="failing_models:ChangesInput")
    ended(done, 75, "in.json was changed while it was read", "Run again")
    assert set(seen(etl.folder)) == {"a.json", "in.json", "z.json"}


def test_a_file_that_vanishes_meanwhile(three: Etl, score: Callable[..., Result], hanging: Any) -> None:
    """Nothing is published, and the message names it."""
    module = (
        "from failing_models import Good\nfrom pathlib import Path\n"
        "class Removes(Good):\n"
        "    def fail(self):\n"
        "        Path('in/c.json').unlink()\n"
        "        return {'y': 1.0}\n"
    )
    three.write("removing.py", module)
    grow(three, {"in/a.json": xs(-1)})
    done = score("-i", "in", "-o", "out/", model="removing:Removes", env={"PYTHONDONTWRITEBYTECODE": "1"})
    ended(done, 66 if done.code == 66 else 75, "in/c.json")  # before it was opened, or after
    assert three.files() == {"in/a.json", "in/b.json", "removing.py"}
    assert not (three.folder / "out").exists()


def test_options_in_the_environment(three: Etl) -> None:
    """A pattern and a folder may come from anywhere."""
    env = {"MODEL_ETL_INPUT_FILE": "in/[ab].json", "MODEL_ETL_OUTPUT_FILE": "out/", "MODEL_ETL_MODEL": GOOD}
    ended_well(three("run", env=env))
    assert seen(three.folder / "out") == {"a.json": ys(1, 2), "b.json": ys(3)}


def test_the_summary_can_be_read(etl: Etl, score: Callable[..., Result]) -> None:
    """However many files there are, it is a few lines, and says how many."""
    grow(etl, {f"in/{n:03}.json": xs(n) for n in range(50)})
    done = score("-i", "in/*.json", "-o", "out/", "-v")
    assert done.code == 0
    lines = done.err.splitlines()
    assert len(lines) <= 6
    assert all(len(line) < 160 for line in lines)
    assert "50 read = 50 written" in lines[0]
    assert re.search(r"input +in/\*\.json \(.*\d+ bytes", done.err)
    assert re.search(r"output +out/ \(.*\d+ bytes", done.err)
    assert "50 files" in done.err


@pytest.mark.parametrize(
    ("content", "code"), [(b"no gzip", 65), (gzip.compress(BAD_RECORD), 65)], ids=["no gzip", "bad record"]
)
def test_the_report_of_a_failure_tells_what_was_read(
    three: Etl, score: Callable[..., Result], content: bytes, code: int
) -> None:
    """The counts so far, and the file that is to blame in the error."""
    grow(three, {"in/d.json.gz": content})
    assert score("-i", "in", "-o", "out/", "--report", "r.json").code == code
    (report,) = three.lines("r.json")
    assert (report["status"], report["exit_code"]) == ("failed", code)
    assert report["counts"]["read"] == (6 if content == b"no gzip" else 7)
    assert "in/d.json.gz" in report["error"]["message"]
    assert "output" not in report["files"]


# Very many


def _limited(etl: Etl, script: str, *arguments: str) -> Result:
    command = [
        "bash",
        "-c",
        f'{script}; exec "$@"',
        "bash",
        *etl.command("run", "-m", "failing_models:GoodBatch", *arguments),
    ]
    done = subprocess.run(
        command, cwd=etl.folder, env=etl.environment(), capture_output=True, timeout=100, check=False
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr.decode())


@pytest.mark.slow
@pytest.mark.parametrize("output", ["out.json", "out/"])
def test_more_files_than_may_be_open(etl: Etl, output: str) -> None:
    """The soft limit is raised as far as is needed."""
    if hard := _hard_limit(2500):
        pytest.skip(f"only {hard} files may be open on this machine")
    grow(etl, {f"in/{n:04}.json": xs(n) for n in range(1500)})
    ended_well(_limited(etl, "ulimit -Sn 256", "-i", "in", "-o", output))
    if output == "out.json":
        assert (etl.folder / output).read_bytes() == ys(*range(1500))
    else:
        assert seen(etl.folder / "out") == {f"{n:04}.json": ys(n) for n in range(1500)}


def _hard_limit(wanted: int) -> int:
    import resource  # noqa: PLC0415

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return hard if hard != resource.RLIM_INFINITY and hard < wanted else 0


@pytest.mark.slow
@pytest.mark.parametrize("limit", [64, 300, 305, 307, 309, 311, 330])
def test_more_files_than_can_be_open(etl: Etl, limit: int) -> None:
    """Where the machine allows no more, a message says so, wherever the run is; and nothing is left."""
    grow(etl, {f"in/{n:03}.json": xs(n) for n in range(300)})
    before = seen(etl.folder)
    done = _limited(etl, f"ulimit -n {limit}", "-i", "in", "-o", "out/")
    if done.code == 0:
        assert limit > 300
        return
    ended(done, done.code, "open", "ulimit -n")
    assert done.code in (71, 73, 74, 75, 78)
    assert seen(etl.folder) == before


@pytest.mark.slow
@pytest.mark.parametrize("limit", [64, 256])
def test_one_output_needs_no_more_files(etl: Etl, limit: int) -> None:
    """Inputs are open one at a time: few files may be open, and many can be read."""
    grow(etl, {f"in/{n:03}.json": xs(n) for n in range(300)})
    ended_well(_limited(etl, f"ulimit -n {limit}", "-i", "in", "-o", "out.json"))
    assert (etl.folder / "out.json").read_bytes() == ys(*range(300))


@pytest.mark.slow
@pytest.mark.parametrize("output", ["out.json", "out/"])
def test_memory_does_not_grow_with_the_number_of_files(etl: Etl, output: str) -> None:
    """A thousand files need hardly more than ten with the same records."""
    if hard := _hard_limit(1500):
        pytest.skip(f"only {hard} files may be open on this machine")
    peaks = []
    for count in (10, 1000):
        shutil.rmtree(etl.folder / "in", ignore_errors=True)
        shutil.rmtree(etl.folder / "out", ignore_errors=True)
        records = xs(1) * (100_000 // count)
        grow(etl, {f"in/{n:04}.json": records for n in range(count)})
        run = etl.popen("run", "-m", "failing_models:GoodBatch", "-i", "in", "-o", output, "--prediction_log", "none")
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
        assert run.communicate()[1] == b""
        assert run.returncode == 0
        peaks.append(usage.ru_maxrss)  # KiB
    assert peaks[1] - peaks[0] < 24_000


# Buckets


@pytest.fixture
def objects(bucket: Any) -> Callable[[Mapping[str, bytes]], None]:
    """Write objects."""

    def put(files: Mapping[str, bytes]) -> None:
        for key, content in files.items():
            bucket.put(key, content)

    return put


def held(bucket: Any) -> dict[str, bytes]:
    """Give all that a bucket holds."""
    return {key: bucket.get(key) for key in sorted(bucket.keys())}


KEYS = (
    "top.json", "in/b.json", "in/a.json", "in/10.json", "in/.c.json", "in/_d.json", "in/a b#%20.json",
    "in/day=1/part.csv", "in/day=2/part.csv", "in/day=2/_tmp/part.csv", "inner/x.json", "in.json",
)  # fmt: skip


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("in/", "10.json a|b#%20.json a.json b.json"),
        ("in", "10.json a|b#%20.json a.json b.json"),
        ("in/*.json", "10.json a|b#%20.json a.json b.json"),
        ("in/[ab].json", "a.json b.json"),
        ("in/_*", "_d.json"),
        ("in/_d.json", "_d.json"),
        ("in/day=*/part.csv", "day=1/part.csv day=2/part.csv"),
        ("in/day=2/", "part.csv"),
        ("in/**/part.csv", "day=1/part.csv day=2/part.csv"),
        ("in/**", "10.json a|b#%20.json a.json b.json day=1/part.csv day=2/part.csv"),
        ("*/?.json", "in/a.json in/b.json inner/x.json"),
        ("*.json", "in.json top.json"),
        ("", "in.json top.json"),
        ("in.json", "in.json"),
    ],
)
def test_objects_that_a_name_finds(
    etl: Etl, score: Callable[..., Result], bucket: Any, objects: Any, given: str, names: str
) -> None:
    """As on the disk: in the order of their names, into a folder of this machine."""
    objects({key: b"x\n1\n" if key.endswith("csv") else xs(1) for key in KEYS})
    ended_well(score("-i", bucket.uri(given), "-o", "out/", env=bucket.env))
    expected = [name.replace("|", " ") for name in names.split(" ")]
    assert {n for n, c in seen(etl.folder / "out").items() if c != "folder"} == set(expected)
    folder = f"{given.rstrip('/')}/" if given == "in" else re.split(r"[^/]*[*?\[]", given)[0]
    folder = folder[: folder.rfind("/") + 1]
    assert [event["subject"] for event in events(etl, "out.log.ldjson")] == [bucket.uri(folder + n) for n in expected]
    assert len(held(bucket)) == len(KEYS)


def test_the_ids_of_objects_are_stable(etl: Etl, score: Callable[..., Result], bucket: Any, objects: Any) -> None:
    """Unique over the run, and the same in the next run."""
    objects({"in/a.json": xs(1, 2), "in/b.json": xs(1, 2)})
    runs = []
    for _ in range(2):
        ended_well(score("-i", bucket.uri("in/*"), "-o", "out.json", env=bucket.env))
        runs.append([event["id"] for event in events(etl, "out.log.ldjson")])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 4


def test_a_literal_key_with_wildcards(etl: Etl, score: Callable[..., Result], bucket: Any, objects: Any) -> None:
    """A key that exists is that object."""
    objects({"in/data[1].json": xs(7), "in/data1.json": xs(1)})
    ended_well(score("-i", bucket.uri("in/data[1].json"), "-o", bucket.uri("out/"), env=bucket.env))
    assert {key for key in held(bucket) if key.startswith("out/")} == {"out/data[1].json"}
    assert bucket.get("out/data[1].json") == ys(7)


def test_objects_that_mark_folders_are_no_inputs(
    etl: Etl, score: Callable[..., Result], bucket: Any, objects: Any
) -> None:
    """Consoles make such; they hold no records."""
    objects({"in/": b"", "in/sub/": b"", "in/a.json": xs(1)})
    for given in ("in", "in/", "in/*", "in/**"):
        ended_well(score("-i", bucket.uri(given), "-o", "out/", env=bucket.env))
        assert seen(etl.folder / "out") == {"a.json": ys(1)}


@pytest.mark.parametrize(("source", "target"), [("bucket", "bucket"), ("bucket", "local"), ("local", "bucket")])
@pytest.mark.parametrize("single", [False, True], ids=["folder", "file"])
def test_from_and_to_buckets(
    etl: Etl, score: Callable[..., Result], bucket: Any, objects: Any, source: str, target: str, single: bool
) -> None:
    """Names, counts and contents are the same wherever the files lie."""
    files = {"in/day=1/a.json": xs(1, 2), "in/day=2/b.json.gz": gzip.compress(xs(3)), "in/day=3/c.csv": b"x\n"}
    objects(files) if source == "bucket" else grow(etl, files)
    given = bucket.uri("in/day=*/*") if source == "bucket" else "in/day=*/*"
    output = "out.json" if single else "out/"
    output = bucket.uri(output) if target == "bucket" else output
    ended_well(score("-i", given, "-o", output, "--report", "r.json", env=bucket.env))
    places = held(bucket) if target == "bucket" else {name: (etl.folder / name).read_bytes() for name in etl.files()}
    made = {name: content for name, content in places.items() if name.startswith("out/") or name == "out.json"}
    if single:
        assert made == {"out.json": ys(1, 2, 3)}
    else:
        assert gzip.decompress(made.pop("out/day=2/b.json.gz")) == ys(3)
        assert made == {"out/day=1/a.json": ys(1, 2), "out/day=3/c.csv": b"y\n"}
    assert "out.log.ldjson" in places
    (report,) = etl.lines("r.json")
    assert [file["records"] for file in report["files"]["input"]["files"]] == [2, 1, 0]
    assert [file["bytes"] for file in report["files"]["input"]["files"]] == [len(c) for c in files.values()]
    assert set(held(bucket)) <= {*files, *places}


@pytest.mark.parametrize(
    "given",
    [
        "{}/no*.json", "{}/gone/", "{}/gone/*", "{}/hidden/", "{}/hidden/**", "{}/gone", "{}/in[", "no-such-bucket/",
        "no-such-bucket/in/", "no-such-bucket/in/*.json",
    ],
)  # fmt: skip
def test_there_are_no_such_objects(
    etl: Etl, score: Callable[..., Result], bucket: Any, objects: Any, given: str
) -> None:
    """66, and the message names what was looked for, and the server."""
    objects({"hidden/.a.json": xs(1), "hidden/_SUCCESS": b"", "in/a.json": xs(1)})
    before = held(bucket)
    name = given.format(bucket.name)
    done = score("-i", f"s3://{name}", "-o", bucket.uri("out/"), env=bucket.env)
    if given == "{}/gone":
        assert done.code in (2, 66)  # it has no suffix, either
    else:
        ended(done, 66, re.escape(name.partition("/")[0]), "127.0.0.1|at http")
    assert held(bucket) == before


@pytest.mark.parametrize("given", ["s3://buck*/in/a.json", "s3://[1]/a*", "s3:///a*", "s3://"])
def test_a_pattern_for_buckets(etl: Etl, score: Callable[..., Result], bucket: Any, given: str) -> None:
    """There is no such thing, and the message is no traceback."""
    done = score("-i", given, "-o", "out/", env=bucket.env)
    ended(done, done.code)
    assert done.code in (2, 66)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("-i", "in/", "-o", "in/"), 2),
        (("-i", "in/*", "-o", "in"), 2),
        (("-i", "in/", "-o", "in/c.json"), 2),
        (("-i", "in/", "-o", "out/", "--output_format", "csv"), 0),
        (("-i", "in/", "-o", ""), 78),
        (("-i", "in/", "-o", "out/", "--if_exists", "fail"), 73),
        (("-i", "in/", "-o", "out/", "--if_exists", "skip"), 73),
        (("-i", "bad/", "-o", "out/"), 65),
        (("-i", "bad/", "-o", "out.json"), 65),
        (("-i", "in/", "-o", "out/", "--dry_run"), 0),
        (("-i", "**", "-o", "out/"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_a_bucket_is_left_alone(
    etl: Etl, score: Callable[..., Result], bucket: Any, objects: Any, arguments: tuple[str, ...], code: int
) -> None:
    """By a run that fails, or is to write nothing: no object, no part of one."""
    objects({f"in/{name}.json": xs(1) for name in "abc"})
    objects({"bad/a.json": xs(1), "bad/b.json.gz": gzip.compress(xs(1))[:-3], "bad/c.json": xs(1)})
    objects({"out/b.json": b"earlier\n", "out.log.ldjson": b"earlier\n"})
    before = held(bucket)
    pairs = zip(("", *arguments), arguments, strict=False)
    named = [bucket.uri(text) if option in ("-i", "-o") else text for option, text in pairs]
    done = score(*named, env=bucket.env)
    assert done.code == code, done.err
    assert done.err.count("error: ") == bool(code)
    if code or "--dry_run" in arguments:
        assert held(bucket) == before
    else:
        assert held(bucket).keys() == before.keys() | {"out/a.csv", "out/b.csv", "out/c.csv"}
    for key in ("out/a.json", "out/b.json", "out.log.ldjson", "out/a.csv"):
        assert bucket.uploads(key) == []


def test_a_check_writes_nothing_to_a_bucket(etl: Etl, bucket: Any, objects: Any) -> None:
    """It names all inputs and outputs."""
    objects({"in/a.json": xs(1), "in/b.csv": b"x\n2\n"})
    done = etl("check", "-m", GOOD, "-i", bucket.uri("in/"), "-o", bucket.uri("out/"), env=bucket.env)
    ended_well(done)
    assert f"output   {bucket.uri('out/b.csv')}" in done.out.decode()
    assert held(bucket).keys() == {"in/a.json", "in/b.csv"}
    assert bucket.uploads("out/a.json") == []


@pytest.mark.parametrize("target", ["local", "bucket"])
def test_keys_are_taken_as_they_are_written(
    etl: Etl, score: Callable[..., Result], bucket: Any, objects: Any, target: str
) -> None:
    """Blanks, per cent signs and wildcards in keys, from a bucket to the disk or to another folder."""
    names = ("a b.json", "a%20b.json", "a#b.json", "ä€😀.json", "[1].json", "a+b.json", "a&b=c.json", "-a.json")
    objects({f"in/{name}": xs(i) for i, name in enumerate(names)})
    output = bucket.uri("out/") if target == "bucket" else "out/"
    ended_well(score("-i", bucket.uri("in/"), "-o", output, env=bucket.env))
    if target == "bucket":
        made = {key[4:]: content for key, content in held(bucket).items() if key.startswith("out/")}
    else:
        made = seen(etl.folder / "out")
    assert made == {name: ys(i) for i, name in enumerate(names)}


@pytest.mark.slow
def test_more_objects_than_a_list_holds(etl: Etl, score: Callable[..., Result], bucket: Any, objects: Any) -> None:
    """More than a thousand: each is read, once, in the order of their names."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: bucket.put(f"in/{n:04}.json", xs(n)), range(1005)))
    start = time.monotonic()
    ended_well(score("-i", bucket.uri("in/"), "-o", "out.json", env=bucket.env))
    ended_well(score("-i", bucket.uri("i*/*.json"), "-o", "again.json", env=bucket.env))
    assert time.monotonic() - start < 60
    expected = ys(*range(1005))
    assert (etl.folder / "out.json").read_bytes() == (etl.folder / "again.json").read_bytes() == expected


@pytest.mark.slow
def test_many_outputs_in_a_bucket(etl: Etl, score: Callable[..., Result], bucket: Any) -> None:
    """Hundreds are published at the end, and in a time in which one can wait."""
    grow(etl, {f"in/{n:03}.json": xs(n) for n in range(300)})
    start = time.monotonic()
    ended_well(score("-i", "in", "-o", bucket.uri("out/"), env=bucket.env))
    assert time.monotonic() - start < 60
    assert held(bucket).keys() == {"out.log.ldjson", *(f"out/{n:03}.json" for n in range(300))}
    assert bucket.get("out/299.json") == ys(299)
