"""The models that a job knows, and the one that is asked for by its qualified name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from model_etl.errors import ConfigurationError
from model_etl.scoring.model_loading import load_model
from model_etl.settings.job_config import require_options
from model_etl.settings.values import parse_names


def references(given: str | Iterable[str] | None) -> tuple[str, ...]:
    """Read the models: one or more texts of `package.module:ClassName`, with commas between several in one."""
    texts = [given] if isinstance(given, str) else given or ()
    return tuple(dict.fromkeys(name for text in texts for name in parse_names(text)))


def selected(known: Sequence[str], qualified_name: str | None) -> str:
    """Choose a model.

    Args:
        known: the models, as `package.module:ClassName`.
        qualified_name: that of the wanted one; None if there is one only.

    Returns:
        The wanted one's reference.

    Raises:
        ConfigurationError: if none is wanted or known, or no model has that name.
        ModelUnavailable: if one cannot be loaded.
    """
    require_options({"model": known}, ["model"])
    if qualified_name is None and len(known) == 1:
        return known[0]
    names = {load_model(reference).name: reference for reference in known}
    listed = ", ".join(f"{name} ({reference})" for name, reference in names.items())
    if qualified_name is None:
        raise ConfigurationError(f"there are {len(names)} models: {listed}", "Say which: --model_qualified_name NAME.")
    if qualified_name not in names:
        raise ConfigurationError(
            f"no model has the qualified name {qualified_name!r}; known: {listed}",
            "Correct --model_qualified_name, or add the model with --model.",
        )
    return names[qualified_name]
