"""A pickled pipeline that a package is to wrap. It is loaded only if the user trusts exactly this file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from model_etl.errors import (
    ConfigurationError,
    Interrupted,
    ModelUnavailable,
    UsageError,
    describe_exception,
    printable,
)
from model_etl.services import locate
from model_etl.settings.job_config import StorageSettings, fields_from

_SUFFIXES = (".joblib", ".pickle", ".pkl")


@dataclass(frozen=True)
class Artefact:
    """A loaded artefact.

    Attributes:
        name: the name of its file, without folders.
        content: the bytes of the file.
        value: the object with the method `predict`.
    """

    name: str
    content: bytes
    value: Any

    @property
    def class_name(self) -> str:
        """The class of the object, with its module."""
        return f"{type(self.value).__module__}.{type(self.value).__qualname__}"

    @property
    def feature_names(self) -> list[str] | None:
        """The names of the columns that it was fitted with, or None if it does not say."""
        names = getattr(self.value, "feature_names_in_", None)
        return None if names is None else [str(name) for name in names]

    @property
    def feature_count(self) -> int | None:
        """How many columns it takes, or None if it does not say."""
        count = getattr(self.value, "n_features_in_", None)
        return None if count is None else int(count)

    @property
    def classes(self) -> Sequence[Any]:
        """The classes that it predicts as Python's values; empty if it predicts numbers, or does not say."""
        classes: Any = getattr(self.value, "classes_", None)
        return list(classes.tolist()) if getattr(classes, "ndim", 0) == 1 else []

    def requirements(self) -> list[str]:
        """Return the distributions of its parts in the versions that it was loaded with, as pip writes them."""
        parts = [self.value]
        if callable(get_params := getattr(self.value, "get_params", None)):
            parts += get_params(deep=True).values()
        modules = {type(part).__module__.partition(".")[0] for part in parts} - {"builtins", *sys.stdlib_module_names}
        distributions = importlib.metadata.packages_distributions()
        names = {name for module in {*modules, "joblib", "pandas"} for name in distributions.get(module, ())[:1]}
        return [f"{name}=={importlib.metadata.version(name)}" for name in sorted(names, key=str.lower)]


def load_artefact(name: str, trusted: str | None, options: Mapping[str, Any]) -> Artefact:
    """Load a pickle whose digest the user has confirmed.

    Args:
        name: the file, local or in a storage.
        trusted: the SHA-256 of the file that the user trusts, or None.
        options: how to reach the storage, by name.

    Raises:
        UsageError: if its name is not that of a pickle.
        ConfigurationError: if the user has not confirmed the digest, or joblib is not installed.
        ModelUnavailable: if it cannot be loaded, or cannot predict.
    """
    if not name.lower().endswith(_SUFFIXES):
        raise UsageError(
            f"--from takes a pickle ({', '.join(_SUFFIXES)}), not {printable(name)}",
            "Save the fitted pipeline: joblib.dump(pipeline, 'pipeline.joblib').",
        )
    location = locate(name, **StorageSettings(**fields_from(StorageSettings, options)).as_options())
    location.identity()  # for its errors, which name the file
    with location.fs.openbin(location.path, "r") as file:
        content = file.read()
    _require_trust(name, hashlib.sha256(content).hexdigest(), trusted)
    value = _unpickled(name, content)
    if not callable(getattr(value, "predict", None)):
        type_name = f"{type(value).__module__}.{type(value).__qualname__}"
        raise ModelUnavailable(
            f"{printable(name)} holds {type_name}, which has no method predict", "Save a fitted model."
        )
    return Artefact(PurePath(name).name, content, value)


def _require_trust(name: str, digest: str, trusted: str | None) -> None:
    if trusted is None:
        raise ConfigurationError(
            f"loading {printable(name)} runs the code that is in it; its SHA-256 is {digest}",
            f"If you trust its author, repeat the command with --trust_pickle {digest}.",
        )
    if trusted.lower() != digest:
        raise ConfigurationError(
            f"{printable(name)} is not the file that --trust_pickle names: its SHA-256 is {digest}",
            "Find out who changed it. If you trust this file, pass its digest.",
        )


def _unpickled(name: str, content: bytes) -> Any:
    try:
        joblib = importlib.import_module("joblib")
    except ImportError as exc:
        raise ConfigurationError(
            "joblib is not installed, which --from needs",
            "Run: pip install joblib, and what the pipeline needs.",
        ) from exc
    try:
        return joblib.load(io.BytesIO(content))
    except Interrupted:
        raise
    except BaseException as exc:
        raise ModelUnavailable(
            f"cannot load {printable(name)}: {describe_exception(exc)}",
            "Install what it was made with, in the same versions; its own classes must be importable from a module.",
        ) from exc
