"""The files of a run: staged before the work, published whole or not at all after it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import BinaryIO

from model_etl.errors import SameFile, UsageError
from model_etl.formats import format_for, media_type
from model_etl.formats.compression import compressed
from model_etl.formats.json_lines import LDJSON
from model_etl.job.run_files import RunFiles
from model_etl.publishing.publication import Publication, refuse_existing
from model_etl.publishing.storage import Location, StagedFile
from model_etl.runtime.signals import Interrupts
from model_etl.services import is_folder, locate
from model_etl.settings.job_config import JobConfig


class Outputs:
    """The output of a run, its log and its rejects file.

    Args:
        config: how they are called, and what becomes of older ones.
        inputs: absolute names of what is read.
        counting: whether records are only counted: then there is an output alone.

    Attributes:
        output, log, rejects: where they lie; None for those that there are not.

    Raises:
        UsageError: if they cannot be what they are called, or two are the same file.
    """

    def __init__(self, config: JobConfig, inputs: Collection[str], *, counting: bool) -> None:
        if is_folder(config.output_file):
            raise UsageError(f"{config.output_file} is a folder", "Name a file as --output.")
        self._form, self._kind = format_for(config.output_file, None, "a suffix such as .json")
        if self._form is not LDJSON:
            raise UsageError(
                f"{config.output_file}: the job writes JSON Lines, not {self._form.name}",
                "Let the name end in .json or .jsonl, and .gz or .zst after it if you like.",
            )
        files = RunFiles.from_config(config, None)
        for role, location in files.outputs_by_role():
            if location.uri in inputs:
                raise SameFile(f"input and {role} are the same file, {location.name}", "Give each a name of its own.")
        self.output: Location = files.outputs[0]
        self.log = None if counting else files.log
        self.rejects = None if counting else files.rejects
        self._config = config
        self._stages: dict[bytes, StagedFile] = {}

    @property
    def skipped(self) -> bool:
        """Whether there is nothing to do, since the output exists."""
        return self._config.if_exists == "skip" and self.output.exists()

    def stage(self, publication: Publication) -> None:
        """Stage and lock them.

        Raises:
            ModelEtlError: if one cannot be written, another run holds it, or the output must not be replaced.
        """
        self._stages[b"output"] = publication.stage(self.output, media_type(self._form, self._kind))
        if self._config.if_exists == "fail":
            refuse_existing([self.output])
        if self.log is not None:
            self._stages[b"event"] = publication.stage(self.log, private=True)
        # Without a place for rejects they are only counted: their file is staged, but never published.
        self._stages[b"reject"] = publication.stage(self.rejects or locate("-"), private=True)

    @contextlib.contextmanager
    def opened(self) -> Iterator[dict[bytes, BinaryIO]]:
        """Open them for writing, by the tag of the lines that they take."""
        with contextlib.ExitStack() as opened:
            files = {
                tag: opened.enter_context(stage.fs.openbin(stage.path, "w")) for tag, stage in self._stages.items()
            }
            if self._kind:
                files[b"output"] = opened.enter_context(compressed(files[b"output"], self._kind))
            yield files

    def publish(self, interrupts: Interrupts, *, any_rejects: bool) -> None:
        """Publish them, the output last; an earlier run's rejects are removed if there are none now.

        Raises:
            ModelEtlError: if one cannot be published.
        """
        wanted = (b"reject", b"event", b"output") if any_rejects and self.rejects else (b"event", b"output")
        stages = [self._stages[tag] for tag in wanted if tag in self._stages]
        for stage in stages:
            stage.prepare()
        stale = self.rejects if self.rejects is not None and not any_rejects and self.rejects.exists() else None
        with interrupts.uninterruptible():
            if self._config.if_exists == "fail":
                refuse_existing([self.output])
            if stale is not None:
                stale.remove()
            for stage in stages:
                stage.publish()

    def publish_rejects(self, interrupts: Interrupts) -> str:
        """Publish the rejects alone, of a run that is not published for them.

        Returns:
            What the user may do.
        """
        if self.rejects is None:
            return "C"
        stage = self._stages[b"reject"]
        stage.prepare()
        with interrupts.uninterruptible():
            stage.publish()
        return f"See {self.rejects.name}; c"
