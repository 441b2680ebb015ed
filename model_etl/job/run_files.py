"""The locations of the files of a run."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from model_etl.errors import OutputRefused, SameFile, UsageError, printable
from model_etl.formats import FORMATS, format_for
from model_etl.formats.compression import COMPRESSIONS, Compression, compression_of, without_compression
from model_etl.publishing.publication import RunPublication
from model_etl.publishing.storage import FoundFile, Location
from model_etl.services import find_files, is_folder, locate, locate_in_folder
from model_etl.settings.job_config import JobConfig, sibling_name

_MIN_OTHER_FILES, _ENOUGH_OTHER_FILES = 32, 256
"""File descriptors for libraries, connections and streams, beside those of the outputs: the least with which a run
works, and a comfortable number."""


@dataclass
class RunFiles:
    """The locations of the files of a run.

    Attributes:
        name: the input, as the user named it.
        inputs: the files to read, in the order of reading; empty before `find_inputs`.
        outputs: the files to write: one for all inputs, or one for each, which are empty before `find_inputs`.
        log: the prediction log, or None for no log.
        rejects: the rejects file, or None for no file.
        report: the run report, or None for no report.
    """

    name: str
    inputs: list[Location] = field(default_factory=list)
    outputs: list[Location] = field(default_factory=list)
    log: Location | None = None
    rejects: Location | None = None
    report: Location | None = None

    @classmethod
    def from_config(cls, config: JobConfig, report: Location | None) -> RunFiles:
        """Locate the files whose names the settings tell, without listing folders.

        Args:
            config: the settings of the run.
            report: location of the report, or None for no report.

        Raises:
            SameFile: if two names are the same file.
            UsageError: if rejects are tolerated, but there is no file for them.
        """
        options = config.storage.as_options()
        folder = is_folder(config.output_file, **options)
        output = None if folder else locate(config.output_file, **options)
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
        files._refuse_same_files()
        if files.rejects is None and config.max_errors.limit:
            raise UsageError(
                "--max_errors tolerates rejects, whose file has no default name beside a stream",
                "Add --rejects FILE.",
            )
        return files

    def find_inputs(self, config: JobConfig) -> None:
        """Find the inputs, and locate an output for each of them if the output is a folder.

        Args:
            config: the settings of the run.

        Raises:
            InputMissing: if there are none.
            SameFile: if two names are the same file.
            ModelEtlError: if a storage fails.
        """
        options = config.storage.as_options()
        found_files = find_files(config.input_file, **options)
        self.inputs = [file.location for file in found_files]
        _require_formats(found_files, config)
        if not self.outputs:
            if self.inputs[0].stream:
                raise UsageError(f"a folder cannot be filled from {self.name}", "Name a file as --output_file.")
            names = [output_name(file.location.name, file.relative, config) for file in found_files]
            self.outputs = [locate_in_folder(config.output_file, name, **options) for name in names]
        self._refuse_same_files()

    def outputs_by_role(self) -> Iterator[tuple[str, Location]]:
        """Yield the role and the location of every file that a run may write."""
        for output in self.outputs:
            yield "output", output
        for role, location in (("log", self.log), ("rejects", self.rejects), ("report", self.report)):
            if location is not None:
                yield role, location

    def stage_log_and_rejects(self, publication: RunPublication, *, dry_run: bool = False) -> None:
        """Stage the prediction log, if there is one, and the rejects file.

        Args:
            publication: of the run.
            dry_run: whether the rejects file is never published.

        Raises:
            ModelEtlError: if a file cannot be written, or another run has its lock.
        """
        if self.log is not None:
            publication.stage_log(self.log)
        # Without a name for the rejects file, a stream is staged that is never published: the rejects are counted.
        publication.stage_rejects(self.rejects or locate("-"), publishes=self.rejects is not None and not dry_run)

    def _refuse_same_files(self) -> None:
        self._refuse_same_streams()
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
        for role, location in self.outputs_by_role():
            if location.staged_uri in seen:
                raise SameFile(
                    f"the {seen[location.staged_uri]} has the name under which the {role} {location.name} is staged",
                    "Give it another name.",
                )
            folder = location.uri.rpartition("/")[0]
            while "/" in folder and not location.stream:
                if folder in seen:
                    raise SameFile(
                        f"{location.name} would be in a folder that is another file of the run, the {seen[folder]}",
                        "Give each a name of its own.",
                    )
                folder = folder.rpartition("/")[0]

    def _refuse_same_streams(self) -> None:
        """Check that no stream is a redirection from or to a file of the run: it would be replaced, or appended to."""
        files = [("input", location, False) for location in self.inputs]
        files += [(role, location, True) for role, location in self.outputs_by_role()]
        if not any(location.stream for _, location, _ in files):
            return
        seen: dict[tuple[int, int], tuple[str, Location]] = {}
        for role, location, writes in files:
            found = location.regular_file(writes=writes)
            if found is None:
                continue
            other_role, other = seen.setdefault(found, (role, location))
            if other is not location and (location.stream or other.stream):
                name = location.name if other.stream else other.name
                stream = other.name if other.stream else location.name
                raise SameFile(
                    f"{other_role} and {role} are the same file: {stream} is redirected, and leads to {name}",
                    "Give each a file of its own.",
                )


def report_location(config: JobConfig) -> Location | None:
    """Locate the run report; a run does this first, so that the report tells about failures of all other steps."""
    return _located(config.report, config) if config.report else None


def _located(name: str, config: JobConfig) -> Location:
    """Locate a file that may be in the output folder, which need not exist yet."""
    options = config.storage.as_options()
    folder = f"{config.output_file.rstrip('/')}/"
    if name.startswith(folder) and is_folder(config.output_file, **options):
        return locate_in_folder(folder, name.removeprefix(folder), **options)
    return locate(name, **options)


def raise_open_file_limit(count: int) -> None:
    """Raise this process's limit of open files so that all outputs can be open at the same time.

    Args:
        count: number of outputs.

    Raises:
        OutputRefused: if the machine does not permit that.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    maximum = sys.maxsize if hard == resource.RLIM_INFINITY else hard
    if count > 1 and count + _MIN_OTHER_FILES > maximum:
        raise OutputRefused(
            f"{count:,} outputs are written in one run, but no more than {hard:,} files may be open at a time",
            "Raise the limit of open files (ulimit -n), or score fewer files in one run.",
        )
    if soft != resource.RLIM_INFINITY and count + _ENOUGH_OTHER_FILES > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + _ENOUGH_OTHER_FILES, maximum), hard))


def output_name(name: str, relative: str, config: JobConfig) -> str:
    """Return the name of an input's output in the output folder: the input's, with the suffix of --output_format.

    Args:
        name: of the input, as the user gave it.
        relative: its name below the folder that was named or searched.
        config: the settings of the run.
    """
    format_for(name, config.input_format, "--input_format", config.input_compression)
    stem, compression = without_compression(relative), compression_of(relative)
    if config.output_compression is not None:
        compression = COMPRESSIONS[config.output_compression]
    if config.output_format is None:
        return relative if config.output_compression is None else _with_compression(stem, compression)
    file_format, _ = format_for("-", config.output_format, "--output_format")
    suffix = file_format.suffixes[0] if file_format.suffixes else f".{file_format.name}"
    return sibling_name(relative, _with_compression(suffix, compression if file_format.compressible else ""))


def _with_compression(name: str, compression: Compression) -> str:
    return f"{name}.{compression}" if compression else name


def _require_formats(found_files: Sequence[FoundFile], config: JobConfig) -> None:
    """Check, before the work, that each input shows its format.

    Raises:
        UsageError: if one does not; a file in a folder may be there for people, so it is not to be read as data.
    """
    for location, relative in found_files:
        try:
            format_for(location.name, config.input_format, "--input_format", config.input_compression)
        except UsageError as exc:
            folder = location.name.removesuffix(printable(relative))
            suffix = next((suffix for file in found_files if (suffix := _data_suffix(file.relative))), None)
            if config.input_format is not None or suffix is None:
                raise
            raise UsageError(
                f"{exc.message}, as that of other files of {printable(config.input_file)} can be",
                f"If it is not data, leave it out by a pattern, such as '{folder}*{suffix}': --input_format would read"
                " it as data.",
            ) from exc


def _data_suffix(name: str) -> str:
    """Return the end of a name that shows its format and compression, or "" if it shows none."""
    stem = without_compression(name)
    suffixes = (suffix for file_format in FORMATS.values() for suffix in file_format.suffixes)
    found = next((stem[-len(suffix) :] for suffix in suffixes if stem.lower().endswith(suffix)), "")
    return found and found + name[len(stem) :]
