"""Where the files of a run lie."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from dataclasses import dataclass, field

from model_etl.config import JobConfig, beside
from model_etl.errors import SameFile, UsageError, printable
from model_etl.formats import format_for
from model_etl.publish import Found, Location
from services import below, find, is_folder, locate

_SPARE = 256
"""Files that are open at the same time whatever the number of inputs: libraries, connections, streams."""


@dataclass
class Files:
    """Where the files of a run lie.

    Attributes:
        name: what the user called the input.
        inputs: the files to read, in this order; none before `look`.
        outputs: the files to write: one for all inputs, or one for each; if the latter, none before `look`.
        log: the prediction log, or None for none.
        rejects: the rejects file, or None for none.
        report: the report, or None for none.
    """

    name: str
    inputs: list[Location] = field(default_factory=list)
    outputs: list[Location] = field(default_factory=list)
    log: Location | None = None
    rejects: Location | None = None
    report: Location | None = None

    @classmethod
    def of(cls, config: JobConfig, report: Location | None) -> Files:
        """Find what is not found by looking around.

        Args:
            config: what the files are called.
            report: where the report lies, or None for none.

        Raises:
            SameFile: if two of them are one.
            UsageError: if rejects are tolerated but have no place.
        """
        where = config.storage()
        folder = is_folder(config.output_file, **where)
        output = None if folder else locate(config.output_file, **where)
        stream = output is not None and output.stream
        log = config.log_name(stream=stream)
        rejects = config.rejects_name(stream=stream)
        files = cls(
            name=printable(config.input_file),
            outputs=[output] if output else [],
            log=locate(log, **where) if log else None,
            rejects=locate(rejects, **where) if rejects else None,
            report=report,
        )
        files._check()
        if files.rejects is None and config.max_errors.limit:
            raise UsageError(
                "--max_errors tolerates rejects, but there is no place for them beside a stream", "Add --rejects FILE."
            )
        return files

    def look(self, config: JobConfig) -> None:
        """Find the inputs, and an output for each of them if the output is a folder.

        Raises:
            InputMissing: if there are none.
            SameFile: if two files are one.
            ModelEtlError: if a storage does not tell.
        """
        where = config.storage()
        found = find(config.input_file, **where)
        self.inputs = [file.location for file in found]
        if not self.outputs:
            if self.inputs[0].stream:
                raise UsageError(f"a folder cannot be filled from {self.name}", "Name a file as --output_file.")
            self.outputs = [below(config.output_file, _output_name(file, config), **where) for file in found]
        self._check()

    @property
    def each(self) -> bool:
        """Whether each input has its output."""
        return len(self.inputs) > 1 and len(self.outputs) > 1

    def written(self) -> Iterator[tuple[str, Location]]:
        """Yield the role and the place of all files that a run may write."""
        for output in self.outputs:
            yield "output", output
        for role, location in (("log", self.log), ("rejects", self.rejects), ("report", self.report)):
            if location is not None:
                yield role, location

    def _check(self) -> None:
        seen: dict[str, str] = {}
        for role, location in (*(("input", location) for location in self.inputs), *self.written()):
            if location.stream:
                continue
            if location.uri in seen:
                if role == seen[location.uri] == "output":
                    raise SameFile(
                        f"two inputs would both be written to {location.name}",
                        "Score them one after the other, into folders of their own.",
                    )
                raise SameFile(
                    f"{seen[location.uri]} and {role} are the same file, {location.name}",
                    "Give each a name of its own.",
                )
            seen[location.uri] = role


def report_of(config: JobConfig) -> Location | None:
    """Find out where the report lies; it is found before all else, to tell what goes wrong with the rest."""
    return locate(config.report, **config.storage()) if config.report else None


def allow_files(count: int) -> None:
    """Let this process have so many files open beside what it has anyway, as far as the machine allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _SPARE
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )


def _output_name(file: Found, config: JobConfig) -> str:
    """Name the output of an input in the output folder: as the input, but with the suffix of a wanted format."""
    if config.output_format is None:
        return file.relative
    form, _ = format_for("-", config.output_format, "--output_format")
    _, kind = format_for(file.location.name, config.input_format, "--input_format")
    suffix = form.suffixes[0] if form.suffixes else f".{form.name}"
    return beside(file.relative, suffix + (f".{kind}" if kind and form.compressible else ""))
