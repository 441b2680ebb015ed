"""The storages, by the scheme of a file's name. To add one, write a module and register it with `register_storage`.

A module with all functions of `model_etl.services.common.storage.Storage` has folders and patterns; one that only has
`locate` has single files.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from typing_extensions import Unpack, override

from model_etl.errors import UsageError, printable
from model_etl.publishing.storage import FoundFile, Location
from model_etl.services.common.storage import LookupOptions, Storage, StorageOptions

SCHEMES = {"": "model_etl.services.local", "file": "model_etl.services.local", "s3": "model_etl.services.s3"}
"""Name of the storage module of each scheme; a module is imported when a name needs it."""


def register_storage(scheme: str, module: str) -> None:
    """Register the storage of a scheme, in place of an earlier one.

    Args:
        scheme: what names have before `://`.
        module: full name of the module; it is imported when a name of this scheme is first used.
    """
    SCHEMES[scheme] = module


def locate(name: str, **options: Unpack[LookupOptions]) -> Location:
    """Return the location of a file, which need not exist.

    Args:
        name: a path, a URI with a scheme of `SCHEMES`, or `-` for a standard stream.
        options: how to reach the storage (`StorageSettings`), and the bucket of names without a scheme.

    Raises:
        UsageError: if no storage is registered for the scheme.
    """
    storage, name, rest = _resolve(name, options)
    return storage.locate(name, **rest)


def find_files(name: str, **options: Unpack[LookupOptions]) -> list[FoundFile]:
    """Return the files that a name stands for: the file itself, those in a folder, or those that a pattern matches.

    Args:
        name: as for `locate`; or a folder, or a pattern (see `model_etl.services.common.patterns`).
        options: as for `locate`.

    Returns:
        The files in the order of their names. A plain name is returned even if the file does not exist: reading it
        then raises the error that fits.

    Raises:
        InputMissing: if a folder is empty, or nothing matches a pattern.
    """
    storage, name, rest = _resolve(name, options)
    return sorted(storage.find_files(name, **rest), key=lambda file: file.relative)


def locate_in_folder(folder: str, relative: str, **options: Unpack[LookupOptions]) -> Location:
    """Return the location of an output in a folder, which need not exist.

    Args:
        folder: name of a folder, for which `is_folder` is true.
        relative: name of the file below it, with slashes.
        options: as for `locate`.

    Raises:
        UsageError: if the name would lead out of the folder.
    """
    if not {"", ".", ".."}.isdisjoint(relative.split("/")):
        raise UsageError(
            f"{printable(repr(relative))} is not a valid name for a file in the folder {folder}",
            "Rename the input, or name a file as output.",
        )
    storage, name, rest = _resolve(f"{folder.removesuffix('/')}/{relative}", options)
    return storage.locate_in_folder(name.removesuffix(relative), relative, **rest)


def is_folder(name: str, **options: Unpack[LookupOptions]) -> bool:
    """Return whether a name stands for a folder to write to: it ends with a slash, or the folder exists."""
    storage, name, rest = _resolve(name, options)
    return name.endswith("/") or storage.is_folder(name, **rest)


def _resolve(name: str, options: LookupOptions) -> tuple[Storage, str, StorageOptions]:
    """Return the storage of a name, the name with its bucket, and the options for the storage."""
    rest = cast("StorageOptions", {key: value for key, value in options.items() if key != "bucket"})
    scheme, separator, _ = name.partition("://")
    if not separator:
        scheme = ""
    bucket = options.get("bucket")
    if not separator and bucket is not None and name != "-":
        if not bucket:
            raise UsageError(
                f"there is no bucket for {name}", "Pass --bucket NAME, or write the name as s3://BUCKET/KEY."
            )
        scheme, name = "s3", f"s3://{bucket}/{name.removeprefix('/')}"
    if scheme not in SCHEMES:
        known = ", ".join(f"{registered}://" for registered in SCHEMES if registered)
        raise UsageError(f"unsupported scheme {scheme}:// in {name!r}", f"Use a local path, or one of: {known}.")
    return _import_storage(SCHEMES[scheme]), name, rest


def _import_storage(module_name: str) -> Storage:
    module = importlib.import_module(module_name)
    return module if isinstance(module, Storage) else _SingleFileStorage(module.locate)


class _SingleFileStorage(Storage):
    """A storage module that only has `locate`: every name is one file, and there are no folders or patterns.

    Args:
        locate_file: the module's `locate`.
    """

    def __init__(self, locate_file: Callable[..., Location]) -> None:
        self._locate_file = locate_file

    @override
    def locate(self, name: str, /, **options: Unpack[StorageOptions]) -> Location:
        return self._locate_file(name, **options)

    @override
    def find_files(self, name: str, /, **options: Unpack[StorageOptions]) -> list[FoundFile]:
        location = self.locate(name, **options)
        return [FoundFile(location, location.name.rpartition("/")[2])]

    @override
    def locate_in_folder(self, folder: str, relative: str, /, **options: Unpack[StorageOptions]) -> Location:
        return self.locate(f"{folder}{relative}", **options)

    @override
    def is_folder(self, name: str, /, **options: Unpack[StorageOptions]) -> bool:
        return False
