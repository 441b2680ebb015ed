"""The translation of storage errors, and errors that are rebuilt from text."""

from __future__ import annotations

import errno

import pytest

from model_etl.errors import (
    DataError,
    InputMissing,
    ModelEtlError,
    ModelUnavailable,
    OutputRefused,
    PermissionRefused,
    StorageFailure,
    describe_exception,
    input_changed,
    rebuild,
)
from model_etl.runtime.system_errors import translate_storage_errors


class ResourceNotFound(Exception):
    """An error of fs, which this module knows by the name of its module."""

    __module__ = "fs.errors"


@pytest.mark.parametrize(
    ("raised", "action", "error", "message"),
    [
        (FileNotFoundError(errno.ENOENT, "x"), "read", InputMissing, "cannot read a: there is no such file"),
        (FileNotFoundError(), "write", OutputRefused, "cannot write a: its folder does not exist"),
        (IsADirectoryError(), "read", InputMissing, "cannot read a: it is a folder, not a file"),
        (PermissionError(), "write", PermissionRefused, "cannot write a: permission refused"),
        (OSError(errno.EROFS, "x"), "write", PermissionRefused, "cannot write a: the file system is read-only"),
        (OSError(errno.ENAMETOOLONG, "too long"), "read", InputMissing, "cannot read a: too long"),
        (OSError(errno.ENOSPC, "no space"), "write", StorageFailure, "cannot write a: no space"),
        (EOFError("cut off"), "read", StorageFailure, "cannot read a: cut off"),
        (ResourceNotFound(), "read", InputMissing, "cannot read a: there is no such file"),
        (DataError("a is broken"), "read", DataError, "a is broken"),
    ],
)
def test_storage_errors_name_the_file(raised: Exception, action: str, error: type[ModelEtlError], message: str) -> None:
    """Each error of a file system becomes the error that fits, with the file and the reason."""
    with pytest.raises(error) as caught, translate_storage_errors(action, "a"):
        raise raised
    assert caught.value.message == message


def test_other_errors_pass() -> None:
    """What is not an error of a storage is not translated."""
    with pytest.raises(ValueError, match="other"), translate_storage_errors("read", "a"):
        raise ValueError("other")


def test_errors_are_rebuilt_from_text() -> None:
    """An error of this package keeps its class; any other name becomes the default."""
    assert type(rebuild("DataError", "m", "r")) is DataError
    assert type(rebuild("printable", "m", default=ModelUnavailable)) is ModelUnavailable
    assert rebuild("KeyError", "m", "r").remedy == "r"


def test_descriptions_are_one_line() -> None:
    """An exception without a message is described by its type."""
    assert describe_exception(ValueError("a\n  b")) == "ValueError: a b"
    assert describe_exception(ValueError()) == "ValueError"


def test_a_changed_input_is_to_be_tried_again() -> None:
    """The exit code says that nothing is wrong with the command."""
    assert input_changed("in.json").exit_code == 75
