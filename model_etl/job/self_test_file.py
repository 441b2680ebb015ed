"""The file of the self-test, wherever it lies."""

from __future__ import annotations

from model_etl.runtime.system_errors import translate_storage_errors
from model_etl.scoring.self_test import SelfTest
from model_etl.services import locate
from model_etl.settings.job_config import JobConfig


def read_self_test(config: JobConfig) -> SelfTest | None:
    """Return the known records of a run, or None if there is no self-test.

    Raises:
        ModelEtlError: if the file cannot be read, or is not a self-test.
    """
    name, scoring = config.scoring.self_test, config.scoring
    if name is None:
        return None
    location = locate(name, **config.storage.as_options())
    with translate_storage_errors("read", location.name), location.fs.openbin(location.path, "r") as file:
        text = file.read()
    return SelfTest.read(location.name, text, hidden=scoring.redact, quotes=scoring.log_inputs == "full")
