"""Batch scoring on one machine: a reader, a model, business rules, a prediction log and a writer in one graph.

The names in `__all__` are the public API, described in docs/api.md; all else is internal and may change. Each is
imported when it is first used, so that `import model_etl` is cheap.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

__version__ = "0.1.0"

if _TYPE_CHECKING:
    from model_etl.errors import (
        ConfigurationError,
        DataError,
        InputMissing,
        Interrupted,
        ModelEtlError,
        ModelUnavailable,
        OutputRefused,
        PermissionRefused,
        RecordError,
        SameFile,
        StorageFailure,
        TryAgain,
        UsageError,
    )
    from model_etl.evidence.run_report import Report
    from model_etl.job.run import run_job
    from model_etl.pipeline.strategy import ReliableStrategy
    from model_etl.rules import ALLOW, BusinessRule, Decision, Prediction, allow, replace, withhold
    from model_etl.scoring.model_step import MLModelTransformer
    from model_etl.settings.job_config import JobConfig, ScoringSettings, StorageSettings

__all__ = [
    "ALLOW",
    "BusinessRule",
    "ConfigurationError",
    "DataError",
    "Decision",
    "InputMissing",
    "Interrupted",
    "JobConfig",
    "MLModelTransformer",
    "ModelEtlError",
    "ModelTimedOut",
    "ModelUnavailable",
    "OutputRefused",
    "PermissionRefused",
    "Prediction",
    "RecordError",
    "ReliableStrategy",
    "Report",
    "SameFile",
    "ScoringSettings",
    "StorageFailure",
    "StorageSettings",
    "TryAgain",
    "UsageError",
    "allow",
    "replace",
    "run_job",
    "withhold",
]

_MODULES = {
    "ALLOW": "rules",
    "BusinessRule": "rules",
    "Decision": "rules",
    "JobConfig": "settings.job_config",
    "MLModelTransformer": "scoring.model_step",
    "Prediction": "rules",
    "ReliableStrategy": "pipeline.strategy",
    "Report": "evidence.run_report",
    "ScoringSettings": "settings.job_config",
    "StorageSettings": "settings.job_config",
    "allow": "rules",
    "replace": "rules",
    "run_job": "job.run",
    "withhold": "rules",
}
"""The module below model_etl that defines a public name; the errors, which are not listed, are in `errors`."""


if not _TYPE_CHECKING:  # else a type checker would accept any name

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415  `import model_etl` is cheap

        value: object = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
