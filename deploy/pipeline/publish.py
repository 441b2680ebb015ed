"""Copies what this run made to where readers look, and then names it in `manifest.json`, in one step.

A reader takes the files that the manifest names: they are all of one run, and the next run has other names. What was
copied is compared with the digests in the report of the scoring.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from typing import Any

from model_etl.errors import DataError
from model_etl.evidence.prediction_log import now
from model_etl.publishing.publication import JSON_LINES, Publication, write_and_publish
from model_etl.publishing.storage import Location, StagedFile
from pipeline.command import run, say
from pipeline.files import EVALUATION, JSON, REPORT, below, blocks, located, of_run, read, setting


def step() -> None:
    """Run the step; see the module."""
    parser = argparse.ArgumentParser(prog="pipeline.publish", description=__doc__)
    parser.add_argument("--name", required=True, help="what to publish it as")
    parser.add_argument("--workflow", default="", help="name of the workflow, for the manifest")
    options = parser.parse_args()
    place = of_run(REPORT)
    report, tested = (json.loads(read(of_run(name))) for name in (REPORT, EVALUATION))
    version = (report["model"] or {}).get("version")
    if report["status"] != "published" or version != tested["model_version"]:
        raise DataError(
            f"{place.display_name} reports a run that ended as {report['status']!r} with version {version},"
            f" but version {tested['model_version']} of the model was tested; nothing is published",
            "Run the workflow again from its start.",
        )
    folder = f"published/{options.name}"
    made = {role: about for role, about in report["files"].items() if role != "input"}
    files = {role: below(f"{folder}/{setting('PIPELINE_RUN')}/{_base(about)}") for role, about in made.items()}
    manifest: dict[str, Any] = {
        "pipeline": {
            "version": setting("PIPELINE_VERSION"), "run": setting("PIPELINE_RUN"), "workflow": options.workflow,
        },
        "published": now(),
        "model": {**report["model"], "tested": tested},
        "input": report["files"].get("input"),
        "counts": report["counts"],
        "files": {role: {**made[role], "name": file.name, "uri": file.uri} for role, file in files.items()},
        "report": report,
    }  # fmt: skip
    target = below(f"{folder}/manifest.json")
    with Publication() as publication:
        for role, file in files.items():
            staged = publication.stage(file, JSON_LINES, private=role != "output")
            _copy(located(made[role]["name"]), staged, made[role]["sha256"])
            staged.prepare()
            staged.publish()
        write_and_publish(publication.stage(target, JSON), json.dumps(manifest, indent=1).encode() + b"\n")
    counts = report["counts"]
    say(f"{target.name}: {counts['written']} predictions of {counts['read']} records, version {version} of the model")


def _base(about: dict[str, Any]) -> str:
    return str(about["name"]).rpartition("/")[2]


def _copy(source: Location, staged: StagedFile, expected: str) -> None:
    digest = hashlib.sha256()
    with staged.fs.openbin(staged.path, "w") as out:
        for block in blocks(source):
            digest.update(block)
            out.write(block)
    if digest.hexdigest() != expected:
        raise DataError(
            f"{source.display_name} is not what the run wrote: its SHA-256 is not the report's; nothing is published",
            "Find out who writes there, and run the workflow again.",
        )


if __name__ == "__main__":
    run(step)
