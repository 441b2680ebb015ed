"""Errors that say that the machine has no room for more, and those of a model that resemble them."""

from __future__ import annotations

import errno
import os

import pytest

from model_etl.cli.main import main
from model_etl.errors import ModelUnavailable, StorageFailure
from model_etl.runtime.failure import report_failure

MANY_FILES = OSError(errno.EMFILE, os.strerror(errno.EMFILE), "model.py")
BROKEN = StorageFailure("cannot write out.json: Input/output error")


def _model_error(cause: BaseException) -> ModelUnavailable:
    error = ModelUnavailable("cannot load the model a:B")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (MANY_FILES, 75, "Too many open files"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), 75, "Cannot allocate memory"),
        (MemoryError(), 75, "there is not enough memory"),
        (RuntimeError("can't start new thread"), 75, "no more threads are permitted"),
        (ImportError("libx.so: failed to map segment from shared object"), 75, "Cannot allocate memory"),
        (ImportError("libx.so: cannot open shared object file: Too many open files"), 75, "Too many open files"),
        (_model_error(MANY_FILES), 75, "Too many open files"),
        (_model_error(ImportError("no name b")), 69, "cannot load the model"),
        (_model_error(MemoryError()), 69, "cannot load the model"),
    ],
    ids=repr,
)
def test_the_resource_is_named(capfd, error: BaseException, code: int, reason: str) -> None:
    """A lack of resources is 75 without a traceback, also while a model is loaded; what a model does itself is 69."""
    assert report_failure(error) == code
    err = capfd.readouterr().err
    assert err.startswith("model-etl: error: ")
    assert (reason in err, "bug" in err) == (True, False)


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (BROKEN, 74, "cannot write out.json"),
        (MANY_FILES, 74, "Too many open files"),
        (MemoryError(), 75, "not enough memory"),
        (_model_error(MANY_FILES), 75, "Too many open files"),
        (_model_error(MemoryError()), 75, "not enough memory"),
        (
            _model_error(ValueError("odd")),
            69,
            "the model does not predict the sample of model-etl; nothing was written",
        ),
    ],
    ids=repr,
)
def test_init_blames_the_model_for_nothing_else(tmp_path, monkeypatch, capfd, error, code: int, says: str) -> None:
    """What the machine refuses while the new model is tried has the exit code of that, and no folder is left."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("model_etl.new_package.package.check_job", fail)
    assert main(["init", "churn"]) == code
    assert says in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
