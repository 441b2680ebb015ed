"""The README's first command, in a fresh folder with a home of its own: from nothing to predictions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.command import ROOT
from helpers.waiting import slowdown

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]


def run(folder: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    """Run make as a new user would."""
    kept = {
        k: v for k, v in os.environ.items() if k not in ("VENV", "VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL")
    }
    environment = {**kept, "HOME": str(folder / "home"), "PYTHON": sys.executable}
    command = ["make", f"PYTHON={getattr(sys, '_base_executable', sys.executable)}", *targets]
    return subprocess.run(command, cwd=folder / "clone", env=environment, capture_output=True, check=False, text=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copy what git knows of into an empty folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() or (ROOT / name).is_symlink():
            (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / "clone" / name, follow_symlinks=False)
    (tmp_path / "home").mkdir()
    return tmp_path


def test_make_run_works_from_nothing_and_is_quick_after(clone: Path) -> None:
    """It makes the environment, scores the example and says where all is; the second time nothing is installed."""
    first = run(clone, "run")
    if "No matching distribution" in first.stderr + first.stdout and not os.environ.get("CI"):
        pytest.skip("no package index can be reached")
    assert first.returncode == 0, first.stdout + first.stderr
    for words in ("No broken requirements", "15 read = 15 written", "data/output.json", "data/output.log.ldjson"):
        assert words in first.stdout + first.stderr
    assert (clone / "clone/data/output.json").read_text().count("species") == 15
    start = time.monotonic()
    second = run(clone, "run")
    took = time.monotonic() - start
    assert second.returncode == 0
    assert "15 read" in second.stderr
    assert "making" not in second.stdout
    assert took < 10 * slowdown(), "far more than the second that it should take"
