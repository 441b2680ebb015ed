"""The files that steps pass to each other: below one root, which is a bucket, `s3://NAME`, or a folder.

training/iris.csv     labelled records                incoming/                      records to score
runs/RUN/             files of the steps of one run   published/NAME/manifest.json   names the current run
published/NAME/RUN/   published files of a run        tested/model.json              the last model that passed its test
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from model_etl import services
from model_etl.errors import ConfigurationError
from model_etl.publishing.publication import Publication, write_and_publish
from model_etl.publishing.storage import Location
from model_etl.runtime.system_errors import translate_storage_errors
from model_etl.settings.job_config import StorageSettings, fields_from
from model_etl.settings.sources import merge_settings

TRAIN, TEST, MODEL, EVALUATION = "train.ldjson", "test.ldjson", "model.json", "evaluation.json"
TESTED_MODEL = "tested/model.json"
PREDICTIONS, REPORT = "predictions.json", "report.json"
JSON = "application/json"
_BLOCK_BYTES = 1 << 20


def read_variable(name: str) -> str:
    """Return the value of an environment variable.

    Raises:
        ConfigurationError: if it is not set.
    """
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(
            f"the variable {name} is not set", "It comes from the ConfigMap model-etl, or from the workflow's template."
        )
    return value


def locate_below_root(relative: str) -> Location:
    """Return the location of a file below the root."""
    return services.locate_in_folder(read_variable("PIPELINE_ROOT").rstrip("/") + "/", relative, **_storage())


def locate_in_run(name: str) -> Location:
    """Return the location of a file of this run."""
    return locate_below_root(f"runs/{read_variable('PIPELINE_RUN')}/{name}")


def locate(name: str) -> Location:
    """Return the location of a file by its absolute name."""
    return services.locate(name, **_storage())


def _storage() -> dict[str, Any]:
    """Return the storage settings, from the same MODEL_ETL_* variables as those of `model-etl run`."""
    options = {name: value for name, value in merge_settings({}).items() if name != "bucket"}
    return StorageSettings(**fields_from(StorageSettings, options)).as_options()


def read_blocks(location: Location) -> Iterator[bytes]:
    """Yield the content of a file in blocks.

    Raises:
        ModelEtlError: if it cannot be read.
    """
    with translate_storage_errors("read", location.display_name), location.fs.openbin(location.path) as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def read(location: Location) -> bytes:
    """Return the content of a file.

    Raises:
        ModelEtlError: if it cannot be read.
    """
    return b"".join(read_blocks(location))


def write(location: Location, content: bytes, media_type: str = JSON) -> None:
    """Write a file whole or not at all.

    Raises:
        ModelEtlError: if it cannot be written.
    """
    with Publication() as publication:
        write_and_publish(publication.stage(location, media_type), content)
