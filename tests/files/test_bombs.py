"""Small files that expand to far more than the memory: each ends within seconds under 1 GiB of address space."""

import gzip
import json
import resource
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import IRIS, SETOSA

from model_etl.errors import QUOTED_CHARS, DataError, RecordError, describe_exception

MIB = 1 << 20
ONE_GIB = 1 << 30
NAMES = ",".join(SETOSA).encode()
CELLS = b",".join(str(value).encode() for value in SETOSA.values())
GOOD = json.dumps(SETOSA).encode()


def gzipped(*parts, times=1):
    """Compress parts, the second of them repeated."""
    return b"".join(gzip.compress(part * (times if i == 1 else 1), 1) for i, part in enumerate(parts))


def zstd(*parts, times=1):
    """Compress parts, the second of them repeated."""
    zstandard = pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    return b"".join(zstandard.compress(part * (times if i == 1 else 1), 1) for i, part in enumerate(parts))


def long(start, filling, end, mib=150, by=gzipped):
    """Return a function that compresses `start`, so many MiB of `filling`, and `end`."""
    return lambda: by(start, filling, end, times=mib * MIB // len(filling))


REJECTED, UNREADABLE = "RecordTooLong", "longer than the 67,108,864 bytes of --max_record_size"
BOMBS = {
    "zeros.json.gz": (long(b"", b"\0", b""), "empty space"),
    "zeros.json.zst": (long(GOOD + b"\n", b"\0", b"", by=zstd), REJECTED),
    "zeros.csv.gz": (long(NAMES + b"\n", b"\0", b"\n"), REJECTED),
    "header.csv.gz": (long(b"", b"a", b""), UNREADABLE),
    "line.json.gz": (long(b'{"a":"', b"a", b'"}\n' + GOOD), REJECTED),
    "cell.tsv.gz": (long(NAMES.replace(b",", b"\t") + b"\n", b"a", b"\n"), REJECTED),
    "quote.csv.gz": (long(NAMES + b'\n"', b"a,b\n", b"", mib=8), "--max_record_size|never closed|closed within"),
    "quotes.csv.gz": (long(NAMES + b"\n", b'"\n",', b"", mib=8), "--max_record_size|never closed|closed within"),
    "blanks.json.gz": (long(GOOD + b"\n", b" ", b"\n"), REJECTED),
    "nesting.json.gz": (long(b'{"a":', b"[", b"\n", mib=20), "InvalidJSON"),
}
ARRAYS = {
    "element.json.gz": (long(b'[{"a":"', b"a", b'"}]'), REJECTED),
    "escapes.json.gz": (long(b'[{"a":"', b'\\"', b'"}]', mib=70), REJECTED),
    "nesting.json.gz": (long(b"[", b"[", b"", mib=2), "cut off after record 0"),
    "zeros.json.gz": (long(b"[", b"\0", b"]"), REJECTED),
}


FRUGAL = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Libraries that reserve address space which they never use would meet the limit by chance."""


def run(etl, name, *options):
    """Run the command under 1 GiB of address space; give its exit code and messages."""
    command = etl.command("run", "-m", IRIS, "-i", name, "-o", "out.json", *options)
    done = subprocess.run(
        command, cwd=etl.folder, env={**etl.environment(), **FRUGAL}, capture_output=True, text=True, timeout=100,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (ONE_GIB, ONE_GIB)),
    )  # fmt: skip
    written = sum(file.stat().st_size for file in etl.folder.iterdir() if file.name.startswith("out"))
    return done.returncode, done.stderr, written


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_text_without_end_is_rejected_or_refused(etl, name):
    """A record that is longer than permitted costs neither memory nor disk; the message says why it was refused."""
    content, said = BOMBS[name]
    (etl.folder / name).write_bytes(content())
    lines = ["--max_record_size", "4M"] if name.startswith("quote") else []  # many lines take long
    code, message, _ = run(etl, name, *lines)
    assert (code, any(words in message for words in said.split("|"))) == (65, True), message
    assert len(message) < 3000


@pytest.mark.slow
@pytest.mark.parametrize("name", ARRAYS)
def test_an_element_without_end_is_rejected_or_refused(etl, name):
    """The same holds for the elements of an array."""
    content, said = ARRAYS[name]
    (etl.folder / name).write_bytes(content())
    code, message, written = run(etl, name, "--input_format", "json")
    assert (code, said in message) == (65, True), message
    assert written < MIB


def iris_rows(count, **more):
    """Give a table of equal rows with more columns."""
    return pa.table({**{name: [value] * count for name, value in SETOSA.items()}, **more})


ROWS = 8192
TEXTS = pa.DictionaryArray.from_arrays(pa.array([0] * ROWS, pa.int32()), ["x" * 200_000])
LONG_COLUMNS = {
    "text": TEXTS,
    "lists": pa.ListArray.from_arrays(pa.array(range(ROWS + 1), pa.int32()), TEXTS),
    "structs": pa.StructArray.from_arrays([TEXTS], ["a"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LONG_COLUMNS)
def test_rows_of_one_long_text_in_a_dictionary_fit(etl, kind):
    """A file of some hundred bytes with 1.6 GB of texts is scored in bounded memory."""
    table = iris_rows(ROWS, t=LONG_COLUMNS[kind])
    pq.write_table(table, etl.folder / "in.parquet", compression="zstd", store_schema=False)
    assert (etl.folder / "in.parquet").stat().st_size < 10_000
    code, message, _ = run(etl, "in.parquet", "--prediction_log", "none")
    assert (code, message) == (0, "")


def test_a_row_of_parquet_that_is_too_long_is_rejected_alone(etl):
    """The other rows of its batch are scored; its reject has the short values."""
    table = iris_rows(3, t=["a", "b" * 300_000, "c"])
    pq.write_table(table, etl.folder / "in.parquet")
    code, message, _ = run(etl, "in.parquet", "--max_record_size", "100K", "--max_errors", "1")
    assert code == 0, message
    reject = json.loads((etl.folder / "out.rejects.ldjson").read_bytes())
    assert (reject["position"], reject["type"], reject["cut"]) == (2, "RecordTooLong", True)
    assert json.loads(reject["text"]) == SETOSA
    assert (etl.folder / "out.json").read_bytes().count(b"\n") == 2


LONG = b'{"a": "' + "é".encode() * 3000 + b'"}'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("in.json", GOOD + b"\n" + LONG + b"\n" + GOOD + b"\n"),
        ("in.array", b"[" + GOOD + b",\n" + LONG + b"," + GOOD + b"]"),
        ("in.csv", NAMES + b"\n" + CELLS + b"\n" + b"e" * 6000 + b"\n" + CELLS + b"\n"),
        ("in.tsv", (NAMES + b"\n" + CELLS + b"\n" + b"e" * 6000 + b"\n" + CELLS + b"\n").replace(b",", b"\t")),
    ],
)
def test_a_long_record_is_rejected_with_its_position_and_its_beginning(etl, name, content):
    """Each format rejects just the record; retry says that its input is to be scored again."""
    (etl.folder / name).write_bytes(content)
    options = ["--input_format", "json"] if name == "in.array" else []
    code, message, _ = run(etl, name, "--max_record_size", "5K", "--max_errors", "1", *options)
    assert code == 0, message
    reject = json.loads((etl.folder / "out.rejects.ldjson").read_bytes())
    assert (reject["position"], reject["type"], reject["cut"]) == (2, "RecordTooLong", True)
    assert 990 < len(reject["text"].encode()) <= 1000
    assert content[reject["offset"] :].startswith(reject["text"].encode())
    result = etl("retry", "out.rejects.ldjson", "-m", IRIS)
    assert (result.code, "larger --max_record_size" in result.err) == (65, True)


def test_control_characters_do_not_grow_in_rejects_and_log(etl):
    """They are in base64 in both, and retry reads them."""
    (etl.folder / "in.json").write_bytes(GOOD + b"\n" + b"\0" * MIB + b"\n")
    code, message, written = run(etl, "in.json", "--max_errors", "1")
    assert (code, written < 3 * MIB) == (0, True), message
    assert "text_base64" in json.loads((etl.folder / "out.rejects.ldjson").read_bytes())
    assert etl("retry", "out.rejects.ldjson", "-m", IRIS).code == 65


def test_messages_quote_no_more_than_a_mail_can_show():
    """What a schema or a model says is cut in its middle, in messages, rejects, log and report alike."""
    error = RecordError("predict", "T" * 5000, "start" + "x" * 3 * MIB + "end")
    assert (len(error.message), len(error.type_name)) == (QUOTED_CHARS, QUOTED_CHARS)
    assert error.message.startswith("start")
    assert error.message.endswith("end")
    assert len(describe_exception(ValueError("x" * MIB))) < QUOTED_CHARS + 100
    assert len(str(DataError("x" * MIB, "y" * MIB))) < 21 * QUOTED_CHARS


@pytest.mark.slow
def test_a_lack_of_memory_names_the_file_and_the_option(etl):
    """It is no bug, and the same command may work with more memory."""
    pq.write_table(iris_rows(1, t=["x" * 200 * MIB]), etl.folder / "in.parquet", compression="zstd")
    code, message, _ = run(etl, "in.parquet")
    assert code == 75, message
    assert "cannot read in.parquet after record 0: there is not enough memory" in message
    assert "--max_record_size" in message


@pytest.mark.slow
def test_a_lack_of_memory_for_a_schema_names_the_record_and_the_option(etl):
    """A record within the limit may still be too much for the objects of the model's schema."""
    (etl.folder / "in.json.gz").write_bytes(long(b'{"a":[', b"{},", b"{}]}", mib=60)())
    code, message, _ = run(etl, "in.json.gz")
    assert code in (69, 75), message
    assert "record" in message
    assert "--max_record_size" in message
