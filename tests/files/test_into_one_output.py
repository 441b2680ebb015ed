"""Many inputs into one output: order, ids, counts, limits and rejects."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable

import pytest
from helpers.command import Etl, Result
from helpers.many_files import BAD_RECORD, GOOD, as_parquet, ended, ended_well, events, grow, xs, ys
from helpers.snapshots import snapshot


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
        assert snapshot(three.folder / "out") == {
            name: ys(*(y for y in y3 if y <= limit)) for name, y3 in parts.items()
        }


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
        assert snapshot(etl.folder / "all") == {f"{night}.out.rejects.ldjson": ys(1) for night in "ab"}


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
