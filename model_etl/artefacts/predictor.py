"""What a kind of artefact gives: the columns that its model needs, what it predicts, and the function that does."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from model_etl.artefacts.file import ArtefactFile
from model_etl.errors import ModelUnavailable
from model_etl.runtime.environment import install_command

FieldType = Literal["number", "integer", "boolean", "string", "date", "datetime", "datetime-local"]


@dataclass(frozen=True)
class Column:
    """What an artefact tells of one column of its input.

    Attributes:
        name: of the column.
        type: of its values, or None if the artefact does not say.
        nullable: whether the model takes missing values.
        values: the only values that the model takes, or None for any.
    """

    name: str
    type: FieldType | None = None
    nullable: bool = False
    values: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class Predictor:
    """A loaded artefact.

    Attributes:
        library: the package that predicts, and its version, as `onnxruntime 1.20.0`.
        columns: what the model reads, in its order; without names (`named`) only their number counts.
        named: whether the artefact tells the names of its columns.
        prediction: the type of predictions.
        classes: the classes of a classifier that gives probabilities, in the order of its probabilities.
        no_probability: why there are no probabilities, if `classes` is empty.
        predict: returns the predictions for a frame, and if asked for, an array with a column for each class.
        frame: the frame that `predict` takes; see `model_etl.frames.FRAMES`.
        null_types: the types of columns that can have missing values, or None for all.
    """

    library: str
    columns: Sequence[Column]
    named: bool
    prediction: type
    predict: Callable[[Any, bool], tuple[Any, Any]]
    classes: Sequence[Any] = ()
    no_probability: str = ""
    frame: str = "pandas"
    null_types: frozenset[str] | None = None


def import_library(name: str, extra: str, artefact: ArtefactFile) -> Any:
    """Import the library of an artefact.

    Args:
        name: of the module.
        extra: of the package model-etl that installs it.
        artefact: what needs it.

    Raises:
        ModelUnavailable: if it is not installed or cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        raise ModelUnavailable(
            f"cannot load the model {artefact.reference}: {exc.name} is not installed",
            f"Install it: {install_command(f'model-etl[{extra}]')}",
        ) from exc
    except (ImportError, OSError) as exc:  # OSError: a library of the system, such as libgomp
        raise ModelUnavailable(
            f"cannot load the model {artefact.reference}: {name} cannot be imported: {exc}",
            "Install what it needs, or install it again: "
            + install_command("--force-reinstall", f"model-etl[{extra}]"),
        ) from exc


def plain(values: Any) -> tuple[Any, ...]:
    """Return the values of an array as values of Python."""
    return tuple(values.tolist() if hasattr(values, "tolist") else values)


def type_of_values(values: Sequence[Any]) -> type | None:
    """Return the one type of plain values, or None if they have several or another type."""
    types = {type(value) for value in values}
    found = types.pop() if len(types) == 1 else None
    return found if found in (str, int, float, bool) else None
