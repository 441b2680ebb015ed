"""Container images are pinned by digest, all of them or none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command import ROOT

DIGEST = "sha256:" + "7" * 64
KNOWS_ALL = f"echo {DIGEST}"
KNOWS_PYTHON_ONLY = f'case "$*" in *python:*) echo {DIGEST};; *) echo "not found" >&2; exit 1;; esac'


def pin(checkout: Path, docker: str) -> subprocess.CompletedProcess[str]:
    """Run the script in a checkout, with a program as docker."""
    program = checkout / "bin" / "docker"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{docker}\n")
    program.chmod(0o755)
    environ = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    command = [sys.executable, checkout / "tools" / "pin_images.py"]
    return subprocess.run(command, env=environ, capture_output=True, check=False, text=True)


def images(checkout: Path) -> list[str]:
    """Return every image that a file of the checkout takes from a registry."""
    found = []
    for path in [p for folder in ("docker", "deploy") for p in sorted((checkout / folder).rglob("*")) if p.is_file()]:
        if path.suffix != ".md":
            found += re.findall(r"(?:^|\s)(?:FROM|image:) ((?!model_etl)[\w./-]+:\S+)", path.read_text())
    return found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy what names images."""
    for folder in ("docker", "deploy", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_each_image_gets_the_digest_of_its_tag(checkout: Path) -> None:
    """No image of docker/ and deploy/ is left out, and a second time the digest is replaced."""
    before = [image.partition("@")[0] for image in images(checkout)]
    assert len(before) >= 8
    for _ in range(2):
        assert pin(checkout, KNOWS_ALL).returncode == 0
        assert images(checkout) == [f"{image}@{DIGEST}" for image in before]


def test_nothing_is_changed_if_one_digest_is_unknown(checkout: Path) -> None:
    """The message names the image; the files are as before."""
    before = images(checkout)
    done = pin(checkout, KNOWS_PYTHON_ONLY)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"pin_images\.py: docker has no digest of \S+: not found; nothing was changed\n", done.stderr)
    assert images(checkout) == before
