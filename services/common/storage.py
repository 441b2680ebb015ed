"""What a storage offers to a run, and the options that reach it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from typing_extensions import TypedDict, Unpack

from model_etl.publishing.storage import FoundFile, Location


class StorageOptions(TypedDict, total=False):
    """How to reach a storage; an option that is missing or None has its default.

    Attributes:
        key: the access key.
        secret_key: the secret that belongs to the access key.
        endpoint_url: the server's URL.
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for the next bytes of a response.
        retries: how many times a failed request is repeated.
    """

    key: str | None
    secret_key: str | None
    endpoint_url: str | None
    connect_timeout: float | None
    read_timeout: float | None
    retries: int | None


class LookupOptions(StorageOptions, total=False):
    """`StorageOptions`, and where names without a scheme are looked up.

    Attributes:
        bucket: the bucket that holds all names without a scheme; the local disk if it is missing or None.
    """

    bucket: str | None


@runtime_checkable
class Storage(Protocol):
    """The files of one URI scheme. A module with these functions is a storage.

    Every function takes `StorageOptions` and ignores the options that it does not need.
    """

    def locate(self, name: str, /, **options: Unpack[StorageOptions]) -> Location:
        """Return the location of one file, which need not exist.

        Raises:
            UsageError: if the name cannot be that of a file.
        """

    def find_files(self, name: str, /, **options: Unpack[StorageOptions]) -> list[FoundFile]:
        """Return the file of that name, the files in the folder of that name, or those that the pattern matches.

        Raises:
            InputMissing: if the folder is empty or the pattern matches nothing.
            ModelEtlError: if the storage cannot be listed.
        """

    def locate_in_folder(self, folder: str, relative: str, /, **options: Unpack[StorageOptions]) -> Location:
        """Return the location of a file in a folder, which is made when the file is written.

        Args:
            folder: name of the folder, with its slash.
            relative: name of the file below it, with slashes.
            options: how to reach the storage.
        """

    def is_folder(self, name: str, /, **options: Unpack[StorageOptions]) -> bool:
        """Return whether outputs are written into a folder of that name, rather than to a file."""
