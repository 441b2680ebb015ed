"""File systems to inject. To add one, write a module with a `locate` function and add a line to `SCHEMES`."""

from __future__ import annotations

import importlib
from typing import Any

from model_etl.errors import UsageError
from model_etl.publishing.publication import FoundFile, Location

SCHEMES = {"": "model_etl.services.local", "file": "model_etl.services.local", "s3": "model_etl.services.s3"}
"""Module that knows the names of a scheme; imported when a name needs it."""


def locate(name: str, **options: Any) -> Location:
    """Find out where a file lies.

    Args:
        name: a path, a URI with a scheme of `SCHEMES`, or `-` for a standard stream.
        options: how to reach the storage, see `StorageSettings`; and `bucket`, in which names without a scheme lie.

    Raises:
        UsageError: if no service knows the scheme.
    """
    module, name, options = _service(name, options)
    location: Location = module.locate(name, **options)
    return location


def find(name: str, **options: Any) -> list[FoundFile]:
    """Find the files that a name stands for: itself, those in a folder, or those that a pattern fits.

    Args:
        name: as for `locate`; a folder, or a pattern (see `model_etl.services.common.patterns`).
        options: as for `locate`.

    Returns:
        The files in the order of their names. A plain file that does not exist is among them: reading it tells why.

    Raises:
        InputMissing: if a folder is empty, or nothing fits a pattern.
    """
    module, name, options = _service(name, options)
    if not hasattr(module, "find"):
        location = module.locate(name, **options)
        return [FoundFile(location, location.name.rpartition("/")[2])]
    found: list[FoundFile] = module.find(name, **options)
    return sorted(found, key=lambda file: file.relative)


def below(folder: str, relative: str, **options: Any) -> Location:
    """Find out where an output lies in a folder, which need not exist.

    Args:
        folder: name of the folder, which `is_folder` said is one.
        relative: name of the file in it, with slashes.
        options: as for `locate`.

    Raises:
        UsageError: if the name would lead out of the folder.
    """
    if not {"", ".", ".."}.isdisjoint(relative.split("/")):
        raise UsageError(f"{relative} is no name for a file in {folder}", "Rename the input, or name a file as output.")
    module, name, options = _service(f"{folder.removesuffix('/')}/{relative}", options)
    if hasattr(module, "below"):
        location: Location = module.below(name.removesuffix(relative), relative, **options)
        return location
    return locate(name, **options)


def is_folder(name: str, **options: Any) -> bool:
    """Tell whether a name is a folder to write to: it ends with a slash, or is one already."""
    module, name, options = _service(name, options)
    return name.endswith("/") or (hasattr(module, "is_folder") and bool(module.is_folder(name)))


def _service(name: str, options: dict[str, Any]) -> tuple[Any, str, dict[str, Any]]:
    """Give the module that knows a name, the name with its bucket, and the options without it."""
    rest = {key: value for key, value in options.items() if key != "bucket"}
    scheme, separator, _ = name.partition("://")
    if not separator:
        scheme = ""
    bucket = options.get("bucket")
    if not separator and bucket is not None and name != "-":
        if not bucket:
            raise UsageError(f"there is no bucket for {name}", "Give --bucket NAME, or write it as s3://BUCKET/KEY.")
        scheme, name = "s3", f"s3://{bucket}/{name.removeprefix('/')}"
    if scheme not in SCHEMES:
        known = ", ".join(f"{s}://" for s in SCHEMES if s)
        raise UsageError(
            f"cannot tell where {name} lies: no service knows {scheme}://", f"Use a path or one of: {known}"
        )
    return importlib.import_module(SCHEMES[scheme]), name, rest
