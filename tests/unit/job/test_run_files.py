"""Where the files of a run lie, and which of them must not be the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model_etl.errors import InputMissing, OutputRefused, SameFile, UsageError
from model_etl.job import run_files
from model_etl.job.run_files import RunFiles, raise_open_file_limit
from model_etl.settings.job_config import JobConfig


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with two inputs."""
    (tmp_path / "in").mkdir()
    for name in ("in.json", "in/a.json", "in/b.csv"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_of(input_file: str = "in.json", output_file: str = "out.json", **options: Any) -> RunFiles:
    """Return the files of a run."""
    config = JobConfig.from_options(input_file=input_file, output_file=output_file, model="a:B", **options)
    files = RunFiles.from_config(config, run_files.report_location(config))
    files.find_inputs(config)
    return files


def names(files: RunFiles) -> list[tuple[str, str]]:
    """Return role and name of each file that the run may write."""
    return [(role, location.name) for role, location in files.outputs_by_role()]


def test_log_and_rejects_lie_beside_the_output() -> None:
    """Log and rejects are named after the output unless they have names of their own; a report has to be named."""
    assert names(files_of()) == [
        ("output", "out.json"), ("log", "out.log.ldjson"), ("rejects", "out.rejects.ldjson"),
    ]  # fmt: skip
    assert names(files_of(prediction_log="none", rejects="r.json", report="report.json")) == [
        ("output", "out.json"), ("rejects", "r.json"), ("report", "report.json"),
    ]  # fmt: skip


def test_a_stream_has_nothing_beside_it() -> None:
    """With standard output as output there are neither log nor rejects, so no rejects can be tolerated."""
    assert names(files_of(output_file="-")) == [("output", "-")]
    with pytest.raises(UsageError, match="no default name"):
        files_of(output_file="-", max_errors="1")


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        (None, ["new/a.json", "new/b.csv"]),
        ("csv", ["new/a.csv", "new/b.csv"]),
        ("ldjson", ["new/a.json", "new/b.json"]),
    ],
)
def test_a_folder_has_an_output_for_each_input(format_: str | None, expected: list[str]) -> None:
    """Outputs in a folder are called as their inputs, but for the suffix of the wanted format."""
    files = files_of("in", "new/", output_format=format_)
    assert [location.name for location in files.inputs] == ["in/a.json", "in/b.csv"]
    assert [location.name for location in files.outputs] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_file": "in.json"}, "input and output are the same file"),
        ({"output_file": "./in/../in.json"}, "input and output are the same file"),
        ({"prediction_log": "out.json"}, "output and log are the same file"),
        ({"rejects": "out.log.ldjson"}, "log and rejects are the same file"),
        ({"report": "in.json"}, "input and report are the same file"),
        ({"report": "out.json/r.json"}, "would be in a folder that is another file of the run, the output"),
    ],
)
def test_no_file_has_two_roles(options: dict[str, Any], message: str) -> None:
    """Two files of a run that are one, by whatever name, are refused before anything is written."""
    with pytest.raises(SameFile, match=message):
        files_of(**options)


def test_two_inputs_with_one_output_are_refused(folder: Path) -> None:
    """Two inputs that would be written to the same output of a folder are refused."""
    (folder / "in/b.json").touch()
    with pytest.raises(SameFile, match=r"two inputs would both be written to new/b\.json"):
        files_of("in", "new/", output_format="ldjson")


def test_an_empty_folder_has_no_inputs(folder: Path) -> None:
    """A folder without files and a pattern that nothing fits are missing inputs."""
    (folder / "empty").mkdir()
    for name in ("empty", "in/*.parquet"):
        with pytest.raises(InputMissing):
            files_of(name)


def test_standard_input_fills_no_folder() -> None:
    """Standard input has no name that an output in a folder could have."""
    with pytest.raises(UsageError, match="a folder cannot be filled from -"):
        files_of("-", "new/")


@pytest.mark.parametrize(
    ("limits", "count", "expected"),
    [((256, 4096), 1, 257), ((256, 4096), 1000, 1256), ((256, 4096), 4000, 4096), ((1024, 1024), 700, None)],
)
def test_the_limit_of_open_files_is_raised_as_far_as_needed(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], count: int, expected: int | None
) -> None:
    """The soft limit of open files is raised for many outputs, never above the hard limit."""
    made: list[tuple[int, int]] = []
    monkeypatch.setattr("resource.getrlimit", lambda _: limits)
    monkeypatch.setattr("resource.setrlimit", lambda _, wanted: made.append(wanted))
    raise_open_file_limit(count)
    assert made == ([] if expected is None else [(expected, limits[1])])


def test_more_outputs_than_the_machine_allows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """More outputs than files may be open are refused with a message that names the limit."""
    monkeypatch.setattr("resource.getrlimit", lambda _: (64, 64))
    with pytest.raises(OutputRefused, match="60 outputs are written in one run, but no more than 64 files"):
        raise_open_file_limit(60)
