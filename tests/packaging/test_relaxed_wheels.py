"""Wheels with requirements that are true today: made from those of the index, with the same bytes everywhere."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers.command import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from relaxed_wheels import WHEELS, Relaxed, RelaxError, make

METADATA = (
    "Metadata-Version: 2.1\nName: old\nVersion: 1.0\nRequires-Dist: six (<1.2,>=1.1)\nRequires-Dist: attrs\n\nText\n"
)


def index(folder: Path, monkeypatch: pytest.MonkeyPatch, metadata: str = METADATA) -> str:
    """Make a folder with one wheel the only package index that pip has; return the wheel's hash."""
    folder.mkdir()
    wheel = folder / "old-1.0-py3-none-any.whl"
    info = "old-1.0.dist-info"
    files = {
        "old.py": "VALUE = 1\n",
        f"{info}/METADATA": metadata,
        f"{info}/RECORD": "",
        "old-1.0.data/data/x.txt": "x",
    }
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def relaxed(sha256: str) -> Relaxed:
    """Describe a wheel that should accept any newer six."""
    return Relaxed("old", "1.0", sha256, {"six (<1.2,>=1.1)": "six>=1.1"})


def test_a_wheel_has_another_version_and_other_requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the version and the named requirements differ, and the wheel says so."""
    made = make(relaxed(index(tmp_path / "index", monkeypatch)), tmp_path / "made")
    assert made.name == "old-1.0+relaxed.1-py3-none-any.whl"
    with zipfile.ZipFile(made) as archive:
        entries = {name: archive.read(name).decode() for name in archive.namelist()}
    info = "old-1.0+relaxed.1.dist-info"
    changed = METADATA.replace("Version: 1.0\n", "Version: 1.0+relaxed.1\n").replace("six (<1.2,>=1.1)", "six>=1.1")
    assert entries[f"{info}/METADATA"] == changed
    assert entries["old.py"] == "VALUE = 1\n"
    assert "six (<1.2,>=1.1) -> six>=1.1" in entries[f"{info}/NOTICE.model_etl"]
    assert set(entries) == {
        *(f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "NOTICE.model_etl")),
        "old.py",
        "old-1.0+relaxed.1.data/data/x.txt",
    }


def test_pip_installs_it_for_the_version_without_the_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for 1.0 gets the relaxed wheel, where pip finds it; RECORD fits, so that it can be removed again."""
    make(relaxed(index(tmp_path / "index", monkeypatch)), tmp_path / "index")
    target = tmp_path / "target"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), "old==1.0"]
    subprocess.run(pip, check=True, capture_output=True)
    assert (target / "old-1.0+relaxed.1.dist-info").is_dir()
    for line in (target / "old-1.0+relaxed.1.dist-info" / "RECORD").read_text().splitlines():
        assert len(line.split(",")) == 3


def test_the_bytes_are_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They depend on nothing but the source: not on the time, the time zone, the umask or the order of files."""
    source = relaxed(index(tmp_path / "index", monkeypatch))
    first = make(source, tmp_path / "first").read_bytes()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    before = os.umask(0o077)
    try:
        second = make(source, tmp_path / "second").read_bytes()
    finally:
        os.umask(before)
    assert first == second
    with zipfile.ZipFile(tmp_path / "first" / "old-1.0+relaxed.1-py3-none-any.whl") as archive:
        names = [entry.filename for entry in archive.infolist()]
        assert names == sorted(names)
        assert {(entry.date_time, entry.compress_type) for entry in archive.infolist()} == {((1980, 1, 1, 0, 0, 0), 0)}


def test_a_wheel_with_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made of a wheel that is not the one that was looked at."""
    index(tmp_path / "index", monkeypatch)
    with pytest.raises(RelaxError, match=r"old 1\.0") as raised:
        make(relaxed("0" * 64), tmp_path / "made")
    assert "DO NOT MATCH THE HASHES" in str(raised.value)
    assert not (tmp_path / "made").exists()


def test_a_requirement_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that does not fit the wheel is noticed."""
    source = relaxed(index(tmp_path / "index", monkeypatch, METADATA.replace("<1.2", "<1.3")))
    with pytest.raises(RelaxError, match=r"no line 'Requires-Dist: six \(<1\.2,>=1\.1\)'"):
        make(source, tmp_path / "made")


def test_without_an_index_the_message_names_the_wheel(tmp_path: Path) -> None:
    """The command ends with 1 and says what pip could not fetch."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "relaxed_wheels.py", tmp_path],
        env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}, capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("relaxed_wheels.py: pip could not fetch the wheel of bonobo 0.6.4:\n")


LOCKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*requirements.txt"], cwd=ROOT, capture_output=True, check=False, text=True
    ).stdout.splitlines()
]
"""What `make lock` writes."""


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_requirement_is_pinned_with_hashes(path: Path) -> None:
    """Whatever the index offers later, the same files are installed."""
    text = path.read_text().replace("\\\n", " ")
    pins = [line for line in text.splitlines() if line.strip() and not re.match(r"\s*#|--find-links ", line)]
    assert pins
    for pin in pins:
        assert re.match(r"[\w.-]+==[\w.+!-]+ ", pin), pin
        assert "--hash=sha256:" in pin, pin


def test_the_pins_name_the_wheels_that_are_made() -> None:
    """A wheel that gets other requirements gets another label, and `make lock` pins it."""
    text = (ROOT / "requirements.txt").read_text()
    for wheel in WHEELS:
        assert f"\n{wheel.name}=={wheel.local} \\\n" in text
