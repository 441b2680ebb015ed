"""gzip and zstd around the text formats."""

from __future__ import annotations

import gzip
import io
import time

import pytest
import zstandard
from helpers.command import IRIS, SETOSA, Etl
from hypothesis import given, settings
from hypothesis import strategies as st

from model_etl.errors import DataError
from model_etl.formats.compression import compressed, decompressed

PACK = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}
KINDS = sorted(PACK)


def read(data, kind, size=-1):
    """Read all of a compressed file, so many bytes at a time."""
    file = decompressed(io.BytesIO(data), kind, "the file")
    return b"".join(iter(lambda: file.read(size), b""))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=4), st.sampled_from(KINDS), st.integers(1, 50))
def test_several_members_are_one_file(parts, kind, size):
    """Compressed files that were appended to each other are read as one."""
    assert read(b"".join(map(PACK[kind], parts)), kind, size) == b"".join(parts)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=4), st.sampled_from(KINDS))
def test_what_is_packed_is_unpacked(parts, kind):
    """What we write, we read back, and the same content gives the same bytes."""

    def packed():
        file = io.BytesIO()
        with compressed(file, kind) as to:
            for part in parts:
                to.write(part)
        assert not file.closed
        return file.getvalue()

    assert read(packed(), kind) == b"".join(parts)
    assert packed() == packed()


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.sampled_from(KINDS), st.data())
def test_a_file_that_is_cut_off_is_never_taken_for_whole(content, kind, data):
    """Wherever a compressed file ends too early, also in its second member, reading it is an error."""
    whole = PACK[kind](b"first")
    packed = PACK[kind](content)
    cut = data.draw(st.integers(1, len(packed) - 1))
    for before in (b"", whole):
        with pytest.raises(DataError, match="cannot decompress the file") as caught:
            read(before + packed[:cut], kind)
        assert "whole" in caught.value.remedy


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [b'{"a":1}\n', b"\x00\x00\x00\x00", b"PAR1"])
def test_a_file_that_is_not_compressed_is_refused(kind, data):
    """A name that promises what the bytes do not keep ends the run."""
    with pytest.raises(DataError, match=f"as .{kind}"):
        read(data, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_found(kind):
    """Bytes that were changed do not become records."""
    packed = bytearray(PACK[kind](bytes(range(256)) * 40))
    packed[len(packed) // 2 :] = b"\x55" * (len(packed) - len(packed) // 2)
    with pytest.raises(DataError):
        read(bytes(packed), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_very_repetitive_text_is_read_at_speed(kind):
    """A hundred megabytes that were packed into some kilobytes take a moment."""
    packed = PACK[kind](b'{"a":1}\n' * 12_500_000)
    started = time.process_time()
    file = decompressed(io.BytesIO(packed), kind, "the file")
    assert sum(map(len, iter(lambda: file.read(1 << 18), b""))) == 100_000_000
    assert time.process_time() - started < 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_compressed_files_in_and_out(etl: Etl, kind: str, form: str) -> None:
    """The command line reads and writes them by their names."""
    text = ",".join(SETOSA) + "\n" + ",".join(map(str, SETOSA.values())) + "\n"
    text = text if form == "csv" else str(SETOSA).replace("'", '"') + "\n"
    etl.write(f"in.{form}.{kind}", PACK[kind](text.encode()))
    done = etl("run", "--model", IRIS, "-i", f"in.{form}.{kind}", "-o", f"out.{form}.{kind}")
    assert (done.code, done.err) == (0, "")
    out = read((etl.folder / f"out.{form}.{kind}").read_bytes(), kind)
    assert out == (b"species\nsetosa\n" if form == "csv" else b'{"species":"setosa"}\n')


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_off_input_publishes_nothing(etl: Etl, kind: str) -> None:
    """Half a download is exit code 65 with the file's name, and no output."""
    packed = PACK[kind](b"\n".join([str(SETOSA).replace("'", '"').encode()] * 50))
    etl.write(f"in.json.{kind}", packed[:-5])
    done = etl("run", "--model", IRIS, "-i", f"in.json.{kind}", "-o", "out.json")
    assert done.code == 65
    assert f"in.json.{kind}" in done.err
    assert "out.json" not in etl.files()
