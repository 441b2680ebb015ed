"""Reading an object as a stream: nothing is copied to the disk, and a connection may break on the way."""

from __future__ import annotations

import hashlib
import io
import re
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from model_etl.errors import StorageFailure
from model_etl.services.s3.errors import changed, code_of, s3_error, told, translate_s3_errors

_AT_ONCE = 128 << 10
"""Bytes taken at a time: what arrived before a connection breaks is not lost."""
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
"""Seconds before the first repetition, twice as many before each next one, and the most."""
_CHANGED = ("PreconditionFailed", "NoSuchKey", "InvalidRange")
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


class ObjectReader(io.RawIOBase):
    """An object from its start to its end; seeking is possible, and costs a request.

    All requests are for the version that the first one found. After a broken connection it goes on where it stopped.
    Where the server tells the MD5 of the whole, as it does for objects that came in one piece without a key of their
    own, what arrived is compared with it at the end.

    Args:
        client: a boto3 client for S3.
        bucket: the bucket.
        key: the object.
        place: both and the server, for errors.
        retries: how many times in a row a broken connection is tried again.

    Raises:
        ModelEtlError: if there is no such object or it cannot be read.
    """

    def __init__(self, client: Any, bucket: str, key: str, place: str, retries: int) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._place = place
        self._retries = retries
        self._position = 0
        self._body: Any = None
        with translate_s3_errors("read", place):
            found = client.get_object(Bucket=bucket, Key=key)
        self._body = found["Body"]
        self._size = int(told(found, "ContentLength", f"cannot read {place}"))
        self._etag = str(told(found, "ETag", f"cannot read {place}"))
        self._expected = _md5(found)
        self._digest = hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Give the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another position; the next read asks the server for what is there."""
        position = max(0, offset + (0, self._position, self._size)[whence])
        if position != self._position:
            self._drop()
            self._position = position
            self._expected = None  # a part tells nothing about the whole
        return position

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer.

        Raises:
            TryAgain: if the object was changed since it was opened, or the server is gone.
            StorageFailure: if the connection breaks time and again, or something else arrived than was stored.
        """
        if self._position >= self._size:
            self._compare()
            return 0
        left = self._retries
        while True:
            try:
                data = self._take(len(buffer))
            except (BotoCoreError, ClientError, OSError) as exc:
                self._drop()
                if code_of(exc) in _CHANGED:
                    raise changed(f"cannot read {self._place}") from exc
                if isinstance(exc, ClientError) or not left:
                    raise s3_error(exc, "read", f"{self._place}, from byte {self._position} on") from exc
                time.sleep(min(_PAUSE * 2 ** (self._retries - left), _LONGEST_PAUSE))
                left -= 1
            else:
                break
        buffer[: len(data)] = data
        self._position += len(data)
        if self._expected is not None:
            self._digest.update(data)
        return len(data)

    def _take(self, count: int) -> bytes:
        if self._body is None:
            asked = f"bytes={self._position}-"
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key, IfMatch=self._etag, Range=asked)
            self._body = answer["Body"]
            if not str(answer.get("ContentRange")).startswith(f"bytes {self._position}-") or (
                answer.get("ETag") != self._etag
            ):
                raise ConnectionError(f"what was asked from byte {self._position} on is not what came")
        data: bytes = self._body.read(min(count, self._size - self._position, _AT_ONCE))
        if not data:
            raise ConnectionResetError(f"the connection broke at byte {self._position} of {self._size}")
        return data

    def _compare(self) -> None:
        if self._expected not in (None, self._digest.hexdigest()):
            raise StorageFailure(
                f"cannot read {self._place}: what arrived is not what is stored there (its MD5 differs)",
                "Something on the way damages data: check the network, and run again.",
            )

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        """End the connection."""
        if not self.closed:
            self._drop()
        super().close()


def _md5(found: Any) -> str | None:
    """Give the MD5 that the server's answer tells of the whole object, or None if it tells none."""
    if found.get("SSECustomerAlgorithm") or str(found.get("ServerSideEncryption", "")).startswith("aws:kms"):
        return None
    match = _MD5.fullmatch(found["ETag"])
    return match[1] if match else None
