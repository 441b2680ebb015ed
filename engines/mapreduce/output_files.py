"""The output files of a job: staged before the work, published whole or not at all after it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterator
from typing import BinaryIO

from model_etl.errors import SameFile, UsageError
from model_etl.formats import format_for, media_type
from model_etl.formats.compression import Compression, compressed
from model_etl.formats.json_lines import LDJSON
from model_etl.job.run_files import RunFiles, report_location
from model_etl.publishing.publication import RunPublication
from model_etl.services import is_folder
from model_etl.settings.job_config import JobConfig


def locate_output_files(config: JobConfig, input_uris: Collection[str], *, counting: bool) -> RunFiles:
    """Locate the output, the prediction log and the rejects file of a job.

    Args:
        config: the settings of the run.
        input_uris: absolute names of the inputs.
        counting: whether the job only counts predictions: then it has neither log nor rejects file.

    Raises:
        UsageError: if the job cannot write to a name, or two names are the same file.
    """
    if is_folder(config.output_file):
        raise UsageError(f"{config.output_file} is a folder", "Name a file as --output.")
    file_format, _ = format_for(config.output_file, None, "a suffix such as .json")
    if file_format is not LDJSON:
        raise UsageError(
            f"{config.output_file}: the job writes JSON Lines, not {file_format.name}",
            "Let the name end in .json or .jsonl, and .gz or .zst after it if you like.",
        )
    files = RunFiles.from_config(config, report_location(config))
    for role, location in files.outputs_by_role():
        if location.uri in input_uris:
            raise SameFile(f"input and {role} are the same file, {location.name}", "Give each a name of its own.")
    return dataclasses.replace(files, log=None, rejects=None) if counting else files


def compression_of_output(config: JobConfig) -> Compression:
    """Return the compression of the output, which its name or an option shows."""
    return format_for(config.output_file, None, "a suffix such as .json", config.output_compression)[1]


def stage_output_files(
    publication: RunPublication, files: RunFiles, compression: Compression, *, dry_run: bool
) -> bool:
    """Stage and lock the files.

    Args:
        publication: of the run.
        files: their locations.
        compression: of the output.
        dry_run: whether nothing is to be published.

    Returns:
        False if there is nothing to do, because the output exists and is to be kept.

    Raises:
        ModelEtlError: if a file cannot be written, another run has its lock, or the output must not be replaced.
    """
    if not publication.stage_outputs([(files.outputs[0], media_type(LDJSON, compression))]):
        return False
    files.stage_log_and_rejects(publication, dry_run=dry_run)
    return True


@contextlib.contextmanager
def open_staged_files(publication: RunPublication, compression: Compression) -> Iterator[dict[bytes, BinaryIO]]:
    """Open the staged files for writing, by the tags of their lines, for the length of the block."""
    staged_files = {b"output": publication.outputs[0], b"event": publication.log, b"reject": publication.rejects}
    with contextlib.ExitStack() as stack:
        files = {
            tag: stack.enter_context(staged.fs.openbin(staged.path, "w"))
            for tag, staged in staged_files.items()
            if staged is not None
        }
        if compression:
            files[b"output"] = stack.enter_context(compressed(files[b"output"], compression))
        yield files
