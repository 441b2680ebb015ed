"""Many objects in one run: folders and patterns as input, folders as output."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from helpers.command import Etl, Result
from helpers.many_files import (
    GOOD,
    ended,
    ended_well,
    events,
    grow,
    xs,
    ys,
)
from helpers.snapshots import snapshot
from helpers.waiting import slowdown


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
    assert {n for n, c in snapshot(etl.folder / "out").items() if c != "folder"} == set(expected)
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
        assert snapshot(etl.folder / "out") == {"a.json": ys(1)}


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
        made = snapshot(etl.folder / "out")
    assert made == {name: ys(i) for i, name in enumerate(names)}


@pytest.mark.slow
def test_more_objects_than_a_list_holds(etl: Etl, score: Callable[..., Result], bucket: Any, objects: Any) -> None:
    """More than a thousand: each is read, once, in the order of their names."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: bucket.put(f"in/{n:04}.json", xs(n)), range(1005)))
    start = time.monotonic()
    ended_well(score("-i", bucket.uri("in/"), "-o", "out.json", env=bucket.env))
    ended_well(score("-i", bucket.uri("i*/*.json"), "-o", "again.json", env=bucket.env))
    assert time.monotonic() - start < 60 * slowdown()
    expected = ys(*range(1005))
    assert (etl.folder / "out.json").read_bytes() == (etl.folder / "again.json").read_bytes() == expected


@pytest.mark.slow
def test_many_outputs_in_a_bucket(etl: Etl, score: Callable[..., Result], bucket: Any) -> None:
    """Hundreds are published at the end, and in a time in which one can wait."""
    grow(etl, {f"in/{n:03}.json": xs(n) for n in range(300)})
    start = time.monotonic()
    ended_well(score("-i", "in", "-o", bucket.uri("out/"), env=bucket.env))
    assert time.monotonic() - start < 60 * slowdown()
    assert held(bucket).keys() == {"out.log.ldjson", *(f"out/{n:03}.json" for n in range(300))}
    assert bucket.get("out/299.json") == ys(299)
