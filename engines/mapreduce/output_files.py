"""The output files of a job: staged before the work, published whole or not at all after it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import BinaryIO

from model_etl.errors import SameFile, UsageError
from model_etl.formats import format_for, media_type
from model_etl.formats.compression import compressed
from model_etl.formats.json_lines import LDJSON
from model_etl.job.run_files import RunFiles
from model_etl.publishing.publication import RunPublication
from model_etl.runtime.signals import Interrupts
from model_etl.services import is_folder, locate
from model_etl.settings.job_config import JobConfig


class OutputFiles:
    """The output, the prediction log and the rejects file of a job.

    Args:
        config: the settings of the run.
        input_uris: absolute names of the inputs.
        counting: whether the job only counts predictions: then it has neither log nor rejects file.

    Raises:
        UsageError: if the job cannot write to a name, or two names are the same file.
    """

    def __init__(self, config: JobConfig, input_uris: Collection[str], *, counting: bool) -> None:
        if is_folder(config.output_file):
            raise UsageError(f"{config.output_file} is a folder", "Name a file as --output.")
        self._format, self._compression = format_for(config.output_file, None, "a suffix such as .json")
        if self._format is not LDJSON:
            raise UsageError(
                f"{config.output_file}: the job writes JSON Lines, not {self._format.name}",
                "Let the name end in .json or .jsonl, and .gz or .zst after it if you like.",
            )
        files = RunFiles.from_config(config, None)
        for role, location in files.outputs_by_role():
            if location.uri in input_uris:
                raise SameFile(f"input and {role} are the same file, {location.name}", "Give each a name of its own.")
        self._output = files.outputs[0]
        self._log = None if counting else files.log
        self._rejects = None if counting else files.rejects
        self.publication = RunPublication(config.if_exists, config.lock_wait)

    @property
    def logged(self) -> bool:
        """Whether there is a prediction log."""
        return self._log is not None

    def stage(self) -> bool:
        """Stage and lock the files.

        Returns:
            False if there is nothing to do, because the output exists and is to be kept.

        Raises:
            ModelEtlError: if a file cannot be written, another run has its lock, or the output must not be replaced.
        """
        if not self.publication.stage_outputs([(self._output, media_type(self._format, self._compression))]):
            return False
        if self._log is not None:
            self.publication.stage_log(self._log)
        self.publication.stage_rejects(self._rejects or locate("-"), publishes=self._rejects is not None)
        return True

    @contextlib.contextmanager
    def opened(self) -> Iterator[dict[bytes, BinaryIO]]:
        """Open the staged files for writing, by the tags of their lines, for the length of the block."""
        staged_files = {
            b"output": self.publication.outputs[0],
            b"event": self.publication.log,
            b"reject": self.publication.rejects,
        }
        with contextlib.ExitStack() as stack:
            files = {
                tag: stack.enter_context(staged.fs.openbin(staged.path, "w"))
                for tag, staged in staged_files.items()
                if staged is not None
            }
            if self._compression:
                files[b"output"] = stack.enter_context(compressed(files[b"output"], self._compression))
            yield files

    def publish_rejects(self, interrupts: Interrupts) -> str | None:
        """Publish the rejects file alone.

        Returns:
            Its name, or None if there is no such file.

        Raises:
            ModelEtlError: if the file cannot be published.
        """
        published = self.publication.publish_rejects(interrupts)
        return self._rejects.name if published and self._rejects is not None else None
