"""Warnings about secrets that others could read: on the network, or in the file of settings."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from model_etl.errors import printable
from model_etl.runtime.failure import print_to_stderr
from model_etl.settings.configurations import CONFIGURATIONS, mask_configuration
from model_etl.settings.options import CONFIG, OPTIONS
from model_etl.settings.sources import read_toml

_FILES = ("input_file", "output_file", "prediction_log", "rejects", "report")
_GROUP_AND_OTHERS_READ = 0o044


def print_warnings(values: Mapping[str, Any], config: str | None) -> None:
    """Print a warning for each secret of a run that others could read.

    Args:
        values: of options, by name.
        config: the name of the file of settings, or None.
    """
    endpoint = values.get("endpoint_url") or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and _uses_s3(values) and _is_readable_on_the_way(endpoint):
        print_to_stderr(
            "model-etl: warning: the S3 endpoint is plain http on another host: records, results and session tokens"
            " can be read on the way\n  Use https."
        )
    if config and _is_readable_by_others(config):
        print_to_stderr(
            f"model-etl: warning: {printable(config)} holds a secret, and others may read it\n"
            f"  Run chmod 600 on it, or set the secrets as variables."
        )


def _uses_s3(values: Mapping[str, Any]) -> bool:
    return bool(values.get("bucket")) or any(str(values.get(name)).startswith("s3://") for name in _FILES)


def _is_readable_on_the_way(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        host = parts.hostname or ""
    except ValueError:
        return False  # reported later
    if parts.scheme != "http" or not host or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True


def _is_readable_by_others(config: str) -> bool:
    try:
        mode = Path(config).stat().st_mode
    except OSError:
        return False
    if not stat.S_ISREG(mode) or not mode & _GROUP_AND_OTHERS_READ:  # a pipe can be read only once
        return False
    table = read_toml(config, (*OPTIONS, CONFIGURATIONS), CONFIG.flag)
    configurations = table.get(CONFIGURATIONS)
    if mask_configuration(configurations) != mask_configuration(configurations, secrets=False):
        return True
    return any(option.secret and table.get(name) for name, option in OPTIONS.items())
