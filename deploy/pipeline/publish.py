"""Copies the results of this run to where readers look, and then names them in `manifest.json`, in one step.

A reader opens the files that the manifest names: they are all of one run, and the next run has other names. Each copy
is compared with its digest in the run report.
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
from pipeline.command import print_result, run
from pipeline.files import (
    EVALUATION,
    JSON,
    REPORT,
    locate,
    locate_below_root,
    locate_in_run,
    read,
    read_blocks,
    read_variable,
)


def step() -> None:
    """Run the step that the module describes."""
    parser = argparse.ArgumentParser(prog="pipeline.publish", description=__doc__)
    parser.add_argument("--name", required=True, help="name to publish under")
    parser.add_argument("--workflow", default="", help="name of the workflow, for the manifest")
    options = parser.parse_args()
    report_location = locate_in_run(REPORT)
    report, tested = (json.loads(read(locate_in_run(name))) for name in (REPORT, EVALUATION))
    version = (report["model"] or {}).get("version")
    if report["status"] != "published" or version != tested["model_version"]:
        raise DataError(
            f"{report_location.display_name} reports a run that ended as {report['status']!r} with version {version},"
            f" but version {tested['model_version']} of the model was tested; nothing is published",
            "Run the workflow again from its start.",
        )
    folder = f"published/{options.name}"
    results = {role: file for role, file in report["files"].items() if role != "input"}
    run_name = read_variable("PIPELINE_RUN")
    files = {role: locate_below_root(f"{folder}/{run_name}/{_base_name(result)}") for role, result in results.items()}
    manifest: dict[str, Any] = {
        "pipeline": {
            "version": read_variable("PIPELINE_VERSION"), "run": run_name, "workflow": options.workflow,
        },
        "published": now(),
        "model": {**report["model"], "tested": tested},
        "input": report["files"].get("input"),
        "counts": report["counts"],
        "files": {role: {**results[role], "name": file.name, "uri": file.uri} for role, file in files.items()},
        "report": report,
    }  # fmt: skip
    target = locate_below_root(f"{folder}/manifest.json")
    with Publication() as publication:
        for role, file in files.items():
            staged = publication.stage(file, JSON_LINES, private=role != "output")
            _copy(locate(results[role]["name"]), staged, results[role]["sha256"])
            staged.prepare()
            staged.publish()
        write_and_publish(publication.stage(target, JSON), json.dumps(manifest, indent=1).encode() + b"\n")
    counts = report["counts"]
    print_result(
        f"{target.name}: {counts['written']} predictions of {counts['read']} records, version {version} of the model"
    )


def _base_name(result: dict[str, Any]) -> str:
    return str(result["name"]).rpartition("/")[2]


def _copy(source: Location, staged: StagedFile, expected: str) -> None:
    digest = hashlib.sha256()
    with staged.fs.openbin(staged.path, "w") as out:
        for block in read_blocks(source):
            digest.update(block)
            out.write(block)
    if digest.hexdigest() != expected:
        raise DataError(
            f"{source.display_name} is not what the run wrote: its SHA-256 is not the report's; nothing is published",
            "Find out what else writes there, and run the workflow again.",
        )


if __name__ == "__main__":
    run(step)
