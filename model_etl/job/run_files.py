"""Where the files of a run lie."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from model_etl.errors import OutputRefused, SameFile, UsageError, printable
from model_etl.formats import format_for
from model_etl.publishing.publication import FoundFile, Location
from model_etl.services import below, find, is_folder, locate
from model_etl.settings.job_config import JobConfig, sibling_name

_FEW, _SPARE = 32, 256
"""Files that are open at the same time whatever the number of outputs (libraries, connections, streams): without which
nothing works, and enough."""


@dataclass
class RunFiles:
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
    def from_config(cls, config: JobConfig, report: Location | None) -> RunFiles:
        """Find what is not found by looking around.

        Args:
            config: what the files are called.
            report: where the report lies, or None for none.

        Raises:
            SameFile: if two of them are one.
            UsageError: if rejects are tolerated but have no place.
        """
        where = config.storage.as_options()
        folder = is_folder(config.output_file, **where)
        output = None if folder else locate(config.output_file, **where)
        stream = output is not None and output.stream
        log = config.log_name(stream=stream)
        rejects = config.rejects_name(stream=stream)
        files = cls(
            name=printable(config.input_file),
            outputs=[output] if output else [],
            log=_located(log, config) if log else None,
            rejects=_located(rejects, config) if rejects else None,
            report=report,
        )
        files._check()
        if files.rejects is None and config.max_errors.limit:
            raise UsageError(
                "--max_errors tolerates rejects, but there is no place for them beside a stream", "Add --rejects FILE."
            )
        return files

    def find_inputs(self, config: JobConfig) -> None:
        """Find the inputs, and an output for each of them if the output is a folder.

        Raises:
            InputMissing: if there are none.
            SameFile: if two files are one.
            ModelEtlError: if a storage does not tell.
        """
        where = config.storage.as_options()
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

    def outputs_by_role(self) -> Iterator[tuple[str, Location]]:
        """Yield the role and the place of all files that a run may write."""
        for output in self.outputs:
            yield "output", output
        for role, location in (("log", self.log), ("rejects", self.rejects), ("report", self.report)):
            if location is not None:
                yield role, location

    def _check(self) -> None:
        seen: dict[str, str] = {}
        for role, location in (*(("input", location) for location in self.inputs), *self.outputs_by_role()):
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
        for _, location in self.outputs_by_role():
            folder = location.uri.rpartition("/")[0]
            while "/" in folder and not location.stream:
                if folder in seen:
                    raise SameFile(
                        f"{location.name} would lie below another file of the run, the {seen[folder]}",
                        "Give each a name of its own.",
                    )
                folder = folder.rpartition("/")[0]


def report_location(config: JobConfig) -> Location | None:
    """Find out where the report lies; it is found before all else, to tell what goes wrong with the rest."""
    return _located(config.report, config) if config.report else None


def _located(name: str, config: JobConfig) -> Location:
    """Find out where a file lies that may be in the output folder, which a run may have to make."""
    where = config.storage.as_options()
    folder = f"{config.output_file.rstrip('/')}/"
    if name.startswith(folder) and is_folder(config.output_file, **where):
        return below(folder, name.removeprefix(folder), **where)
    return locate(name, **where)


def raise_open_file_limit(count: int) -> None:
    """Let this process have so many outputs open beside what it has open anyway.

    Raises:
        OutputRefused: if the machine does not allow that.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = sys.maxsize if hard == resource.RLIM_INFINITY else hard
    if count > 1 and count + _FEW > most:
        raise OutputRefused(
            f"{count:,} outputs are written in one run, but no more than {hard:,} files may be open at a time",
            "Raise the limit of open files (ulimit -n), or score fewer files in one run.",
        )
    if soft != resource.RLIM_INFINITY and count + _SPARE > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + _SPARE, most), hard))


def _output_name(file: FoundFile, config: JobConfig) -> str:
    """Name the output of an input in the output folder: as the input, but with the suffix of a wanted format."""
    _, kind = format_for(file.location.name, config.input_format, "--input_format")
    if config.output_format is None:
        return file.relative
    form, _ = format_for("-", config.output_format, "--output_format")
    suffix = form.suffixes[0] if form.suffixes else f".{form.name}"
    return sibling_name(file.relative, suffix + (f".{kind}" if kind and form.compressible else ""))
