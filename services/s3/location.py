"""Objects in buckets, of Amazon S3, MinIO or another server that speaks S3, as file systems to inject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from model_etl.errors import InputMissing, PermissionRefused, UsageError, printable
from model_etl.publishing.storage import FoundFile, Location, StagedFile
from model_etl.records.batch import source_identity
from model_etl.services.common.locks import NamedLock
from model_etl.services.common.patterns import is_pattern, matches, split
from model_etl.services.s3.access import Access
from model_etl.services.s3.file_system import BucketFS
from model_etl.services.s3.upload import UploadedFile, clearing

_SCHEME = "s3://"


def get_services(*, bucket: str, **options: Any) -> dict[str, Any]:
    """Give the services of a scoring graph that runs on a bucket, to be injected by name.

    Args:
        bucket: its name.
        options: `key`, `secret_key`, `endpoint_url` and the other fields of `Access`; None stands for not given.
    """
    fs = BucketFS(bucket, _access(options))
    return {"fs": fs, "output_fs": fs, "log_fs": fs, "rejects_fs": fs}


def locate(name: str, **options: Any) -> Location:
    """Find an object by its URI, s3://bucket/key; the key is taken as it is written.

    Raises:
        UsageError: if the URI names no bucket or no object.
    """
    bucket, _, key = name.removeprefix(_SCHEME).partition("/")
    if not bucket or not key or key.endswith("/"):
        raise UsageError(f"{name} names no object", "Write it as s3://bucket/key.")
    if printable(name) != name:
        raise UsageError(f"{printable(name)} is no UTF-8", "Keys are UTF-8: check the name.")
    return S3Object(BucketFS(bucket, _access(options)), key)


def find(name: str, **options: Any) -> list[FoundFile]:
    """Find an object, the objects in a folder, or those that a pattern fits; see `services.find`.

    Raises:
        InputMissing: if there are none, or there is no such bucket.
        ModelEtlError: if the server does not list them.
    """
    bucket, _, key = name.removeprefix(_SCHEME).partition("/")
    if not bucket or printable(name) != name:
        raise UsageError(f"{printable(name)} names no object", "Write it as s3://bucket/key, in UTF-8.")
    fs = BucketFS(bucket, _access(options))
    told = fs.look(key) if key and not key.endswith("/") else None
    pattern = is_pattern(key) and not told
    if told or not (pattern or key.endswith("/") or _is_folder(fs, key)):
        return [FoundFile(S3Object(fs, key, told), key.rpartition("/")[2])]
    if key and not pattern:
        key = key.removesuffix("/") + "/"
    folder, parts = split(key) if pattern else (key, ["*"])
    found = []
    for item in fs.listed(folder, deep=len(parts) > 1):
        below = item.get("Key", "")[len(folder) :]
        if below and not below.endswith("/") and matches(parts, below.split("/")):
            found.append(FoundFile(S3Object(fs, folder + below, {"ContentLength": item["Size"], **item}), below))
    if not found:
        why = "no object has such a key" if pattern else "there are no objects in that folder"
        raise InputMissing(f"cannot read {fs.place(key)}: {why}", "Check the bucket, the key and the endpoint.")
    return found


def _is_folder(fs: BucketFS, key: str) -> bool:
    try:
        return fs.isdir(key)
    except (PermissionRefused, InputMissing):  # asked for the object itself, the server says more
        return False


def _access(options: dict[str, Any]) -> Access:
    return Access(**{name: value for name, value in options.items() if value is not None})


def _server(endpoint: str) -> str:
    """Give an endpoint's URL so that the same server is always spelled the same."""
    parts = urlsplit(endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path.rstrip('/')}"


class S3Object:
    """See `Location`. An object in a bucket.

    Args:
        fs: the bucket.
        key: the object.
        told: what the server told of it just now, if it did.
    """

    stream = False

    def __init__(self, fs: BucketFS, key: str, told: Mapping[str, Any] | None = None) -> None:
        self.name = f"{_SCHEME}{fs.bucket}/{key}"
        self.uri = f"{_SCHEME}{fs.bucket}/{quote(key)}"
        self.display_name = fs.place(key)
        self.fs: Any = fs
        self.key = key
        self.path = f"/{key}"  # a key may begin with a slash of its own
        self.size: int | None = None
        self._told = told

    def exists(self) -> bool:
        """See `Location`."""
        return self.fs.look(self.key) is not None

    def identity(self) -> str:
        """See `Location`. The URI, the size and the ETag; what was told just now is not asked again."""
        told, self._told = self._told or self.fs.head(self.key), None
        self.size = int(told["ContentLength"])
        return source_identity(self.uri, self.size, told["ETag"])

    def check_writable(self) -> None:
        """See `Location`. Asks the server to begin an upload, and takes it back: nothing of it is ever seen."""
        upload = self.fs.upload_of(self.key, "application/octet-stream")
        upload.begin()
        upload.abort(clearing(self.fs.access))

    def remove(self) -> None:
        """See `Location`."""
        self.fs.remove(self.path)

    def stage(self, *, private: bool, media_type: str) -> StagedFile:  # noqa: ARG002  who may read is the bucket's matter
        """See `Location`."""
        return UploadedFile(
            self,
            self.fs.upload_of(self.key, media_type),
            clearing(self.fs.access),
            NamedLock(f"{_server(self.fs.endpoint)} {self.uri}"),
        )
