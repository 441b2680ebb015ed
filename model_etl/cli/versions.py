"""The versions that `model-etl --version --verbose` prints."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from model_etl import __version__

_DEPENDENCIES = (
    "bonobo", "fs", "fs-s3fs", "boto3", "ml-base", "msgspec", "pyarrow", "pydantic", "backports.zstd",
    "apache-beam", "aiokafka", "mrjob",
)  # fmt: skip


def describe_versions() -> list[str]:
    """Return the versions of model_etl, of Python and of the installed dependencies, each on a line."""
    lines = [
        f"model-etl {__version__}",
        f"Python {platform.python_version()} ({sys.platform}, {platform.machine()})",
    ]
    for name in _DEPENDENCIES:
        try:
            lines.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return lines
