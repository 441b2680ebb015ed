"""A bucket, as far as a run needs one: objects are read as streams, asked about, listed and removed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from botocore.exceptions import ClientError

from model_etl.errors import InputMissing, UsageError
from model_etl.services.s3.access import Access, S3Answer, S3Client, connect
from model_etl.services.s3.errors import error_code, required_member, translate_s3_errors
from model_etl.services.s3.reader import ObjectReader

_READ_BUFFER_BYTES = 1 << 20


class Bucket:
    """One bucket of a server. Keys are taken as they are written; folders are only key prefixes.

    Args:
        name: name of the bucket.
        access: how to reach the server.

    Attributes:
        name: name of the bucket.
        access: how to reach the server.
        client: the boto3 client.
        endpoint: the server's URL.

    Raises:
        ConfigurationError, UsageError: if the endpoint or the S3 settings of the environment are invalid.
    """

    def __init__(self, name: str, access: Access) -> None:
        if "@" in name or (":" in name and not name.startswith("arn:")):
            raise UsageError(
                "the name of a bucket contains a user name or keys",
                "Remove them, and pass the keys as --key and --secret_key or in the AWS_* variables.",
            )
        self.name = name
        self.access = access
        self.client: S3Client = connect(access)
        self.endpoint = str(self.client.meta.endpoint_url)

    def display_name(self, key: str) -> str:
        """Return the name of an object, with its bucket and server, for error messages."""
        return f"s3://{self.name}/{key} at {self.endpoint}"

    def openbin(self, path: str, mode: str = "r") -> BinaryIO:
        """Open an object for reading as a stream.

        Args:
            path: the key.
            mode: "r"; objects are written with an `Upload`.

        Raises:
            InputMissing: if there is no such object.
            ModelEtlError: if it cannot be read.
        """
        if mode not in {"r", "rb"}:
            raise io.UnsupportedOperation(f"{self.display_name(path)} is opened for reading only")
        reader = ObjectReader(self.client, self.name, path, self.display_name(path), self.access.retries)
        return cast("BinaryIO", io.BufferedReader(reader, _READ_BUFFER_BYTES))

    def head(self, key: str) -> S3Answer:
        """Return what the server tells of an object: at least its `ContentLength` and `ETag`.

        Raises:
            InputMissing: if there is no such object or no such bucket.
            ModelEtlError: if the server refuses or does not answer.
        """
        request = {"Bucket": self.name, "Key": key}
        with translate_s3_errors("read", self.display_name(key)):
            try:
                answer: S3Answer = self.client.head_object(**request)
            except ClientError:
                # The answer to a failed HEAD has no body with the reason; the answer to a GET has.
                self.client.get_object(**request, Range="bytes=0-0")["Body"].close()
                answer = self.client.head_object(**request)
        for name in ("ContentLength", "ETag"):
            required_member(answer, name, f"cannot read {self.display_name(key)}")
        return answer

    def head_or_none(self, key: str) -> S3Answer | None:
        """Return what the server tells of an object, or None if there is no object of that very key.

        Raises:
            InputMissing: if there is no such bucket.
            ModelEtlError: if the server refuses or does not answer.
        """
        try:
            return self.head(key)
        except InputMissing as exc:
            if exc.__cause__ is not None and error_code(exc.__cause__) == "NoSuchBucket":
                raise
            return None

    def list_objects(self, prefix: str, *, recursive: bool, limit: int | None = None) -> Iterator[S3Answer]:
        """Yield the objects whose keys start with a prefix, in the order of their keys.

        Args:
            prefix: a folder with its slash, or "" for all objects.
            recursive: whether to list the objects in deeper folders too.
            limit: how many objects to list at most; None for all.

        Yields:
            What the server lists of each object: its `Key`, `Size` and `ETag`.

        Raises:
            InputMissing: if there is no such bucket.
            ModelEtlError: if the server refuses or does not answer.
        """
        options: dict[str, Any] = {} if recursive else {"Delimiter": "/"}
        if limit is not None:
            options["PaginationConfig"] = {"MaxItems": limit, "PageSize": limit}
        paginator = self.client.get_paginator("list_objects_v2")
        with translate_s3_errors("read", self.display_name(prefix)):
            for page in paginator.paginate(Bucket=self.name, Prefix=prefix, **options):
                yield from page.get("Contents", ())

    def has_folder(self, key: str) -> bool:
        """Return whether there is an object below a key.

        Raises:
            InputMissing: if there is no such bucket.
            ModelEtlError: if the server refuses or does not answer.
        """
        return any(True for _ in self.list_objects(f"{key}/", recursive=True, limit=1))

    def remove(self, key: str) -> None:
        """Delete an object; it is not an error if there is none.

        Raises:
            ModelEtlError: if the server refuses or does not answer.
        """
        with translate_s3_errors("remove", self.display_name(key)):
            self.client.delete_object(Bucket=self.name, Key=key)
