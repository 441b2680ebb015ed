"""The input of the acceptance test, and the results of the single-machine run."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance import Results, single_machine, write_input


@pytest.fixture(scope="session")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """Return a file of 100,000 records, and the results of the single-machine run."""
    folder = tmp_path_factory.mktemp("accepted")
    path = folder / "input.json"
    write_input(path)
    results = single_machine(str(path), folder)
    outcomes = results.outcomes()
    assert min(outcomes.get(outcome, 0) for outcome in ("completed", "withheld", "rejected")) > 100, outcomes
    return path, results
