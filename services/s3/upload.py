"""Writing an object in parts that stay invisible until all of them have arrived.

Multipart uploads: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor, wait

from botocore.exceptions import BotoCoreError, ClientError

from model_etl.errors import StorageFailure
from model_etl.services.common.temporary_file import TemporaryFile
from model_etl.services.s3.bucket import Bucket
from model_etl.services.s3.errors import (
    error_code,
    is_final_refusal,
    required_member,
    s3_error,
    translate_s3_errors,
)
from model_etl.services.s3.upload_cleaner import upload_cleaner

PART_BYTES = 8 << 20
"""Size of a part; parts are larger where an object would have more than `_MAX_PARTS` of them."""
_MAX_PARTS = 10_000
_PARALLEL_PARTS = 4
"""How many parts are sent at the same time, all of them held in memory."""
_STOP_GRACE_S = 2.0
"""How long parts on their way may take to end after another one has failed or a signal has come."""
_DAMAGED_CODES = ("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch")


class Upload:
    """One object on its way to a server. An old object of that key stays in place until `complete`.

    Args:
        bucket: the bucket.
        key: the object.
        media_type: the object's content type.
    """

    def __init__(self, bucket: Bucket, key: str, media_type: str) -> None:
        self._client = bucket.client
        self._object = {"Bucket": bucket.name, "Key": key}
        self._display_name = bucket.display_name(key)
        self._media_type = media_type
        self._retries = bucket.access.retries
        self._cleaner = upload_cleaner(bucket.access)
        self._etags: list[str] = []
        self._id: str | None = None

    def begin(self) -> str:
        """Begin a multipart upload, which also shows that the object may be written.

        Returns:
            The id that the server gave the upload.

        Raises:
            ModelEtlError: if the server refuses or does not answer.
        """
        with translate_s3_errors("write", self._display_name):
            answer = self._client.create_multipart_upload(**self._object, ContentType=self._media_type)
        self._id = str(required_member(answer, "UploadId", f"cannot write {self._display_name}"))
        self._cleaner.reset_wait()
        return self._id

    def send(self, content: TemporaryFile) -> None:
        """Send a file in parts, each with its MD5, which the server compares with what has arrived.

        Raises:
            ModelEtlError: if a part does not arrive whole.
        """
        size = content.size
        part_bytes = max(PART_BYTES, -(-size // _MAX_PARTS))
        pool = ThreadPoolExecutor(_PARALLEL_PARTS, thread_name_prefix="upload")
        parts = [
            pool.submit(self._send_part, number, content, offset, part_bytes)
            for number, offset in enumerate(range(0, max(size, 1), part_bytes), 1)
        ]
        try:
            with translate_s3_errors("write", self._display_name):
                self._etags = [part.result() for part in parts]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            wait(parts, timeout=_STOP_GRACE_S)  # a part that arrives after the abort may stay at the server
            raise
        pool.shutdown()

    def _send_part(self, number: int, content: TemporaryFile, offset: int, part_bytes: int) -> str:
        """Send one part, again if it arrives damaged; return its ETag."""
        body = content.read_at(offset, part_bytes)
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        remaining_retries = self._retries
        while True:
            try:
                answer = self._client.upload_part(
                    **self._object, UploadId=self._id, PartNumber=number, Body=body, ContentMD5=md5
                )
            except ClientError as exc:
                if error_code(exc) not in _DAMAGED_CODES or not remaining_retries:
                    raise
                remaining_retries -= 1
            else:
                return str(required_member(answer, "ETag", f"cannot write {self._display_name}"))

    def complete(self) -> None:
        """Make the parts the object, at once and whole.

        Raises:
            ModelEtlError: if the object was not published, or if that is unknown; the message then says so.
        """
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._etags, 1)]
        try:
            answer = self._client.complete_multipart_upload(
                **self._object, UploadId=self._id, MultipartUpload={"Parts": parts}
            )
            required_member(answer, "ETag", f"cannot publish {self._display_name}")
        except (BotoCoreError, ClientError, OSError, StorageFailure) as exc:
            # Abort first: after a successful abort the upload can no longer complete, so HEAD gives the final answer.
            is_final = self.abort() or is_final_refusal(exc)
            published = self._is_published()
            if not published:
                error = s3_error(exc, "publish", self._display_name)
                if published is None or not is_final:
                    error.message += "; it is not known whether it was published"
                raise error from exc
        self._id = None

    def _is_published(self) -> bool | None:
        """Return whether the object at the server is the one that was sent; None if the server does not say.

        The ETag of an object that was uploaded in parts is made from the MD5s of the parts.
        """
        try:
            digests = b"".join(bytes.fromhex(etag.strip('"')) for etag in self._etags)
            expected = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(self._etags)}"
            return bool(self._client.head_object(**self._object)["ETag"].strip('"') == expected)
        except ClientError as exc:
            return False if error_code(exc) in ("404", "NoSuchKey") else None
        except (BotoCoreError, OSError, KeyError, ValueError):
            return None

    def abort(self) -> bool:
        """Have the server delete the parts.

        Returns:
            Whether the upload is ended; if the server did not answer, its invisible parts stay there.
        """
        if self._id is not None and self.abort_earlier(self._id):
            self._id = None
        return self._id is None

    def abort_earlier(self, upload_id: str) -> bool:
        """Have the server delete the parts of an upload of the same object; return whether that upload is ended."""
        return self._cleaner.abort(self._object["Bucket"], self._object["Key"], upload_id)
