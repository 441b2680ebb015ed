"""What a storage says of its objects: Content-Encoding, storage classes, markers; and empty variables of AWS."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from helpers.s3_runs import INPUT, OUTPUT, S3

from model_etl.errors import PermissionRefused
from model_etl.services.s3.location import S3Object


def packed(data: bytes) -> bytes:
    """Compress data, each time to the same bytes."""
    return gzip.compress(data, mtime=0)


GZIP, ZSTD = packed(INPUT), zstandard.compress(INPUT)


@pytest.mark.parametrize(
    ("name", "encoding", "content"),
    [
        ("in.json", "gzip", GZIP),
        ("in.json", "GZIP", GZIP),
        ("in.json", "aws-chunked,gzip", GZIP),
        ("in.json", "zstd", ZSTD),
        ("in.json", "gzip", INPUT),  # undone on its way
        ("in.json", "identity", INPUT),
        ("in.json", "utf-8", INPUT),  # some writers put the charset there
        ("in.json.gz", "gzip", GZIP),
        ("in.json.gz", "gzip", packed(GZIP)),
        ("in.json.gz", "gzip", INPUT),
        ("in.json.zst", "gzip", packed(ZSTD)),
        ("in.json", "gzip", b""),
    ],
)
def test_content_encoding(s3: S3, name: str, encoding: str, content: bytes) -> None:
    """An object is decompressed as its Content-Encoding and its name say, as far as its bytes are compressed."""
    s3.bucket.put(name, content, **{"Content-Encoding": encoding})
    done = s3("-i", s3.bucket.uri(name), "-o", "out.json")
    assert (done.code, done.err) == (0, "")
    assert (s3.etl.folder / "out.json").read_bytes() == (OUTPUT if content else b"")


def test_an_unknown_content_encoding(s3: S3) -> None:
    """An encoding that is not supported is named, and the option that overrides it works."""
    s3.bucket.put("in.json", INPUT, **{"Content-Encoding": "br"})
    done = s3("-i", s3.bucket.uri("in.json"), "-o", "out.json")
    assert (done.code, "its Content-Encoding is br" in done.err) == (65, True)
    assert s3("-i", s3.bucket.uri("in.json"), "-o", "out.json", "--input_compression", "none").code == 0


def test_compressed_parquet(s3: S3) -> None:
    """A Parquet object that is compressed as a whole is refused with the reason."""
    table = io.BytesIO()
    pq.write_table(pa.table({"x": [1]}), table)
    s3.bucket.put("in.parquet", gzip.compress(table.getvalue()), **{"Content-Encoding": "gzip"})
    done = s3("-i", s3.bucket.uri("in.parquet"), "-o", "out.json")
    assert (done.code, "its Content-Encoding is gzip" in done.err) == (65, True)


def test_markers_of_hadoop(s3: S3) -> None:
    """Objects that EMR and Spark use as markers are left out of folders and patterns."""
    for name in ("day_$folder$", "day/_SUCCESS", "day/sub_$folder$", "day/", "day/_temporary/0"):
        s3.bucket.put(name, b"")
    s3.bucket.put("day/part-0.json", INPUT)
    for pattern in ("day/", "day/*", "day/**"):
        done = s3("-i", s3.bucket.uri(pattern), "-o", "out.json")
        assert (done.code, done.err) == (0, "")
        assert (s3.etl.folder / "out.json").read_bytes() == OUTPUT


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "AWS_DEFAULT_PROFILE"])
def test_an_empty_variable(s3: S3, name: str) -> None:
    """An empty variable is as if it were not set."""
    done = s3("-i", s3.bucket.uri("in.json"), "-o", "out.json", **{name: ""})
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"])
def test_a_variable_that_is_not_utf_8(s3: S3, name: str) -> None:
    """A variable of AWS that is not UTF-8 is named, without its value."""
    done = s3("-i", s3.bucket.uri("in.json"), "-o", "out.json", **{name: "gr\udcf6sse"})
    assert (done.code, f"the variable {name} is not valid UTF-8" in done.err, "sse" in done.err) == (78, True, False)


class _Heads:
    """A bucket that has the answers to HEAD requests only."""

    name, endpoint = "bucket", "http://server"

    def __init__(self, **head: Any) -> None:
        self.answer = {"ContentLength": 3, "ETag": '"e"', **head}

    def display_name(self, key: str) -> str:
        return f"s3://bucket/{key}"

    def head(self, key: str) -> dict[str, Any]:
        return self.answer


@pytest.mark.parametrize(
    ("head", "archived"),
    [
        ({}, False),
        ({"StorageClass": "STANDARD_IA"}, False),
        ({"StorageClass": "GLACIER_IR"}, False),
        ({"StorageClass": "INTELLIGENT_TIERING"}, False),
        ({"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "DEEP_ARCHIVE_ACCESS"}, True),
        ({"StorageClass": "GLACIER"}, True),
        ({"StorageClass": "DEEP_ARCHIVE", "Restore": 'ongoing-request="true"'}, True),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="false", expiry-date="..."'}, False),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_archived_objects(head: dict[str, str], archived: bool, listed: bool) -> None:
    """An archived object is refused before the work with the way to restore it, one that was restored is read."""
    bucket: Any = _Heads(**head)
    in_list = {name: value for name, value in bucket.answer.items() if name not in ("Restore", "ArchiveStatus")}
    found = S3Object(bucket, "in.json", in_list if listed else None)
    if archived and not (listed and "ArchiveStatus" in head):  # a list does not have it: reading is refused then
        with pytest.raises(PermissionRefused, match="it is archived") as caught:
            found.identity()
        assert "restore-object" in caught.value.remedy
    else:
        assert found.identity()
