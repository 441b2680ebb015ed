"""fs-s3fs, cured: reads that stream, writes that are whole, no markers for folders, patience that can be set.

What is cured, and what it costs: docs/decisions/0010-s3-streams-in-and-is-sent-at-the-end.md.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import model_etl.compat  # noqa: F401  before anything of fs

from botocore.exceptions import ClientError
from fs.enums import ResourceType
from fs.errors import DirectoryExists, DirectoryNotEmpty, FileExists, ResourceNotFound, Unsupported
from fs.info import Info
from fs.mode import Mode
from fs.path import basename
from fs.subfs import SubFS
from fs_s3fs import S3FS

from model_etl.errors import InputMissing
from model_etl.services.s3.access import Access, connect
from model_etl.services.s3.errors import code_of, told, translate_s3_errors
from model_etl.services.s3.reader import ObjectReader
from model_etl.services.s3.upload import Upload, WrittenObject, clearing

_BUFFER = 1 << 20
"""Bytes that are asked from a connection at a time."""


class BucketFS(S3FS):
    """One bucket as a file system. A path is a key as it is written; folders are no more than what keys begin with.

    Its errors are `ModelEtlError`s, which name bucket, key and server, but for what the interface of fs says of
    files that exist or do not.

    Args:
        bucket: name of the bucket.
        access: how to reach it.

    Raises:
        ConfigurationError, UsageError: if the server's URL or the settings found for it make no sense.
    """

    def __init__(self, bucket: str, access: Access | None = None) -> None:
        super().__init__(bucket, strict=False)
        self.bucket = bucket
        self.access = access or Access()
        self._connection = connect(self.access)

    def __repr__(self) -> str:
        return f"BucketFS({self.bucket!r}, {self.endpoint!r})"

    @property
    def client(self) -> Any:
        """The boto3 client."""
        return self._connection

    @property
    def endpoint(self) -> str:
        """The server's URL."""
        return str(self._connection.meta.endpoint_url)

    def place(self, key: str) -> str:
        """Name an object, its bucket and its server, for errors."""
        return f"s3://{self.bucket}/{key} at {self.endpoint}"

    def validatepath(self, path: str) -> str:
        """Leave a path as it is: a key may hold what a path must not."""
        self.check()
        return "/" + path.removeprefix("/")

    def _path_to_key(self, path: str) -> str:
        return path.removeprefix("/")

    def _path_to_dir_key(self, path: str) -> str:
        key = self._path_to_key(path)
        return key if not key or key.endswith("/") else f"{key}/"

    def openbin(self, path: str, mode: str = "r", buffering: int = -1, **options: Any) -> BinaryIO:  # noqa: ARG002
        """Open an object to read it as a stream, or to write it anew: it is sent when it is closed.

        Raises:
            ModelEtlError: if it cannot be read.
            fs.errors.FileExists: if it exists and the mode is "x".
            fs.errors.Unsupported: if the mode is to change what is there, which no object can.
        """
        wanted = Mode(mode)
        wanted.validate_bin()
        key = self._path_to_key(self.validatepath(path))
        if not wanted.writing:
            reader = ObjectReader(self.client, self.bucket, key, self.place(key), self.access.retries)
            return cast("BinaryIO", io.BufferedReader(reader, buffering if buffering > 1 else _BUFFER))
        if wanted.reading or wanted.appending:
            raise Unsupported(f"{self.place(key)}: an object can be read or written anew, not changed")
        if wanted.exclusive and self.exists(path):
            raise FileExists(path)
        upload = self.upload_of(key, self._get_upload_args(key)["ContentType"])
        return cast("BinaryIO", WrittenObject(upload, clearing(self.access), self.place(key)))

    def open(
        self,
        path: str,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str = "",
        **options: Any,
    ) -> Any:
        """Open an object as Python's `open` opens a file, also as text.

        Raises:
            ModelEtlError: as `openbin` does.
        """
        if not Mode(mode).writing:
            return super().open(path, mode, buffering, encoding, errors, newline, **options)
        file = _Buffered(self.openbin(path, mode.replace("t", "").replace("b", "") + "b"))
        return file if "b" in mode else _Text(file, encoding or "utf-8", errors, newline)

    def upload_of(self, key: str, media_type: str) -> Upload:
        """Prepare to send an object."""
        return Upload(self.client, self.bucket, key, self.place(key), media_type, self.access.retries)

    def head(self, key: str) -> dict[str, Any]:
        """Ask the server about an object.

        Raises:
            ModelEtlError: if there is none, or it may not be read; `InputMissing` if there is none or no bucket.
        """
        asked = {"Bucket": self.bucket, "Key": key}
        with translate_s3_errors("read", self.place(key)):
            try:
                answer = self.client.head_object(**asked)
            except ClientError:
                # An answer to HEAD has no body that would say why, one to GET has.
                self.client.get_object(**asked, Range="bytes=0-0")["Body"].close()
                answer = self.client.head_object(**asked)
        for name in ("ContentLength", "ETag"):
            told(answer, name, f"cannot read {self.place(key)}")
        return cast("dict[str, Any]", answer)

    def exists(self, path: str) -> bool:
        """Tell whether there is an object of that key, or one below it.

        Raises:
            ModelEtlError: if the server does not tell.
        """
        return self.look(self._path_to_key(path)) is not None or self.isdir(path)

    def look(self, key: str) -> dict[str, Any] | None:
        """Ask the server about an object; None if there is none of that very key.

        Raises:
            ModelEtlError: if the server does not tell, or there is no such bucket.
        """
        try:
            return self.head(key)
        except InputMissing as exc:
            if exc.__cause__ is not None and code_of(exc.__cause__) == "NoSuchBucket":
                raise
            return None

    def listed(self, prefix: str, *, deep: bool, most: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield what a server lists of the objects whose keys begin so, in the order of their keys.

        Args:
            prefix: the beginning, up to and with a slash.
            deep: whether to go into what looks like folders; else these are yielded too, as {"Prefix": ...}.
            most: how many to ask for; all by default.

        Raises:
            ModelEtlError: if the server does not tell; `InputMissing` if there is no such bucket.
        """
        options: dict[str, Any] = {} if deep else {"Delimiter": "/"}
        limits = {"PaginationConfig": {"MaxItems": most, "PageSize": most}} if most else {}
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, **options, **limits
        )
        with translate_s3_errors("read", self.place(prefix)):
            for page in pages:
                yield from page.get("CommonPrefixes", ())
                yield from page.get("Contents", ())

    def isdir(self, path: str) -> bool:
        """Tell whether there are objects below a path."""
        prefix = self._path_to_dir_key(path)
        return not prefix or any(True for _ in self.listed(prefix, deep=True, most=1))

    def getinfo(self, path: str, namespaces: Any = None) -> Info:  # noqa: ARG002
        """Describe an object, or a folder if there are objects below it.

        Raises:
            fs.errors.ResourceNotFound: if there is neither.
        """
        key = self._path_to_key(self.validatepath(path))
        found = self.look(key) if key else None
        if found is not None:
            return _info(basename(key), found["ContentLength"], found["LastModified"])
        if self.isdir(path):
            return _info(basename(key.rstrip("/")))
        raise ResourceNotFound(path)

    _getinfo = getinfo

    def scandir(self, path: str, namespaces: Any = None, page: Any = None) -> Iterator[Info]:  # noqa: ARG002
        """Describe what lies in a folder.

        Raises:
            fs.errors.ResourceNotFound: if there is nothing.
        """
        prefix = self._path_to_dir_key(self.validatepath(path))
        found = [
            _info(item["Prefix"][len(prefix) :].rstrip("/"))
            if "Prefix" in item
            else _info(item["Key"][len(prefix) :], item["Size"], item["LastModified"])
            for item in self.listed(prefix, deep=False)
            if item.get("Key") != prefix
        ]
        if not found and prefix:
            raise ResourceNotFound(path)
        return iter(found[slice(*page)] if page else found)

    def listdir(self, path: str) -> list[str]:
        """Name what lies in a folder."""
        return [info.name for info in self.scandir(path)]

    def makedir(self, path: str, permissions: Any = None, recreate: bool = False) -> SubFS[BucketFS]:  # noqa: ARG002
        """Do nothing: a folder is there as soon as something lies in it.

        Raises:
            fs.errors.DirectoryExists: if something lies in it already, and `recreate` does not allow that.
        """
        if not recreate and self.isdir(path):
            raise DirectoryExists(path)
        return SubFS(self, path)

    def makedirs(self, path: str, permissions: Any = None, recreate: bool = False) -> SubFS[BucketFS]:
        """Do nothing, as `makedir` does."""
        return self.makedir(path, permissions, recreate)

    def removedir(self, path: str) -> None:
        """Do nothing: a folder is gone as soon as nothing lies in it.

        Raises:
            fs.errors.DirectoryNotEmpty: if something does.
        """
        if self.isdir(path):
            raise DirectoryNotEmpty(path)

    def remove(self, path: str) -> None:
        """Delete an object; it is no error if there is none.

        Raises:
            ModelEtlError: if the server refuses.
        """
        key = self._path_to_key(self.validatepath(path))
        with translate_s3_errors("remove", self.place(key)):
            self.client.delete_object(Bucket=self.bucket, Key=key)


class _Buffered(io.BufferedWriter):
    """Passes on that its block failed, or that it was forgotten: then nothing must be sent."""

    raw: WrittenObject

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.raw.discard()
        self.close()

    def __del__(self) -> None:
        self.raw.discard()


class _Text(io.TextIOWrapper):
    """The same for text."""

    buffer: _Buffered

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.buffer.raw.discard()
        self.close()

    def __del__(self) -> None:
        self.buffer.raw.discard()


def _info(name: str, size: int | None = None, modified: Any = None) -> Info:
    """Describe an object by its size in bytes and its time of change; a folder has neither."""
    kind = ResourceType.directory if size is None else ResourceType.file
    details = {"type": int(kind), "size": size or 0, "modified": modified.timestamp() if modified else None}
    return Info({"basic": {"name": name, "is_dir": size is None}, "details": details})
