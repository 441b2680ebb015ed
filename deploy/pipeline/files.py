"""The files that steps hand to one another: below one root, which is a bucket, `s3://NAME`, or a folder.

training/iris.csv     labelled records                incoming/        what is to be scored
runs/RUN/             what the steps of one run hand to one another
published/NAME/RUN/   what a run published            published/NAME/manifest.json   which run counts
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from model_etl import services
from model_etl.errors import ConfigurationError, storage_error
from model_etl.publishing.publication import Location, Publication
from model_etl.settings.job_config import StorageSettings, fields_from
from model_etl.settings.sources import merge_settings

TRAIN, TEST, MODEL, EVALUATION = "train.ldjson", "test.ldjson", "model.json", "evaluation.json"
PREDICTIONS, REPORT = "predictions.json", "report.json"
JSON = "application/json"
_BLOCK = 1 << 20


def setting(name: str) -> str:
    """Read a variable of the environment.

    Raises:
        ConfigurationError: if it is not set.
    """
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(
            f"the variable {name} is not set", "It comes from the ConfigMap model-etl, or from the workflow's template."
        )
    return value


def below(relative: str) -> Location:
    """Find a file below the root."""
    return services.below(setting("PIPELINE_ROOT").rstrip("/") + "/", relative, **_storage())


def of_run(name: str) -> Location:
    """Find a file that belongs to this run."""
    return below(f"runs/{setting('PIPELINE_RUN')}/{name}")


def located(name: str) -> Location:
    """Find a file by its whole name."""
    return services.locate(name, **_storage())


def _storage() -> dict[str, Any]:
    """Give what reaches the storage, from the same MODEL_ETL_* variables that `model-etl run` takes."""
    options = {name: value for name, value in merge_settings({}).items() if name != "bucket"}
    return StorageSettings(**fields_from(StorageSettings, options)).as_options()


def blocks(location: Location) -> Iterator[bytes]:
    """Read a file piece by piece.

    Raises:
        ModelEtlError: if it cannot be read.
    """
    try:
        with location.fs.openbin(location.path) as file:
            while block := file.read(_BLOCK):
                yield block
    except Exception as exc:
        raise storage_error(exc, "read", location.display_name) from exc


def read(location: Location) -> bytes:
    """Read a file whole.

    Raises:
        ModelEtlError: if it cannot be read.
    """
    return b"".join(blocks(location))


def write(location: Location, content: bytes, media_type: str = JSON) -> None:
    """Write a file whole or not at all.

    Raises:
        ModelEtlError: if it cannot be written.
    """
    with Publication() as publication:
        stage = publication.stage(location, media_type)
        with stage.fs.openbin(stage.path, "w") as file:
            file.write(content)
        stage.prepare()
        stage.publish()
