"""A model that lies on another storage: fetched once, before it is loaded."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from model_etl.artefacts.names import artefact_name
from model_etl.errors import InputMissing, ModelUnavailable, TryAgain
from model_etl.publishing.storage import Location
from model_etl.runtime.system_errors import translate_storage_errors
from model_etl.settings.job_config import StorageSettings

_BLOCK_BYTES = 1 << 20


@contextlib.contextmanager
def fetched_model(model: str, storage: StorageSettings) -> Iterator[str | None]:
    """Fetch a model that is a file on another storage into a temporary folder, which is removed at the end.

    Args:
        model: the model as the user named it.
        storage: how to reach the storage.

    Yields:
        The path of the local copy, or None if there is nothing to fetch.

    Raises:
        ModelUnavailable: if there is no such file.
        ModelEtlError: if the storage cannot be read.
    """
    name = artefact_name(model)
    if name is None or not name.is_remote:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="model_etl-") as folder:
        yield _fetch(model, name.location.rstrip("/"), Path(folder), storage, is_folder=name.scheme == "mlflow")


def _fetch(model: str, uri: str, folder: Path, storage: StorageSettings, *, is_folder: bool) -> str:
    from model_etl.services import find_files  # noqa: PLC0415  it needs fs, which a model's environment may lack

    target = folder / uri.rpartition("/")[2]
    try:
        found = find_files(f"{uri}/**" if is_folder else uri, **{**storage.as_options(), "bucket": None})
        for location, relative in found:
            copy = target / relative if is_folder else target
            copy.parent.mkdir(parents=True, exist_ok=True)
            _copy(location, copy)
    except InputMissing as exc:
        raise ModelUnavailable(f"cannot load the model {model}: {exc.message}", exc.remedy) from exc
    return str(target)


def _copy(location: Location, target: Path) -> None:
    """Copy a file, and check that it is whole and was not changed meanwhile."""
    identity, size = location.identity(), location.size
    copied = 0
    with (
        translate_storage_errors("read", location.display_name),
        target.open("wb") as copy,
        contextlib.closing(location.fs.openbin(location.path)) as source,
    ):
        while block := source.read(_BLOCK_BYTES):
            copy.write(block)
            copied += len(block)
    if copied != size or location.identity() != identity:
        raise TryAgain(f"{location.display_name} was changed while it was fetched; nothing was published", "Run again.")
