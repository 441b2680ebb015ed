"""The order in which the files of a run are staged and published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from model_etl.errors import OutputRefused, StorageFailure
from model_etl.publishing.publication import RunPublication
from model_etl.runtime.signals import Interrupts


@dataclass
class _Recorded:
    """A location and its staged file, which record what is done to them."""

    name: str
    calls: list[str]
    present: bool = False
    fails: bool = False
    fs: Any = None
    path: str = ""
    stream: bool = False
    size: int | None = None
    location: Any = field(init=False)

    def __post_init__(self) -> None:
        self.location = self
        self.display_name = self.uri = self.name

    def stage(self, **_: object) -> _Recorded:
        return self

    def exists(self) -> bool:
        return self.present

    def identity(self) -> str:
        return ""

    def check_writable(self) -> None:
        pass

    def lock(self) -> bool:
        return True

    def prepare(self) -> None:
        self.calls.append(f"prepare {self.name}")

    def publish(self) -> None:
        if self.fails:
            raise StorageFailure(f"cannot write {self.name}")
        self.calls.append(f"publish {self.name}")

    def remove(self) -> None:
        self.calls.append(f"remove {self.name}")

    def discard(self) -> None:
        self.calls.append(f"discard {self.name}")


def staged(calls: list[str], if_exists: Any = "replace", **output: bool) -> RunPublication:
    """Stage an output, a log and a rejects file."""
    publication = RunPublication(if_exists)
    publication.stage_outputs([(_Recorded("out", calls, **output), "")])
    publication.stage_log(_Recorded("log", calls))
    publication.stage_rejects(_Recorded("rejects", calls, present=True))
    return publication


def test_all_files_are_prepared_before_the_first_is_published() -> None:
    """The outputs are published last, so that predictions never lack their evidence."""
    calls: list[str] = []
    with staged(calls) as publication:
        publication.publish(Interrupts(), any_rejects=True)
    assert calls[:3] == ["prepare rejects", "prepare log", "prepare out"]
    assert calls[3:6] == ["publish rejects", "publish log", "publish out"]


def test_rejects_of_an_earlier_run_are_removed() -> None:
    """Without rejects, the rejects file of an earlier run goes last, and none is published."""
    calls: list[str] = []
    with staged(calls) as publication:
        publication.publish(Interrupts(), any_rejects=False)
    assert calls[2:5] == ["publish log", "publish out", "remove rejects"]


def test_rejects_can_be_published_alone() -> None:
    """All other files are discarded."""
    calls: list[str] = []
    with staged(calls) as publication:
        location = publication.publish_rejects(Interrupts())
    assert location is not None
    assert [call for call in calls if not call.startswith("discard")] == ["prepare rejects", "publish rejects"]


def test_a_failure_names_what_was_published() -> None:
    """The user learns which files are new."""
    with (
        staged([], fails=True) as publication,
        pytest.raises(StorageFailure, match="cannot write out; rejects, log were published"),
    ):
        publication.publish(Interrupts(), any_rejects=True)


def test_existing_outputs_are_refused_or_kept() -> None:
    """With `fail` an existing output is an error; with `skip` there is nothing to do."""
    with pytest.raises(OutputRefused, match="out exists already"):
        staged([], "fail", present=True)
    present, missing = _Recorded("a", [], present=True), _Recorded("b", [])
    assert not RunPublication("skip").stage_outputs([(present, "")])
    assert RunPublication("skip").stage_outputs([(missing, "")])
    with pytest.raises(OutputRefused, match="1 of 2 outputs exist already, a among them"):
        RunPublication("skip").stage_outputs([(present, ""), (missing, "")])
