"""Models and rules loaded by name, `package.module:ClassName`."""

from __future__ import annotations

import sys
from typing import Any

from model_etl.artefacts.names import artefact_name
from model_etl.artefacts.options import ArtefactOptions
from model_etl.errors import Interrupted, ModelEtlError, ModelTimedOut, ModelUnavailable, UsageError, describe_exception
from model_etl.runtime.named_modules import import_named
from model_etl.scoring.decorators import Configurations, decorate
from model_etl.scoring.faults import describe_frames, is_interrupt
from model_etl.scoring.model import Model, NotAModelError


def load_class(reference: str) -> Any:
    """Import the class that a reference names.

    The current folder is searched last, and for this module alone: a file beside the data can hold a model or a rule,
    but cannot take the place of a package.

    Args:
        reference: `package.module:ClassName`.

    Raises:
        UsageError: if the reference is malformed.
        ImportError, AttributeError: if there is no such module or name.
        Exception: whatever the module raises when it is imported.
    """
    module_name, colon, class_name = reference.partition(":")
    if not (module_name and colon and class_name):
        raise UsageError(
            f"{reference!r} does not name a class",
            "Write it as package.module:ClassName; a model that is a file, as KIND:FILE (docs/models.md).",
        )
    loaded: Any = import_named(module_name)
    for name in class_name.split("."):
        loaded = getattr(loaded, name)
    return loaded


def load_model(
    reference: str,
    *,
    expect_version: str | None = None,
    artefact: ArtefactOptions | None = None,
    decorators: Configurations | None = None,
) -> Model:
    """Import and construct a model, or load an artefact as one.

    Args:
        reference: `package.module:ClassName`, or the name of an artefact.
        expect_version: the only version to accept, or None for any; of an artefact also its whole SHA-256.
        artefact: what the user says about an artefact.
        decorators: the decorators around it, with their configurations.

    Raises:
        UsageError: if the reference is malformed.
        ModelUnavailable: if the model or a decorator cannot be loaded, is not an MLModel, or has another version.
        ConfigurationError: if the user does not trust an artefact, or its schema is not known.
    """
    artefact = artefact or ArtefactOptions()
    name = artefact_name(reference)
    if name is None:
        artefact.check(None, reference)
    try:
        if name is None:
            instance = load_class(reference)()
        else:
            from model_etl.artefacts.kinds import load_artefact  # noqa: PLC0415  it imports pyarrow

            instance = load_artefact(reference, name, artefact)
        if decorators:
            Model(instance, reference)  # which is refused for what it lacks itself
            instance = decorate(instance, reference, decorators, load_class)
        model = Model(instance, reference, tuple(decorators or ()))
    except (UsageError, ModelUnavailable):
        raise
    except (Interrupted, ModelTimedOut):
        raise
    except BaseException as exc:
        if is_interrupt(exc) or (name is not None and isinstance(exc, ModelEtlError)):
            raise
        raise ModelUnavailable(
            f"cannot load the model {reference}: {describe_exception(exc)}{describe_frames(exc)}", _remedy_for(exc)
        ) from exc
    if expect_version is not None and expect_version not in (model.version, (model.artefact or {}).get("sha256")):
        raise ModelUnavailable(
            f"the model {reference} has version {model.version}, but {expect_version} is expected",
            "Install the expected version of the model's package, or change --expect_version.",
        )
    return model


def _remedy_for(exc: BaseException) -> str:
    if isinstance(exc, ModuleNotFoundError):
        return (
            f"Install the package into the environment of {sys.executable}, correct the name, or name the interpreter"
            " of the model's own environment with --model_python."
        )
    if isinstance(exc, NotAModelError):
        return "Give the class all attributes of MLModel: docs/extending.md lists them."
    if isinstance(exc, AttributeError):
        return "Check the class name after the colon."
    return "Check that the class can be constructed without arguments: `model-etl describe --model ...` shows it."
