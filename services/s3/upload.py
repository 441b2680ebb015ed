"""Writing an object: a local spool that is sent at the end, in parts that nobody sees until all of them are there.

Multipart uploads: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

import base64
import hashlib
import io
import time
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from model_etl.errors import StorageFailure
from model_etl.publishing.storage import Location
from model_etl.runtime.signals import interruptible, signals_deferred
from model_etl.services.common.locks import NamedLock
from model_etl.services.common.temporary_file import Spool
from model_etl.services.s3.access import Access, connect
from model_etl.services.s3.errors import code_of, s3_error, told, translate_s3_errors

PART = 8 << 20
"""Bytes of a part; more where an object would have more than `_MOST_PARTS`."""
_MOST_PARTS = 10_000
_AT_ONCE = 4
"""Parts on their way at the same time, all of them in memory."""
_GRACE = 2.0
"""Seconds that parts on their way get to end after one has failed or a signal came."""
_PATIENCE = 8.0
"""Seconds to wait in all for a server that does not answer when uploads are thrown away."""
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
        with translate_s3_errors("write", self._place):
            answer = self._client.create_multipart_upload(**self._object, ContentType=self._media_type)
        self.id = str(told(answer, "UploadId", f"cannot write {self._place}"))
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
            with translate_s3_errors("write", self._place):
                etags = [part.result() for part in parts]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            wait(parts, timeout=_GRACE)  # a part that arrives after the upload was aborted may stay there
            raise
        pool.shutdown()
        self._parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]

    def abort_other(self, upload: str, clearing: Clearing) -> bool:
        """Have the server throw away an earlier upload of this object; tell whether it is gone."""
        return clearing.abort(self._object["Bucket"], self._object["Key"], upload)

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
                return str(told(answer, "ETag", f"cannot write {self._place}"))

    def complete(self, clearing: Clearing) -> None:
        """Let the parts become the object, at once and whole.

        Args:
            clearing: makes sure that nothing more comes of it if it is not known to have worked.

        Raises:
            ModelEtlError: if the server refuses; its message says so if nobody knows what became of it.
        """
        try:
            answer = self._client.complete_multipart_upload(
                **self._object, UploadId=self.id, MultipartUpload={"Parts": self._parts}
            )
            told(answer, "ETag", f"cannot publish {self._place}")
        except (BotoCoreError, ClientError, OSError, StorageFailure) as exc:
            final = self.abort(clearing) or _is_refusal(exc)  # before asking: what is not done by now never will be
            done = self._is_done()
            if done is False and not final:
                done = None
            if not done:
                error = s3_error(exc, "publish", self._place)
                if done is None:
                    error.message += "; it cannot be told whether it was published"
                raise error from exc
        self.id = None

    def _is_done(self) -> bool | None:
        """Tell whether the object is what was sent; None if nobody knows."""
        try:
            digests = b"".join(bytes.fromhex(part["ETag"].strip('"')) for part in self._parts)
            etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(self._parts)}"
            return bool(self._client.head_object(**self._object)["ETag"].strip('"') == etag)
        except ClientError as exc:
            return False if code_of(exc) in ("404", "NoSuchKey") else None
        except (BotoCoreError, OSError, KeyError, ValueError):
            return None

    def abort(self, clearing: Clearing) -> bool:
        """Have the server throw the parts away.

        Returns:
            Whether nothing more can come of it; if the server did not answer, the parts stay there unseen.
        """
        if self.id is None:
            return True
        if not clearing.abort(self._object["Bucket"], self._object["Key"], self.id):
            return False
        self.id = None
        return True


def _is_refusal(exc: BaseException) -> bool:
    """Tell whether a server has understood a request and does not do it, now or later."""
    status = exc.response["ResponseMetadata"]["HTTPStatusCode"] if isinstance(exc, ClientError) else 0
    return status in (400, 401, 403, 405, 409, 411, 412)


class Clearing:
    """Throws away uploads, without trying for long.

    Args:
        access: how to reach the server.
    """

    def __init__(self, access: Access) -> None:
        self._client = connect(access.impatient())
        self.waited = 0.0  # a server that is gone is not asked for each of a thousand uploads

    def abort(self, bucket: str, key: str, upload: str) -> bool:
        """Tell whether a server has thrown away the parts of an upload, or knows of none."""
        if self.waited > _PATIENCE:
            return False
        start = time.monotonic()
        try:
            self._client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        except ClientError as exc:
            return code_of(exc) == "NoSuchUpload" or _is_refusal(exc)  # asked again it would say the same
        except (BotoCoreError, OSError):
            self.waited += time.monotonic() - start
            return False
        return True


@lru_cache(maxsize=16)
def clearing(access: Access) -> Clearing:
    """Give what clears up at a server."""
    return Clearing(access)


class UploadedFile:
    """See `StagedFile`. A spool; `lock` begins an upload, `prepare` sends its parts, `publish` makes them the object.

    The lock is this machine's: two machines that write the same object are not kept apart.

    Args:
        location: what it will become.
        upload: on the way there.
        clearing: clears up at the server.
        lock: held while the object is written.
    """

    def __init__(self, location: Location, upload: Upload, clearing: Clearing, lock: NamedLock) -> None:
        self.location = location
        self.fs: Any = self
        self.path = location.name
        self._upload = upload
        self._clearing = clearing
        self._lock = lock
        self._spool: Spool | None = None
        self._left: list[str] = []  # ids of uploads that a run before left there, and that could not be cleared up

    def lock(self) -> bool:
        """See `StagedFile`."""
        with signals_deferred():  # a lock that was taken must be known
            if not self._lock.acquire():
                return False
            self._spool = Spool(self.location.name)
            self.path = self._spool.path
        left = self._lock.note.decode("ascii", "ignore").split()
        self._left = [upload for upload in left if not self._upload.abort_other(upload, self._clearing)]
        # What the server would refuse at the end, it refuses now, before the work.
        upload = self._upload.begin()
        self._clearing.waited = 0.0
        self._lock.note = " ".join([*self._left, upload]).encode()
        return True

    def openbin(self, path: str, mode: str = "w", **_: Any) -> BinaryIO:  # noqa: ARG002  the interface of fs
        """Open the spool."""
        assert self._spool is not None
        return self._spool.open()

    def prepare(self) -> None:
        """See `StagedFile`. All parts are at the server when this returns."""
        assert self._spool is not None
        self._upload.send(self._spool)

    def publish(self) -> None:
        """See `StagedFile`."""
        with interruptible():  # the server may let us wait for long
            self._upload.complete(self._clearing)
        self.discard()

    def discard(self) -> None:
        """See `StagedFile`."""
        gone = self._upload.abort(self._clearing)
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        self._lock.release(keep=bool(self._left) or not gone)


class WrittenObject(io.RawIOBase):
    """A file for graphs that are run by hand: closing it sends it, unless its block failed or it was forgotten.

    Args:
        upload: on the way to the server.
        clearing: clears up there.
        name: of the object, for errors.
    """

    def __init__(self, upload: Upload, clearing: Clearing, name: str) -> None:
        self._spool: Spool | None = None
        self._upload = upload
        self._clearing = clearing
        self._spool = Spool(name)

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: Any) -> int:
        """Write all of some bytes."""
        if self._spool is not None:
            self._spool.file.write(data)
        return len(memoryview(data).cast("B"))

    def discard(self) -> None:
        """Forget what was written, and send nothing."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.discard()
        self.close()

    def __del__(self) -> None:
        self.discard()
        super().close()

    def close(self) -> None:
        """Send it; does nothing the second time.

        Raises:
            ModelEtlError: if it does not get there; the old object is then still in its place.
        """
        try:
            if self._spool is not None:
                self._spool.file.flush()
                self._upload.begin()
                self._upload.send(self._spool)
                self._upload.complete(self._clearing)
        finally:
            self._upload.abort(self._clearing)
            self.discard()
            super().close()
