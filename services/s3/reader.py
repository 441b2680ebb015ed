"""Reading an object as a stream, which goes on after a broken connection and copies nothing to the disk."""

from __future__ import annotations

import hashlib
import io
import re
import time
from typing import Protocol

from botocore.exceptions import ClientError
from typing_extensions import Buffer, override

from model_etl.errors import ModelEtlError, StorageFailure, input_changed
from model_etl.services.s3.access import S3Answer, S3Client
from model_etl.services.s3.errors import error_code, required_member, s3_error, translate_s3_errors

_READ_BYTES = 128 << 10
"""How much is taken from a connection at a time; only the last such block is lost when the connection breaks."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
"""The pause before the first retry, which doubles with each one, and its upper limit."""
_CHANGED_CODES = ("PreconditionFailed", "NoSuchKey", "InvalidRange")
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


class _Body(Protocol):
    """The body of an answer: botocore's StreamingBody."""

    def read(self, amt: int, /) -> bytes:
        """Return up to so many bytes, and none at the end."""

    def close(self) -> None:
        """Close the connection, or give it back."""


class ObjectReader(io.RawIOBase):
    """An object as a raw binary stream; a seek costs a request.

    All requests are for the version of the object that the first one returned. After a broken connection reading goes
    on where it stopped. If the ETag is the MD5 of the object (it was uploaded in one part and is not encrypted with a
    key of its own), the bytes that arrived are compared with it at the end.

    Args:
        client: a boto3 client for S3.
        bucket: the bucket.
        key: the object.
        display_name: the bucket, the object and the server, for errors.
        retries: how many times in a row a broken connection is opened again.

    Attributes:
        content_encoding: how the bytes of the object are encoded, as its metadata has it; they are returned as stored.

    Raises:
        ModelEtlError: if there is no such object or it cannot be read.
    """

    def __init__(self, client: S3Client, bucket: str, key: str, display_name: str, retries: int) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._display_name = display_name
        self._retries = retries
        self._position = 0
        self._body: _Body | None = None
        with translate_s3_errors("read", display_name):
            answer = client.get_object(Bucket=bucket, Key=key)
        self._body = answer["Body"]
        self._size = int(required_member(answer, "ContentLength", f"cannot read {display_name}"))
        self._etag = str(required_member(answer, "ETag", f"cannot read {display_name}"))
        self.content_encoding = str(answer.get("ContentEncoding", ""))
        self._expected_md5 = _md5_of_object(answer)
        self._digest = hashlib.md5(usedforsecurity=False)

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._position

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = max(0, offset + (0, self._position, self._size)[whence])
        if position != self._position:
            self._drop_connection()
            self._position = position
            self._expected_md5 = None  # the MD5 is of the whole object
        return position

    def readinto(self, buffer: Buffer) -> int:
        """Read into a buffer; return how many bytes were read, 0 at the end of the object.

        Raises:
            TryAgain: if the object was changed since it was opened, or the server cannot be reached.
            StorageFailure: if the connection breaks too often, or the bytes that arrived have another MD5.
        """
        if self._position >= self._size:
            self._check_md5()
            return 0
        view = memoryview(buffer).cast("B")
        data = self._read_with_retries(len(view))
        view[: len(data)] = data
        self._position += len(data)
        if self._expected_md5 is not None:
            self._digest.update(data)
        return len(data)

    def _read_with_retries(self, count: int) -> bytes:
        """Read up to `count` bytes from the current position, over a new connection if the old one breaks."""
        attempt = 0
        while True:
            try:
                return self._read_once(count)
            except (ModelEtlError, MemoryError):
                raise
            except Exception as exc:
                self._drop_connection()
                if error_code(exc) in _CHANGED_CODES:
                    raise input_changed(self._display_name) from exc
                if isinstance(exc, ClientError) or attempt == self._retries:
                    raise s3_error(exc, "read", f"{self._display_name}, from byte {self._position} on") from exc
                time.sleep(min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S))
                attempt += 1

    def _read_once(self, count: int) -> bytes:
        body = self._reconnect() if self._body is None else self._body
        data = body.read(min(count, self._size - self._position, _READ_BYTES))
        if not data:
            raise ConnectionResetError(f"the connection broke at byte {self._position} of {self._size}")
        return data

    def _reconnect(self) -> _Body:
        """Request the rest of the object, if it is still the same version; return its body."""
        answer = self._client.get_object(
            Bucket=self._bucket, Key=self._key, IfMatch=self._etag, Range=f"bytes={self._position}-"
        )
        body: _Body = answer["Body"]
        self._body = body
        is_requested_range = str(answer.get("ContentRange")).startswith(f"bytes {self._position}-")
        if not is_requested_range or answer.get("ETag") != self._etag:
            raise ConnectionError(f"the server sent another range or object than asked for at byte {self._position}")
        return body

    def _check_md5(self) -> None:
        if self._expected_md5 not in (None, self._digest.hexdigest()):
            raise StorageFailure(
                f"cannot read {self._display_name}: the data was damaged on the way (its MD5 differs)",
                "The network or a proxy damages data: check the network, and run again.",
            )

    def _drop_connection(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    @override
    def close(self) -> None:
        if not self.closed:
            self._drop_connection()
        super().close()


def _md5_of_object(answer: S3Answer) -> str | None:
    """Return the MD5 of the whole object in hexadecimal, or None if the ETag is not its MD5."""
    if answer.get("SSECustomerAlgorithm") or str(answer.get("ServerSideEncryption", "")).startswith("aws:kms"):
        return None
    match = _MD5.fullmatch(answer["ETag"])
    return match[1] if match else None
