"""What the counts of a run mean: whether it may be published."""

from __future__ import annotations

from collections.abc import Sequence

from model_etl.errors import DataError, InputMissing, ModelEtlError, TryAgain
from model_etl.job.run_files import RunFiles
from model_etl.pipeline.build import RunCounts
from model_etl.publishing.publication import Location
from model_etl.settings.job_config import JobConfig


def verify(config: JobConfig, files: RunFiles, identities: Sequence[str], tallies: RunCounts) -> None:
    """See that nothing was lost, before anything is published.

    Args:
        config: what was run.
        files: where its files lie.
        identities: the inputs' before they were read.
        tallies: what went through the files.

    Raises:
        TryAgain: if an input was changed.
        DataError: if there were no records, where that is an error.
        ModelEtlError: if the counts disagree.
    """
    counts = tallies.counts()
    if counts["read"] != counts["written"] + counts["rejected"] + counts["withheld"]:
        raise ModelEtlError(f"the counts disagree: {counts}; nothing was published", "This is a bug: please report it.")
    if files.log is not None and tallies.log.records != counts["read"]:
        raise ModelEtlError(
            f"the log has {tallies.log.records} events for {counts['read']} records; nothing was published",
            "This is a bug: please report it.",
        )
    for file, identity in zip(files.inputs, identities, strict=True):
        if not file.stream and not _is_still(file, identity):
            raise TryAgain(
                f"{file.display_name} was changed while it was read; nothing was published",
                "Run again when whoever writes it is done.",
            )
    if not counts["read"] and config.on_empty == "fail":
        raise no_records(files)


def _is_still(file: Location, identity: str) -> bool:
    try:
        return file.identity() == identity
    except InputMissing:
        return False


def no_records(files: RunFiles) -> DataError:
    """Give the error for an input without records."""
    return DataError(f"{files.name} has no records", "Say --on_empty ok if that may be.")


def too_many(config: JobConfig, files: RunFiles, tallies: RunCounts, *, stopped: bool) -> DataError:
    """Give the error for more rejects than are tolerated, with the first of them."""
    counts = tallies.counts()
    told = [
        f"  record {r.position} of {r.source.name}, {r.stage}: {r.type_name}: {' '.join(r.message.split())}"
        for r in tallies.first_rejects
    ]
    rejected = counts["rejected"]
    if rejected > len(told):
        told.append(f"  and {rejected - len(told)} more")
    head = f"{rejected} of {counts['read']} records were rejected, {config.max_errors} are tolerated"
    head += ", so the run was stopped" if stopped else ""
    where = f"See {files.rejects.name}; c" if files.rejects and not config.dry_run else "C"
    return DataError(
        f"{head}; nothing was published\n" + "\n".join(told),
        where + "orrect the records or the model and run again, or tolerate some with --max_errors N.",
    )
