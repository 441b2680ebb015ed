"""Where the files of a run lie."""

from __future__ import annotations

from dataclasses import dataclass

from model_etl.config import JobConfig
from model_etl.errors import UsageError
from model_etl.publish import Location
from services import locate


@dataclass
class Files:
    """Where the files of a run lie."""

    input: Location
    output: Location
    log: Location | None
    rejects: Location | None
    report: Location | None

    @classmethod
    def of(cls, config: JobConfig) -> Files:
        """Find them.

        Raises:
            UsageError: if two of them are the same, or rejects are tolerated but have no place.
        """
        output = locate(config.output_file)
        log = config.log_name(stream=output.stream)
        rejects = config.rejects_name(stream=output.stream)
        files = cls(
            input=locate(config.input_file),
            output=output,
            log=locate(log) if log else None,
            rejects=locate(rejects) if rejects else None,
            report=locate(config.report) if config.report else None,
        )
        files._check(config)
        return files

    def _check(self, config: JobConfig) -> None:
        seen: dict[str, str] = {}
        for role, location in vars(self).items():
            if location is None or location.stream:
                continue
            if location.uri in seen:
                raise UsageError(
                    f"{seen[location.uri]} and {role} are the same file, {location.name}",
                    "Give each a name of its own.",
                )
            seen[location.uri] = role
        if self.rejects is None and config.max_errors.limit:
            raise UsageError(
                "--max_errors tolerates rejects, but there is no place for them beside a stream", "Add --rejects FILE."
            )
