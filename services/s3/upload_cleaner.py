"""Aborting uploads, so that a server does not keep the parts of objects that will never be complete."""

from __future__ import annotations

import time
from functools import lru_cache

from botocore.exceptions import BotoCoreError, ClientError

from model_etl.services.s3.access import Access, connect
from model_etl.services.s3.errors import error_code, is_final_refusal

_TOTAL_WAIT_S = 1.0
"""How long all aborts of a run may wait in all for a server that does not answer, beside the wait that goes beyond it:
a run that a signal ends must have ended before Docker kills it, after 10 s."""


class UploadCleaner:
    """Aborts the uploads at one server, each with a single short try.

    A run may have a thousand uploads: once the waiting has taken `_TOTAL_WAIT_S`, the server is not asked any more.

    Args:
        access: how to reach the server.
    """

    def __init__(self, access: Access) -> None:
        self._client = connect(access.with_short_timeouts())
        self._waited_s = 0.0

    def reset_wait(self) -> None:
        """Allow the full waiting time again; called when the server has answered."""
        self._waited_s = 0.0

    def abort(self, bucket: str, key: str, upload_id: str) -> bool:
        """Have the server delete the parts of an upload.

        Returns:
            Whether the matter is closed: the server has deleted the parts, has none, or refuses for good.
        """
        if self._waited_s > _TOTAL_WAIT_S:
            return False
        start = time.monotonic()
        try:
            self._client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        except ClientError as exc:
            return error_code(exc) == "NoSuchUpload" or is_final_refusal(exc)
        except (BotoCoreError, OSError):
            self._waited_s += time.monotonic() - start
            return False
        return True


@lru_cache(maxsize=16)
def upload_cleaner(access: Access) -> UploadCleaner:
    """Return the cleaner of a server, the same one for all uploads."""
    return UploadCleaner(access)
