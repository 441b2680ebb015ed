"""What a run did: for machines (the report file), and for people (a few lines)."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model_etl import __version__
from model_etl.scoring.model import ModelFacts


def about_model(model: ModelFacts) -> dict[str, Any]:
    """Say which model this is."""
    return {
        "reference": model.reference,
        "qualified_name": model.name,
        "display_name": model.display_name,
        "version": model.version,
        "package_version": model.package_version,
    }


def about_software() -> dict[str, str]:
    """Say which software runs."""
    system = os.uname()
    # As platform.platform() writes it, which starts a process to ask for the processor.
    named = f"{system.sysname}-{system.release}-{system.machine}-with-{''.join(platform.libc_ver())}"
    return {"model_etl": __version__, "python": platform.python_version(), "platform": named}


@dataclass
class Report:
    """One run, told as it goes on.

    Attributes:
        run_id: of this run alone.
        job: name of the job.
        settings: without secrets.
        status: "published", "skipped", "dry_run" or "failed".
        exit_code: of the process.
        error: what ended the run, or None.
        started: time in UTC.
        ended: time in UTC.
        seconds: durations by phase.
        counts: of records: read, written, rejected, withheld.
        files: by role; name, URI, bytes and SHA-256 of each.
        model: which model, once it is loaded.
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
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("read", "written", "rejected", "withheld"), 0)
    )
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    model: dict[str, Any] | None = None
    software: Mapping[str, str] = field(default_factory=about_software)

    def as_json(self) -> dict[str, Any]:
        """Give it as plain values, for the report file."""
        return dict(vars(self))

    def summary(self) -> str:
        """Give it as a few lines for a person."""
        c = self.counts
        lines = [
            f"{self.status}: {c['read']:,} read = {c['written']:,} written + {c['rejected']:,} rejected"
            f" + {c['withheld']:,} withheld, in {sum(self.seconds.values()):.2f} s"
        ]
        if self.model:
            lines.append(
                f"  model       {self.model['qualified_name']} {self.model['version']} ({self.model['reference']})"
            )
        for role, about in self.files.items():
            many = f"{len(about['files']):,} files, " if "files" in about else ""
            lines.append(f"  {role:<11} {about['name']} ({many}{about['bytes']:,} bytes)")
        return "\n".join(lines)
