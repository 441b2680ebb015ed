"""The model that this run trained, as an option of model-etl: `--model pipeline.model:TrainedIrisModel`."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from iris_model.iris_predict import IrisModel
from iris_model.parameters import ModelFileError

from pipeline.files import MODEL, TESTED_MODEL, locate_below_root, locate_in_run, read


class TrainedIrisModel(IrisModel):
    """The iris model with the parameters of this run, whose digest is part of its version.

    Flink's workers serve all runs, so they have no PIPELINE_RUN: they load the last model that passed its test. The job
    expects the version that was tested, so a worker that loads another model refuses it.
    """

    def __init__(self) -> None:
        in_run = "PIPELINE_RUN" in os.environ
        location = locate_in_run(MODEL) if in_run else locate_below_root(TESTED_MODEL)
        content = read(location)
        with tempfile.NamedTemporaryFile() as file:
            Path(file.name).write_bytes(content)
            try:
                super().__init__(Path(file.name))
            except ModelFileError as exc:
                raise ModelFileError(str(exc).replace(file.name, location.display_name)) from exc
        self._digest = hashlib.sha256(content).hexdigest()[:12]

    @property
    def version(self) -> str:
        """Version of the package and of the parameters: the same training records have the same version."""
        return f"{super().version}+{self._digest}"
