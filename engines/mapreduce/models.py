"""The models that a job may score with, and the choice of one by its qualified name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from model_etl.errors import ConfigurationError
from model_etl.scoring.model_loading import load_model
from model_etl.settings.job_config import require_options
from model_etl.settings.values import parse_names


def parse_references(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return references of models from texts, each of which may hold several, with commas between them."""
    texts = [value] if isinstance(value, str) else value or ()
    return tuple(dict.fromkeys(name for text in texts for name in parse_names(text)))


def select_model(known: Sequence[str], qualified_name: str | None) -> str:
    """Return the reference of the model to score with.

    Args:
        known: references of the models, `package.module:ClassName`.
        qualified_name: of the model to score with; None if there is only one.

    Raises:
        ConfigurationError: if there are no models, or several and none is named, or none has that name.
        ModelUnavailable: if a model cannot be loaded.
    """
    require_options({"model": known}, ["model"])
    if qualified_name is None and len(known) == 1:
        return known[0]
    names = {load_model(reference).name: reference for reference in known}
    listed = ", ".join(f"{name} ({reference})" for name, reference in names.items())
    if qualified_name is None:
        raise ConfigurationError(f"there are {len(names)} models: {listed}", "Name one: --model_qualified_name NAME.")
    if qualified_name not in names:
        raise ConfigurationError(
            f"no model has the qualified name {qualified_name!r}; known: {listed}",
            "Correct --model_qualified_name, or add the model with --model.",
        )
    return names[qualified_name]
