"""Names that are long, in capitals or in another encoding, and folders with more than data."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from helpers.command import Etl, Result

INPUT = b'{"x":1}\n'
OUTPUT = b'{"y":1.0}\n'
LETTERS = {"ascii": b"x", "two bytes": "ä".encode(), "four bytes": "😀".encode(), "no UTF-8": b"\xff"}


@pytest.mark.parametrize("length", [235, 240, 249, 250, 254, 255])
@pytest.mark.parametrize("letter", LETTERS)
def test_names_as_long_as_the_file_system_has_them(
    etl: Etl, score: Callable[..., Result], letter: str, length: int
) -> None:
    """An output of up to 255 bytes is written, with log and rejects beside it under names of their own."""
    etl.write("in.json", INPUT + b"no\n")
    stem = (LETTERS[letter] * 255)[: (length - 5) // len(LETTERS[letter]) * len(LETTERS[letter])]
    name = os.fsdecode(stem + b"y" * (length - 5 - len(stem)) + b".json")
    done = score("-i", "in.json", "-o", name, "--max_errors", "1")
    assert (done.code, done.err) == (0, "")
    assert Path(os.path.join(etl.folder, name)).read_bytes() == OUTPUT
    written = [other for other in os.listdir(etl.folder) if other not in ("in.json", name)]
    assert sorted(other.split(".", 1)[1] for other in written) == ["log.ldjson", "rejects.ldjson"]
    assert all(len(os.fsencode(other)) <= 255 for other in written)


@pytest.mark.parametrize("verb", ["check", "run"])
def test_a_name_that_is_too_long(etl: Etl, verb: str) -> None:
    """A name of 256 bytes is refused before the work."""
    etl.write("in.json", INPUT)
    done = etl(verb, "-m", "failing_models:HangsInInit", "-i", "in.json", "-o", "x" * 251 + ".json")
    assert (done.code, "File name too long" in done.err) == (73, True)


def test_two_long_names_have_files_of_their_own(etl: Etl, score: Callable[..., Result]) -> None:
    """Two outputs whose long names differ at their ends only do not share a log."""
    etl.write("in.json", INPUT)
    for end in "ab":
        assert score("-i", "in.json", "-o", "x" * 249 + end + ".json").code == 0
    assert len([name for name in etl.files() if name.endswith(".log.ldjson")]) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("IN.CSV", b"x\n1\n"),
        ("In.Csv.Gz", gzip.compress(b"x\n1\n", mtime=0)),
        ("IN.JSONL.ZST", zstandard.compress(INPUT)),
        ("IN.TSV", b"x\n1\n"),
    ],
)
def test_inputs_in_capitals(etl: Etl, score: Callable[..., Result], name: str, content: bytes) -> None:
    """The suffixes of format and compression count in any case."""
    etl.write(name, content)
    assert score("-i", name, "-o", "out.json").err == ""
    assert (etl.folder / "out.json").read_bytes() == OUTPUT


def test_outputs_in_capitals(etl: Etl, score: Callable[..., Result]) -> None:
    """An output in capitals is compressed as its name says, and what lies beside it is named after its stem."""
    etl.write("in.json", INPUT)
    assert score("-i", "in.json", "-o", "OUT.JSON.GZ").err == ""
    assert gzip.decompress((etl.folder / "OUT.JSON.GZ").read_bytes()) == OUTPUT
    assert score("-i", "in.json", "-o", "Data.Parquet").err == ""
    assert etl.files() == {"in.json", "OUT.JSON.GZ", "OUT.log.ldjson", "Data.Parquet", "Data.log.ldjson"}


COMPRESS = {"gzip": gzip.compress, "zstd": zstandard.compress, "none": bytes}


@pytest.mark.parametrize("name", COMPRESS)
def test_streams_with_a_compression(etl: Etl, score: Callable[..., Result], name: str) -> None:
    """Standard input and output have the compressions that the options name."""
    done = score(
        "-i", "-", "-o", "-", "--input_compression", name, "--output_compression", name, stdin=COMPRESS[name](INPUT)
    )
    assert done.err == ""
    plain = {
        "gzip": gzip.decompress,
        "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    }
    assert plain.get(name, bytes)(done.out) == OUTPUT


def test_an_option_wins_over_the_name(etl: Etl, score: Callable[..., Result]) -> None:
    """A compression that an option names counts whatever the file is called."""
    etl.write("in.json", gzip.compress(INPUT))
    etl.write("in.json.gz", INPUT)
    for name, compression in (("in.json", "gzip"), ("in.json.gz", "none")):
        done = score(
            "-i", name, "-o", "out.json.gz", "--input_compression", compression, "--output_compression", "none"
        )
        assert (done.code, done.err) == (0, "")
        assert (etl.folder / "out.json.gz").read_bytes() == OUTPUT


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {"a.csv.gz", "b.csv"}),
        (("--output_compression", "none"), {"a.csv", "b.csv"}),
        (("--output_compression", "zstd"), {"a.csv.zst", "b.csv.zst"}),
        (("--output_compression", "gzip", "--output_format", "ldjson"), {"a.json.gz", "b.json.gz"}),
        (("--output_format", "parquet"), {"a.parquet", "b.parquet"}),
    ],
)
def test_names_in_a_folder_of_outputs(
    etl: Etl, score: Callable[..., Result], options: tuple[str, ...], expected: set[str]
) -> None:
    """Outputs in a folder are named so that their names tell format and compression."""
    (etl.folder / "in").mkdir()
    etl.write("in/a.csv.gz", gzip.compress(b"x\n1\n"))
    etl.write("in/b.csv", b"x\n2\n")
    assert score("-i", "in", "-o", "new/", *options).err == ""
    assert set(os.listdir(etl.folder / "new")) == expected
    magic = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".parquet": b"PAR1", ".csv": b"y\n"}
    for path in (etl.folder / "new").iterdir():
        assert path.read_bytes().startswith(magic[path.suffix])


def test_parquet_has_no_other_compression(score: Callable[..., Result], etl: Etl) -> None:
    """A compression around Parquet is refused, by the option's name."""
    etl.write("in.json", INPUT)
    done = score("-i", "in.json", "-o", "out.parquet", "--output_compression", "gzip")
    assert (done.code, "Remove --output_compression" in done.err) == (2, True)


def test_marks_in_a_folder_are_no_data(etl: Etl, score: Callable[..., Result]) -> None:
    """Empty files by which Spark, Databricks and EMR mark something are left out of folders and patterns."""
    (etl.folder / "in").mkdir()
    for name in ("_SUCCESS", "_committed_17", "_started_17", "sub_$folder$", ".part-0.json.crc", ".DS_Store"):
        etl.write(f"in/{name}", b"")
    etl.write("in/part-0.json", INPUT)
    for given in ("in", "in/*", "in/**"):
        assert score("-i", given, "-o", "out.json").err == ""
        assert (etl.folder / "out.json").read_bytes() == OUTPUT


@pytest.mark.parametrize("name", ["README.txt", "Thumbs.db", "desktop.ini", "README"])
@pytest.mark.parametrize("verb", ["check", "run"])
def test_a_file_that_is_no_data_is_named_with_a_pattern(etl: Etl, name: str, verb: str) -> None:
    """A file in a folder of data whose name shows no format is refused before the work: a pattern leaves it out."""
    (etl.folder / "in").mkdir()
    etl.write("in/a.csv.gz", gzip.compress(b"x\n1\n"))
    etl.write(f"in/{name}", b"hello\n")
    done = etl(verb, "-i", "in", "-o", "out.json", "-m", "failing_models:HangsInInit")
    assert (done.code, f"in/{name}" in done.err, "'in/*.csv.gz'" in done.err) == (2, True, True)
    assert etl("run", "-i", "in/*.csv.gz", "-o", "out.json", "-m", "failing_models:Good").code == 0


def test_a_current_folder_that_was_removed(etl: Etl) -> None:
    """A run whose names are all absolute needs no current folder; a relative name is refused, not a bug."""
    etl.write("in.json", INPUT)
    (etl.folder / "gone").mkdir()
    absolute = [f"{etl.folder}/in.json", "-o", f"{etl.folder}/out.json", "-m", "failing_models:Good"]
    script = 'cd gone; rmdir ../gone; "$@"'
    for more, code in (([], 0), (["--workers", "2"], 0), (["--report", "r.json"], 2)):
        (etl.folder / "gone").mkdir(exist_ok=True)
        command = ["bash", "-c", script, "bash", *etl.command("run", "-i", *absolute, *more)]
        done = subprocess.run(command, cwd=etl.folder, env=etl.environment(), capture_output=True, check=False)
        assert done.returncode == code, done.stderr
        assert (b"does not exist any more" in done.stderr) == bool(code)
