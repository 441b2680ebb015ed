"""What the engines' tests share: the input of the acceptance test, and what one machine makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance import Results, single_machine, write_input


@pytest.fixture(scope="session")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """Give the 100 000 records, and what the single-machine run makes of them."""
    folder = tmp_path_factory.mktemp("accepted")
    path = folder / "input.json"
    write_input(path)
    results = single_machine(str(path), folder)
    outcomes = results.outcomes()
    assert min(outcomes.get(kind, 0) for kind in ("completed", "withheld", "rejected")) > 100, outcomes
    return path, results
