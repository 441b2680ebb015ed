"""Objects in buckets: how they are found, read and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from typing_extensions import Unpack, override

from model_etl.errors import InputMissing, PermissionRefused, UsageError, encodable, printable
from model_etl.publishing.storage import BinaryOpener, FoundFile, Location, StagedFile
from model_etl.records.batch import source_identity
from model_etl.services.common.locks import NamedLock
from model_etl.services.common.patterns import FileSelection, matches, select_files
from model_etl.services.common.storage import StorageOptions
from model_etl.services.s3.access import Access, S3Answer
from model_etl.services.s3.bucket import Bucket
from model_etl.services.s3.errors import archived_error
from model_etl.services.s3.staged_object import StagedObject
from model_etl.services.s3.upload import Upload

if TYPE_CHECKING:
    from model_etl.services.s3.file_system import BucketFS

_SCHEME = "s3://"
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
"""Storage classes whose objects have to be restored before they are read."""


def get_services(*, bucket: str, **options: Unpack[StorageOptions]) -> dict[str, BucketFS]:
    """Return the services that a scoring graph needs to run on a bucket, by the names that they are injected by.

    Args:
        bucket: name of the bucket.
        options: how to reach the server.
    """
    from model_etl.services.s3.file_system import BucketFS  # noqa: PLC0415  a run does not need fs-s3fs

    fs = BucketFS(bucket, _access(options))
    return {"fs": fs, "output_fs": fs, "log_fs": fs, "rejects_fs": fs}


def locate(name: str, /, **options: Unpack[StorageOptions]) -> Location:
    """Return the location of an object.

    Args:
        name: the object's URI, s3://BUCKET/KEY; the key is taken as it is written, without any escapes.
        options: how to reach the server.

    Raises:
        UsageError: if the URI has no bucket or no key, or is not valid UTF-8.
    """
    bucket, _, key = name.removeprefix(_SCHEME).partition("/")
    if not bucket or not key or key.endswith("/"):
        raise UsageError(f"{name} does not name an object", "Write it as s3://BUCKET/KEY.")
    if encodable(name) != name:
        raise UsageError(f"{printable(name)} is not valid UTF-8", "Keys are UTF-8: check the name.")
    return S3Object(Bucket(bucket, _access(options)), key)


def find_files(name: str, /, **options: Unpack[StorageOptions]) -> list[FoundFile]:
    """Return an object, the objects in a folder, or those that a pattern matches; see `services.find_files`.

    Raises:
        InputMissing: if there are none, or there is no such bucket.
        UsageError: if the URI has no bucket, or is not valid UTF-8.
        ModelEtlError: if the server refuses or does not answer.
    """
    bucket_name, _, key = name.removeprefix(_SCHEME).partition("/")
    if not bucket_name or encodable(name) != name:
        raise UsageError(f"{printable(name)} does not name an object", "Write it as s3://BUCKET/KEY, in UTF-8.")
    bucket = Bucket(bucket_name, _access(options))
    answer = bucket.head_or_none(key) if key and not key.endswith("/") else None
    selection = select_files(
        key, exists=lambda _: answer is not None, is_folder=lambda key: answer is None and _is_input_folder(bucket, key)
    )
    if selection is None:
        return [FoundFile(S3Object(bucket, key, answer), key.rpartition("/")[2])]
    files = _list_files(bucket, selection)
    if not files:
        reason = "no object has such a key" if selection.is_pattern else "there are no objects in that folder"
        folder_or_pattern = key if selection.is_pattern else selection.folder
        raise InputMissing(
            f"cannot read {bucket.display_name(folder_or_pattern)}: {reason}",
            "Check the bucket, the key and the endpoint.",
        )
    return files


def _is_input_folder(bucket: Bucket, key: str) -> bool:
    """Return whether a key without an object is the name of a folder."""
    if not key or key.endswith("/"):
        return True
    try:
        return bucket.has_folder(key)
    except (PermissionRefused, InputMissing):  # reading the object itself gives the better error
        return False


def _list_files(bucket: Bucket, selection: FileSelection) -> list[FoundFile]:
    files = []
    for answer in bucket.list_objects(selection.folder, recursive=len(selection.parts) > 1):
        relative = answer["Key"].removeprefix(selection.folder)
        if relative and not relative.endswith("/") and matches(selection.parts, relative.split("/")):
            head = {"ContentLength": answer["Size"], **answer}
            files.append(FoundFile(S3Object(bucket, answer["Key"], head), relative))
    return files


def locate_in_folder(folder: str, relative: str, /, **options: Unpack[StorageOptions]) -> Location:
    """Return the location of an object below a prefix."""
    return locate(f"{folder}{relative}", **options)


def is_folder(name: str, /, **_: Unpack[StorageOptions]) -> bool:
    """Return whether a name ends with a slash; prefixes that objects have are not looked up."""
    return name.endswith("/")


def _access(options: StorageOptions) -> Access:
    set_options: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    return Access(**set_options)


def _canonical_url(endpoint: str) -> str:
    """Return an endpoint's URL in the one spelling that all URLs of the same server have here."""
    parts = urlsplit(endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path.rstrip('/')}"


class S3Object(Location):
    """An object in a bucket.

    Args:
        bucket: the bucket.
        key: the object.
        head: what the server has just told of the object, if it was asked.
    """

    stream = False

    def __init__(self, bucket: Bucket, key: str, head: S3Answer | None = None) -> None:
        self.name = f"{_SCHEME}{bucket.name}/{key}"
        self.uri = f"{_SCHEME}{bucket.name}/{quote(key)}"
        self.display_name = bucket.display_name(key)
        self.fs: BinaryOpener = bucket
        self.path = key
        self.size: int | None = None
        self._bucket = bucket
        self._head = head

    @override
    def exists(self) -> bool:
        return self._bucket.head_or_none(self.path) is not None

    @override
    def identity(self) -> str:
        # What was told when the object was found is used once: later calls have to see whether it was changed.
        head, self._head = self._head or self._bucket.head(self.path), None
        self._refuse_archived(head)
        self.size = int(head["ContentLength"])
        return source_identity(self.uri, self.size, head["ETag"])

    def _refuse_archived(self, head: S3Answer) -> None:
        """Check that the object can be read at once: reading it would be refused only when its turn comes."""
        if head.get("StorageClass") not in _ARCHIVES and "ArchiveStatus" not in head:
            return
        restored = head.get("Restore") or self._bucket.head(self.path).get("Restore", "")  # a list does not say
        if 'ongoing-request="false"' not in str(restored):
            raise archived_error(self.display_name, head["StorageClass"])

    @override
    def check_writable(self) -> None:
        upload = Upload(self._bucket, self.path, "application/octet-stream")
        upload.begin()
        upload.abort()

    @override
    def remove(self) -> None:
        self._bucket.remove(self.path)

    @override
    def stage(self, *, private: bool, media_type: str) -> StagedFile:
        # Who may read an object is decided by the bucket's policy, so `private` has no effect.
        upload = Upload(self._bucket, self.path, media_type)
        return StagedObject(self, upload, NamedLock(f"{_canonical_url(self._bucket.endpoint)} {self.uri}"))
