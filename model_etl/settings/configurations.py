"""The configurations of decorators, as the prediction log and the report may show them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from model_etl.errors import MASK, mask_urls, printable

CONFIGURATIONS = "decorators"
"""The table of a TOML file with the configurations of decorators by their references."""

_SECRET_NAME = re.compile(r"pass(?:word|wd|phrase)|secret|token|credential|(?:api|access|private)_?key", re.IGNORECASE)


def mask_configuration(value: Any, *, secrets: bool = True) -> Any:
    """Return the configurations of decorators as plain values of JSON.

    Args:
        value: the configurations, or a part of them.
        secrets: whether what is named like a secret is masked.
    """
    if isinstance(value, Mapping):
        return {
            name: MASK if secrets and _SECRET_NAME.search(name) else mask_configuration(member, secrets=secrets)
            for name, member in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [mask_configuration(item, secrets=secrets) for item in value]
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    return printable(mask_urls(str(value)))
