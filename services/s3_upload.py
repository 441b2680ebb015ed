"""Writing an object: a local spool that is sent at the end, in parts that nobody sees until all of them are there.

Multipart uploads: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from model_etl.errors import ModelEtlError
from model_etl.interrupts import deferred
from model_etl.publish import Location
from services.locks import NamedLock
from services.s3_errors import code_of, s3_error, translated
from services.spool import Spool

PART = 8 << 20
"""Bytes of a part; more where an object would have more than `_MOST_PARTS`."""
_MOST_PARTS = 10_000
_AT_ONCE = 4
"""Parts on their way at the same time, all of them in memory."""
_GRACE = 2.0
"""Seconds that parts on their way get to end after one has failed or a signal came."""
_DAMAGED = ("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch")


class Upload:
    """One object on its way to a server. The old object stays in its place until `complete`.

    Args:
        client: a boto3 client for S3.
        bucket: the bucket.
        key: the object.
        place: both and the server, for errors.
        media_type: the object's content type.
        retries: how many times a part is sent again that arrived damaged.
    """

    def __init__(self, client: Any, bucket: str, key: str, place: str, media_type: str, retries: int) -> None:
        self._client = client
        self._object = {"Bucket": bucket, "Key": key}
        self._place = place
        self._media_type = media_type
        self._retries = retries
        self._parts: list[dict[str, Any]] = []
        self.id: str | None = None

    def begin(self) -> str:
        """Ask the server to take parts.

        Returns:
            The upload's id there.

        Raises:
            ModelEtlError: if it does not.
        """
        with translated("write", self._place):
            answer = self._client.create_multipart_upload(**self._object, ContentType=self._media_type)
        self.id = str(answer["UploadId"])
        return self.id

    def send(self, spool: Spool) -> None:
        """Send all parts, each with its MD5, which the server compares with what arrived.

        Raises:
            ModelEtlError: if one does not get there whole.
        """
        size = spool.size
        step = max(PART, -(-size // _MOST_PARTS))
        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="upload")
        parts = [
            pool.submit(self._send_part, number, spool, offset, step)
            for number, offset in enumerate(range(0, max(size, 1), step), 1)
        ]
        try:
            with translated("write", self._place):
                etags = [part.result() for part in parts]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            wait(parts, timeout=_GRACE)  # a part that arrives after the upload was aborted may stay there
            raise
        pool.shutdown()
        self._parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]

    def _send_part(self, number: int, spool: Spool, offset: int, size: int) -> str:
        body = spool.part(offset, size)
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        left = self._retries
        while True:
            try:
                answer = self._client.upload_part(
                    **self._object, UploadId=self.id, PartNumber=number, Body=body, ContentMD5=md5
                )
            except ClientError as exc:
                if code_of(exc) not in _DAMAGED or not left:
                    raise
                left -= 1
            else:
                return str(answer["ETag"])

    def complete(self) -> None:
        """Let the parts become the object, at once and whole.

        Raises:
            ModelEtlError: if the server refuses; its message says so if nobody knows what became of it.
        """
        try:
            self._client.complete_multipart_upload(
                **self._object, UploadId=self.id, MultipartUpload={"Parts": self._parts}
            )
        except (BotoCoreError, ClientError, OSError) as exc:
            # The answer may have been lost: asked again, the server knows of no such upload, since it is done.
            lost = isinstance(exc, HTTPClientError) or code_of(exc) == "NoSuchUpload"
            done = self._is_done() if lost else False
            if not done:
                error = s3_error(exc, "publish", self._place)
                if done is None:
                    error.message += "; it cannot be told whether it was published"
                raise error from exc
        self.id = None

    def _is_done(self) -> bool | None:
        """Tell whether the object is what was sent; None if nobody knows."""
        digests = b"".join(bytes.fromhex(part["ETag"].strip('"')) for part in self._parts)
        etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(self._parts)}"
        try:
            return bool(self._client.head_object(**self._object)["ETag"].strip('"') == etag)
        except ClientError as exc:
            return False if code_of(exc) in ("404", "NoSuchKey") else None
        except (BotoCoreError, OSError):
            return None

    def abort(self, client: Any) -> None:
        """Have the server throw the parts away; if it does not answer, they stay there unseen.

        Args:
            client: one that does not try for long.
        """
        if self.id is not None:
            abort(client, self._object["Bucket"], self._object["Key"], self.id)
            self.id = None


def abort(client: Any, bucket: str, key: str, upload: str) -> None:
    """Have a server throw away the parts of an upload."""
    with contextlib.suppress(BotoCoreError, ClientError, OSError):
        client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)


class UploadedStage:
    """See `Stage`. A spool; `lock` begins an upload, `settle` sends its parts, `publish` makes them the object.

    The lock is this machine's: two machines that write the same object are not kept apart.

    Args:
        location: what it will become.
        upload: on the way there.
        client: to clear up with, one that does not try for long.
        lock: held while the object is written.
    """

    def __init__(self, location: Location, upload: Upload, client: Any, lock: NamedLock) -> None:
        self.location = location
        self.fs: Any = self
        self.path = location.name
        self._upload = upload
        self._client = client
        self._lock = lock
        self._spool: Spool | None = None

    def lock(self) -> bool:
        """See `Stage`."""
        with deferred():  # a lock that was taken must be known
            if not self._lock.acquire():
                return False
            self._spool = Spool(self.location.name)
            self.path = self._spool.path
        self._clear_up()
        # What the server would refuse at the end, it refuses now, before the work.
        self._lock.note = json.dumps({"upload": self._upload.begin()}).encode()
        return True

    def openbin(self, path: str, mode: str = "w", **_: Any) -> BinaryIO:  # noqa: ARG002  the interface of fs
        """Open the spool."""
        assert self._spool is not None
        return self._spool.open()

    def settle(self) -> None:
        """See `Stage`. All parts are at the server when this returns."""
        assert self._spool is not None
        self._upload.send(self._spool)

    def _clear_up(self) -> None:
        """Throw away the parts of a run that was killed."""
        if self._lock.note:
            fs: Any = self.location.fs
            abort(self._client, fs.bucket, self.location.path, json.loads(self._lock.note)["upload"])

    def publish(self) -> None:
        """See `Stage`."""
        self._upload.complete()
        self.discard()

    def discard(self) -> None:
        """See `Stage`."""
        self._upload.abort(self._client)
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        self._lock.release()


class WrittenObject(Spool):
    """A file for graphs that are run by hand: closing it sends it, unless its block or the run failed."""

    def __init__(self, upload: Upload, client: Any, name: str) -> None:
        super().__init__(name)
        self._upload = upload
        self._client = client
        self._open = True

    def write(self, data: Any) -> int:
        """Write all of some bytes."""
        return self.file.write(data)

    def __enter__(self) -> BinaryIO:
        return self  # type: ignore[return-value]

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            super().close()

    def close(self) -> None:
        """Send it; does nothing the second time.

        Raises:
            ModelEtlError: if it does not get there; the old object is then still in its place.
        """
        if self.file.closed:
            return
        try:
            self.file.flush()
            self._upload.begin()
            self._upload.send(self)
            self._upload.complete()
        except ModelEtlError:
            self._upload.abort(self._client)
            raise
        finally:
            super().close()
