"""Loading estimators of scikit-learn from files: skops, or a pickle whose digest the user trusts."""

from __future__ import annotations

import io
import sys
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from model_etl.artefacts.file import ArtefactFile
from model_etl.artefacts.options import ArtefactOptions
from model_etl.artefacts.predictor import import_library
from model_etl.errors import ConfigurationError, ModelEtlError, ModelUnavailable, describe_exception
from model_etl.runtime.environment import install_command

_HARMLESS = ("numpy.dtype",)
"""Types that skops does not trust, but which do nothing; each OneHotEncoder of texts has one."""


def load_estimator(artefact: ArtefactFile, options: ArtefactOptions) -> Any:
    """Return the object that a file holds.

    Args:
        artefact: a file whose suffix shows whether it is of skops or a pickle.
        options: what the user trusts.

    Raises:
        ConfigurationError: if the user does not trust what the file holds.
        ModelUnavailable: if it cannot be loaded, or was made with another version of scikit-learn.
    """
    if artefact.path.suffix.lower() == ".skops":
        return _load_skops(artefact, options)
    require_trusted_digest(artefact, options)
    joblib = import_library("joblib", "sklearn", artefact)
    import_library("sklearn", "sklearn", artefact)
    with loading(artefact):
        return joblib.load(io.BytesIO(artefact.content))


def require_trusted_digest(artefact: ArtefactFile, options: ArtefactOptions) -> None:
    """Check, before anything is loaded, that the user trusts exactly this file.

    Raises:
        ConfigurationError: if the user named no digest.
        ModelUnavailable: if the digest is another.
    """
    if options.trust_pickle is None:
        raise ConfigurationError(
            f"loading {artefact.reference} would run the code in it, which is not allowed yet; nothing was loaded",
            f"Save the model with skops, which needs no code; or if you know who made it: --trust_pickle"
            f" {artefact.sha256}",
        )
    if options.trust_pickle != artefact.sha256:
        raise ModelUnavailable(
            f"{artefact.reference} is not the file that is trusted: its SHA-256 is {artefact.sha256}, but"
            f" --trust_pickle allows {options.trust_pickle}; nothing was loaded",
            "Find out who changed it, before you change --trust_pickle.",
        )


def _load_skops(artefact: ArtefactFile, options: ArtefactOptions) -> Any:
    if not zipfile.is_zipfile(io.BytesIO(artefact.content)):
        raise artefact.damaged("it is not a file of skops, or not a whole one")
    import_library("skops", "sklearn", artefact)
    import_library("sklearn", "sklearn", artefact)
    skops_io = import_library("skops.io", "sklearn", artefact)
    with loading(artefact):
        untrusted = sorted(set(skops_io.get_untrusted_types(data=artefact.content)) - {*options.trust, *_HARMLESS})
        if untrusted:
            flags = " ".join(f"--trust {name}" for name in untrusted)
            raise ConfigurationError(
                f"{artefact.reference} contains types that are not trusted: {', '.join(untrusted)}; nothing was loaded",
                f"If you know what they do: {flags}",
            )
        return skops_io.loads(artefact.content, trusted=[*options.trust, *_HARMLESS])


@contextmanager
def loading(artefact: ArtefactFile) -> Iterator[None]:
    """Translate what loading an estimator raises, and refuse one of another version of scikit-learn.

    Raises:
        ModelUnavailable: instead of any other exception.
    """
    from sklearn.exceptions import InconsistentVersionWarning  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", InconsistentVersionWarning)
            yield
    except ModelEtlError:
        raise
    except InconsistentVersionWarning as exc:
        made, here = exc.original_sklearn_version, exc.current_sklearn_version
        raise ModelUnavailable(
            f"{artefact.reference} was made with scikit-learn {made}, and {here} is installed here; its predictions"
            " may be wrong",
            f"Install that version: {install_command(f'scikit-learn=={made}')}; or train the model again with {here}.",
        ) from exc
    except ModuleNotFoundError as exc:
        raise artefact.damaged(
            f"it needs the module {exc.name}, which is not installed",
            f"Install the package that has {exc.name} into the environment of {sys.executable}.",
        ) from exc
    except Exception as exc:
        raise artefact.damaged(f"it cannot be read: {describe_exception(exc)}") from exc
