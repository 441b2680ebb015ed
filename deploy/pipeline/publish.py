"""Copies the results of this run to where readers look, and then names them in `manifest.json`, in one step.

A reader opens the files that the manifest names: they are all of one run, and the next run has other names. Each copy
is compared with its digest in the run report, and the lines of all together with its counts.
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
    folder, run_name = f"published/{options.name}", read_variable("PIPELINE_RUN")
    published = {
        role: _Published(f"{folder}/{run_name}", result) for role, result in report["files"].items() if role != "input"
    }
    manifest: dict[str, Any] = {
        "pipeline": {
            "version": read_variable("PIPELINE_VERSION"), "run": run_name, "workflow": options.workflow,
        },
        "published": now(),
        "model": {**report["model"], "tested": tested},
        "input": report["files"].get("input"),
        "counts": report["counts"],
        "files": {role: result.described for role, result in published.items()},
        "report": report,
    }  # fmt: skip
    target = locate_below_root(f"{folder}/manifest.json")
    with Publication() as publication:
        lines = {role: result.copy(publication, private=role != "output") for role, result in published.items()}
        _verify_counts(report["counts"], lines, report_location)
        write_and_publish(publication.stage(target, JSON), json.dumps(manifest, indent=1).encode() + b"\n")
    counts = report["counts"]
    print_result(
        f"{target.name}: {counts['written']} predictions of {counts['read']} records, version {version} of the model"
    )


class _Published:
    """The published files of one role: a file, or the numbered files of an engine, in their order.

    Args:
        folder: below the root.
        result: what the run report says of the role.

    Attributes:
        described: the same of the published files, for the manifest.
    """

    def __init__(self, folder: str, result: dict[str, Any]) -> None:
        self._sources: list[dict[str, Any]] = result.get("files", [result])
        self._targets = [_target(folder, source) for source in self._sources]
        described = [
            {**source, "name": target.name, "uri": target.uri}
            for source, target in zip(self._sources, self._targets, strict=True)
        ]
        whole = {**result, "name": _target(folder, result).name, "files": described}
        self.described: dict[str, Any] = whole if "files" in result else described[0]

    def copy(self, publication: Publication, *, private: bool) -> int:
        """Copy the files, and return the number of their lines.

        Raises:
            DataError: if a file is not what the run wrote.
            ModelEtlError: if it cannot be read or written.
        """
        lines = 0
        for source, target in zip(self._sources, self._targets, strict=True):
            staged = publication.stage(target, JSON_LINES, private=private)
            lines += _copy(locate(source["name"]), staged, source["sha256"])
            staged.prepare()
            staged.publish()
        return lines


def _target(folder: str, result: dict[str, Any]) -> Location:
    return locate_below_root(f"{folder}/{str(result['name']).rpartition('/')[2]}")


def _verify_counts(counts: dict[str, int], lines: dict[str, int], report: Location) -> None:
    """Check that every record that was read has an outcome, and that the files have as many lines as the outcomes.

    Raises:
        DataError: if they do not.
    """
    found = {"read": counts["written"] + counts["rejected"] + counts["withheld"]}
    found |= {"written": lines.get("output", 0), "rejected": lines.get("rejects", 0)}
    wrong = [
        f"{name}: {counts[name]} reported, {number} found" for name, number in found.items() if counts[name] != number
    ]
    if wrong:
        raise DataError(
            f"{report.display_name} disagrees with the files: {'; '.join(wrong)}; nothing is published",
            "Find out what else writes there, and run the workflow again.",
        )


def _copy(source: Location, staged: StagedFile, expected: str) -> int:
    digest, lines = hashlib.sha256(), 0
    with staged.fs.openbin(staged.path, "w") as out:
        for block in read_blocks(source):
            digest.update(block)
            lines += block.count(b"\n")
            out.write(block)
    if digest.hexdigest() != expected:
        raise DataError(
            f"{source.display_name} is not what the run wrote: its SHA-256 is not the report's; nothing is published",
            "Find out what else writes there, and run the workflow again.",
        )
    return lines


if __name__ == "__main__":
    run(step)
