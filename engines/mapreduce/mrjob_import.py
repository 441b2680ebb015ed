"""What a job imports of mrjob; where mrjob cannot be imported, the process ends with one error message."""

from __future__ import annotations

import platform
import sys

from model_etl.errors import ConfigurationError
from model_etl.runtime.failure import report_failure

try:
    from mrjob.job import MRJob
    from mrjob.protocol import BytesProtocol, JSONProtocol
    from mrjob.runner import MRJobRunner
except ImportError as exc:
    sys.exit(
        report_failure(
            ConfigurationError(
                f"mrjob cannot be imported by Python {platform.python_version()}: {exc}",
                "Use Python 3.11 with engines/mapreduce/requirements.txt: mrjob does not run on 3.13.",
            )
        )
    )

__all__ = ["BytesProtocol", "JSONProtocol", "MRJob", "MRJobRunner"]
