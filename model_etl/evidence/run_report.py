"""The run report: as plain values for the report file, and as a few lines for people."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from model_etl import __version__
from model_etl.errors import describe_exception, printable_message
from model_etl.records.run_counts import RunCounts
from model_etl.scoring.model import ModelFacts


class FileFacts(NamedTuple):
    """What the report says about a file.

    Attributes:
        name: the file, as messages show it.
        uri: its absolute name.
        size: how many bytes it has.
        sha256: the digest of its bytes, or None if it was not digested.
        records: how many records it has, or None if they were not counted.
    """

    name: str
    uri: str
    size: int
    sha256: str | None
    records: int | None = None


def describe_files(files: Sequence[FileFacts], name: str = "") -> dict[str, Any]:
    """Return a file, or several files of one role together, as plain values.

    Args:
        files: the files.
        name: several files together, as messages show them.
    """
    described: list[dict[str, Any]] = [
        {"name": file.name, "uri": file.uri, "bytes": file.size, "sha256": file.sha256} for file in files
    ]
    if len(described) == 1:
        return described[0]
    for values, file in zip(described, files, strict=True):
        if file.records is not None:
            values["records"] = file.records
    return {"name": name, "bytes": sum(file.size for file in files), "files": described}


def describe_model(facts: ModelFacts) -> dict[str, Any]:
    """Return the facts that identify a model, as plain values."""
    python = {} if facts.python is None else {"python": facts.python}
    return {
        "reference": facts.reference,
        "qualified_name": facts.name,
        "display_name": facts.display_name,
        "version": facts.version,
        "package_version": facts.package_version,
        **python,
        **({"artefact": dict(facts.artefact)} if facts.artefact else {}),
        **({"decorators": list(facts.decorators)} if facts.decorators else {}),
    }


def describe_software() -> dict[str, str]:
    """Return the versions of this package and of Python, and the platform."""
    system = os.uname()
    # In the format of platform.platform(), which starts a process to ask for the processor.
    name = f"{system.sysname}-{system.release}-{system.machine}-with-{''.join(platform.libc_ver())}"
    return {"model_etl": __version__, "python": platform.python_version(), "platform": name}


def describe_run(job: str, facts: ModelFacts, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the first event of a prediction log says of its run, as plain values.

    Args:
        job: name of the job.
        facts: of the model.
        settings: of the run, with secrets masked.
    """
    return {"job": job, "model": describe_model(facts), "software": describe_software(), "settings": settings}


@dataclass
class Report:
    """The report of one run, completed while the run goes on.

    Attributes:
        run_id: identifies the run.
        job: name of the job.
        settings: the settings of the run, with secrets masked.
        started: when the run started, as RFC 3339 text in UTC.
        status: "published", "skipped", "dry_run" or "failed".
        exit_code: of the process; see `model_etl.errors`.
        error: type and message of the error that ended the run, or None.
        ended: when the run ended, as RFC 3339 text in UTC.
        seconds: durations of the phases load, score and publish, in seconds.
        counts: the number of records by outcome.
        files: name, URI, bytes and SHA-256 of the files, by role.
        model: the model, once it is loaded; see `describe_model`.
        software: see `describe_software`.
    """

    run_id: str
    job: str
    settings: Mapping[str, Any]
    started: str
    status: str = "failed"
    exit_code: int = 1
    error: dict[str, Any] | None = None
    ended: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    counts: RunCounts = field(default_factory=RunCounts)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    model: dict[str, Any] | None = None
    software: Mapping[str, str] = field(default_factory=describe_software)

    def fail(self, failure: BaseException) -> None:
        """Record the error that ended the run, and its exit code."""
        if self.status != "published":  # else what failed came after the files were published
            self.status = "failed"
        self.exit_code = getattr(failure, "exit_code", 1)
        message = printable_message(getattr(failure, "message", describe_exception(failure)))
        self.error = {"type": type(failure).__name__, "message": message}

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values, for the report file."""
        return {**vars(self), "counts": self.counts.as_dict()}

    def summary(self) -> str:
        """Return the report as a few lines for people."""
        lines = [f"{self.counts.summary(self.status)}, in {sum(self.seconds.values()):.2f} s"]
        if self.model:
            lines.append(
                f"  model       {self.model['qualified_name']} {self.model['version']} ({self.model['reference']})"
            )
        for role, file in self.files.items():
            number = f"{len(file['files']):,} files, " if "files" in file else ""
            lines.append(f"  {role:<11} {file['name']} ({number}{file['bytes']:,} bytes)")
        return "\n".join(lines)
