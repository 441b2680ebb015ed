"""A bucket as a file system of fs-s3fs, for graphs that are run by hand. A run uses `Bucket` instead.

Why fs-s3fs's own reads and writes are replaced: docs/decisions/0010-s3-streams-in-and-is-sent-at-the-end.md.
"""

from __future__ import annotations

import io
from types import TracebackType
from typing import IO, Any, BinaryIO, cast

import model_etl.compat  # noqa: F401  before anything of fs

import boto3.session
from fs.base import FS
from fs.enums import ResourceType
from fs.errors import FileExists, ResourceNotFound, Unsupported
from fs.info import Info
from fs.mode import Mode
from fs.path import basename
from fs_s3fs import S3FS
from typing_extensions import Self

from model_etl.services.common.temporary_file import TemporaryFile
from model_etl.services.s3.access import Access, S3Client
from model_etl.services.s3.bucket import Bucket
from model_etl.services.s3.upload import Upload


class BucketFS(S3FS):
    """A bucket as a file system: objects are read as streams, and sent when they are closed.

    A prefix that objects have is a folder, also without an object that marks it. All other operations are those of
    fs-s3fs, with its errors.

    Args:
        bucket: name of the bucket.
        access: how to reach the server.

    Raises:
        ConfigurationError, UsageError: if the endpoint or the S3 settings of the environment are invalid.
    """

    def __init__(self, bucket: str, access: Access) -> None:
        super().__init__(bucket, strict=False)
        self._bucket = Bucket(bucket, access)

    @property
    def client(self) -> S3Client:
        """The boto3 client."""
        return self._bucket.client

    @property
    def s3(self) -> Any:
        """The boto3 resource, with which fs-s3fs asks for single objects."""
        if not hasattr(self._tlocal, "s3"):
            meta, access = self.client.meta, self._bucket.access
            self._tlocal.s3 = boto3.session.Session().resource(
                "s3",
                region_name=meta.region_name,
                aws_access_key_id=access.key or None,
                aws_secret_access_key=access.secret_key or None,
                endpoint_url=meta.endpoint_url,
                config=meta.config,
            )
        return self._tlocal.s3

    def openbin(self, path: str, mode: str = "r", buffering: int = -1, **options: Any) -> BinaryIO:  # noqa: ARG002
        """Open an object for reading as a stream, or for writing it anew: it is sent when it is closed.

        Raises:
            ModelEtlError: if it cannot be read.
            fs.errors.FileExists: if it exists and the mode is "x".
            fs.errors.Unsupported: if the mode is to change an object, which S3 cannot do.
        """
        wanted = Mode(mode)
        wanted.validate_bin()
        if not wanted.writing:
            self.check()
            return self._bucket.openbin(self._path_to_key(self.validatepath(path)))
        temporary, upload = self._begin_writing(path, wanted)
        return cast("BinaryIO", ObjectWriter(temporary.open(), temporary, upload))

    def open(
        self,
        path: str,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str = "",
        **options: Any,
    ) -> IO[Any]:
        """Open an object as Python's `open` opens a file, also as text.

        Raises:
            ModelEtlError, fs.errors.FSError: as `openbin` does.
        """
        wanted = Mode(mode)
        if not wanted.writing:
            return cast("IO[Any]", super().open(path, mode, buffering, encoding, errors, newline, **options))
        temporary, upload = self._begin_writing(path, wanted)
        file: IO[Any] = temporary.open()
        if not wanted.binary:
            file = io.TextIOWrapper(file, encoding or "utf-8", errors, newline)
        return cast("IO[Any]", ObjectWriter(file, temporary, upload))

    def _getinfo(self, path: str, namespaces: Any = None) -> Info:
        """Describe an object or a folder.

        Raises:
            fs.errors.ResourceNotFound: if there is neither.
        """
        try:
            info: Info = super()._getinfo(path, namespaces)
        except ResourceNotFound:
            if not self._bucket.has_folder(self._path_to_key(self.validatepath(path))):
                raise
        else:
            return info
        basic = {"name": basename(self.validatepath(path)), "is_dir": True}
        return Info({"basic": basic, "details": {"type": int(ResourceType.directory)}})

    getinfo = _getinfo  # that of fs-s3fs also wants an object that marks the parent folder
    exists = FS.exists  # that of fs-s3fs only finds objects

    def _begin_writing(self, path: str, mode: Mode) -> tuple[TemporaryFile, Upload]:
        self.check()
        key = self._path_to_key(self.validatepath(path))
        if mode.reading or mode.appending:
            raise Unsupported(f"{self._bucket.display_name(key)}: an object can be read or written anew, not changed")
        if mode.exclusive and self.exists(path):
            raise FileExists(path)
        upload = Upload(self._bucket, key, self._get_upload_args(key)["ContentType"])
        return TemporaryFile(self._bucket.display_name(key)), upload


class ObjectWriter:
    """An object that is open for writing: `close` sends it, unless its block has failed.

    It is a wrapper rather than an `io` class, because those close themselves when they are garbage-collected, and an
    object that was forgotten half-written must not be published.

    Args:
        file: writes to the temporary file, as bytes or as text; everything but closing is its business.
        temporary: the temporary file.
        upload: how the object is sent.
    """

    def __init__(self, file: IO[Any], temporary: TemporaryFile, upload: Upload) -> None:
        self._file = file
        self._temporary = temporary
        self._upload = upload

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is None:
            self.close()
        else:
            self._discard()

    def close(self) -> None:
        """Send the object; do nothing the second time.

        Raises:
            ModelEtlError: if it could not be published; an old object is then still in place.
        """
        if self._file.closed:
            return
        try:
            self._file.close()  # which flushes it
            self._upload.begin()
            self._upload.send(self._temporary)
            self._upload.complete()
        finally:
            self._upload.abort()
            self._discard()

    def _discard(self) -> None:
        self._file.close()
        self._temporary.close()
