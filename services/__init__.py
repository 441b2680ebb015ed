"""File systems to inject. To add one, write a module with a `locate` function and add a line to `SCHEMES`."""

from __future__ import annotations

import importlib

from model_etl.errors import UsageError
from model_etl.publish import Location

SCHEMES = {"": "services.local", "file": "services.local"}
"""Module that knows the names of a scheme; imported when a name needs it."""


def locate(name: str) -> Location:
    """Find out where a file lies.

    Args:
        name: a path, a URI with a scheme of `SCHEMES`, or `-` for a standard stream.

    Raises:
        UsageError: if no service knows the scheme.
    """
    scheme, separator, _ = name.partition("://")
    if not separator:
        scheme = ""
    if scheme not in SCHEMES:
        known = ", ".join(f"{s}://" for s in SCHEMES if s)
        raise UsageError(
            f"cannot tell where {name} lies: no service knows {scheme}://", f"Use a path or one of: {known}"
        )
    location: Location = importlib.import_module(SCHEMES[scheme]).locate(name)
    return location
