"""What a run locks, writes and publishes, in which order, and what its report holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from helpers.command import MODELS
from helpers.storage import MemoryStagedFile, Storage, register

from model_etl.job.run import run_job
from model_etl.settings.job_config import JobConfig

GOOD, MIXED = b'{"x":1}\n{"x":2}\n', b'{"x":1}\nx\n{"x":2}\n'
MODEL = "failing_models:GoodBatch"
OUTPUT = b'{"y":1.0}\n{"y":2.0}\n'
EARLIER = {"memory://out.json": b"earlier\n"}


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Storage:
    """Return an empty storage in memory."""
    monkeypatch.syspath_prepend(str(MODELS))
    storage = Storage()
    register(storage, monkeypatch)
    return storage


@pytest.fixture
def run(storage: Storage) -> Callable[..., tuple[dict[str, Any], BaseException | None]]:
    """Return a function that scores memory://in.json into memory://out.json and returns the report and the failure."""

    def run(content: bytes = GOOD, **options: Any) -> tuple[dict[str, Any], BaseException | None]:
        storage.files["memory://in.json"] = content
        given = {"input_file": "memory://in.json", "output_file": "memory://out.json", "model": MODEL}
        report, failure = run_job(JobConfig.from_options(**{**given, **options}))
        return report.as_json(), failure

    return run


Run = Callable[..., tuple[dict[str, Any], Any]]


def test_the_output_is_locked_first_and_published_last(storage: Storage, run: Run) -> None:
    """Outputs are locked before the log and the rejects, all before anything is written; the output comes last."""
    report, failure = run(MIXED, max_errors="1")
    assert failure is None
    assert storage.done("lock") == ["out.json", "out.log.ldjson", "out.rejects.ldjson"]
    operations = [operation for operation, _ in storage.events]
    assert operations.index("write") > max(i for i, operation in enumerate(operations) if operation == "lock")
    assert operations.index("publish") > max(i for i, operation in enumerate(operations) if operation == "prepare")
    assert storage.done("publish") == ["out.rejects.ldjson", "out.log.ldjson", "out.json"]
    assert storage.done("discard") == []
    assert storage.files["memory://out.json"] == OUTPUT
    assert (report["status"], report["exit_code"], report["error"]) == ("published", 0, None)
    assert report["counts"] == {"read": 3, "written": 2, "rejected": 1, "withheld": 0}


def test_without_rejects_their_staged_file_is_discarded(storage: Storage, run: Run) -> None:
    """A run without rejects publishes no rejects file, and removes an earlier one once the output is published."""
    storage.files["memory://out.rejects.ldjson"] = b"earlier\n"
    assert run()[1] is None
    assert storage.done("publish") == ["out.log.ldjson", "out.json"]
    assert storage.done("remove") == ["out.rejects.ldjson"]
    assert storage.events.index(("remove", "memory://out.rejects.ldjson")) > storage.events.index(
        ("publish", "memory://out.json")
    )
    assert storage.done("discard") == ["out.rejects.ldjson"]


def test_too_many_rejects_publish_the_rejects_alone(storage: Storage, run: Run) -> None:
    """A run with too many rejects publishes its rejects file, and neither log nor output."""
    storage.files.update(EARLIER)
    report, failure = run(MIXED)
    assert (failure.exit_code, "1 of 3 records were rejected" in failure.message) == (65, True)
    assert storage.done("publish") == ["out.rejects.ldjson"]
    assert sorted(storage.done("discard")) == ["out.json", "out.log.ldjson"]
    assert storage.files["memory://out.json"] == b"earlier\n"
    assert (report["status"], report["exit_code"]) == ("failed", 65)
    assert report["error"]["message"] == failure.message


def test_a_dry_run_publishes_nothing(storage: Storage, run: Run) -> None:
    """A dry run scores everything, counts it and discards it."""
    report, failure = run(dry_run=True)
    assert failure is None
    assert storage.done("publish") == []
    assert (report["status"], report["counts"]["written"]) == ("dry_run", 2)


@pytest.mark.parametrize(
    ("policy", "status", "code", "kept"),
    [("replace", "published", 0, False), ("skip", "skipped", 0, True), ("fail", "failed", 73, True)],
)
def test_an_output_that_exists(storage: Storage, run: Run, policy: str, status: str, code: int, *, kept: bool) -> None:
    """An output that exists is replaced, skipped or an error, as --if_exists says; if it is kept, nothing is read."""
    storage.files.update(EARLIER)
    report, _ = run(if_exists=policy)
    assert (report["status"], report["exit_code"]) == (status, code)
    assert (storage.files["memory://out.json"] == b"earlier\n") is kept
    assert (report["counts"]["read"] == 0) is kept


def test_an_input_that_changes_publishes_nothing(storage: Storage, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose input changes while it is read publishes nothing and exits with 75."""
    identities = iter("ab")  # before and after reading
    monkeypatch.setattr("helpers.storage.MemoryLocation.identity", lambda _: next(identities) * 32)
    _, failure = run()
    assert failure.exit_code == 75
    assert "memory://in.json was changed while it was read" in failure.message
    assert storage.done("publish") == []


@pytest.mark.parametrize(("policy", "code"), [("ok", 0), ("fail", 65)])
def test_an_input_without_records(storage: Storage, run: Run, policy: str, code: int) -> None:
    """An empty input is published as an empty output, unless --on_empty makes it an error."""
    report, _ = run(b"", on_empty=policy)
    assert report["exit_code"] == code
    assert storage.done("publish") == ([] if code else ["out.log.ldjson", "out.json"])


def test_a_failing_publication_names_what_was_published(
    storage: Storage, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the output cannot be published after the log was, the run fails, and only the output is discarded."""
    publish = MemoryStagedFile.publish

    def fail_at_output(staged: Any) -> None:
        if staged.location.name == "memory://out.json":
            raise OSError(5, "Input/output error")
        publish(staged)

    monkeypatch.setattr(MemoryStagedFile, "publish", fail_at_output)
    report, failure = run()
    assert failure is not None
    assert report["status"] == "failed"
    assert storage.done("publish") == ["out.log.ldjson"]
    assert "out.json" in storage.done("discard")


def test_the_report_is_staged_before_the_work_and_published_after_it(storage: Storage, run: Run) -> None:
    """The report is locked first and published last, on failure too, and holds sizes and digests of what was read."""
    report, _ = run(report="memory://report.json")
    assert storage.done("lock")[0] == "report.json"
    assert storage.done("publish")[-1] == "report.json"
    written = json.loads(storage.files["memory://report.json"])
    assert written["status"] == "published"
    assert written["counts"] == report["counts"]
    assert written["files"]["input"]["bytes"] == len(GOOD)
    assert set(written["files"]) == {"input", "output", "log"}
    assert written["model"]["reference"] == "failing_models:GoodBatch"
    storage.events.clear()
    run(MIXED, report="memory://report.json")
    assert storage.done("publish") == ["out.rejects.ldjson", "report.json"]
    assert json.loads(storage.files["memory://report.json"])["exit_code"] == 65
