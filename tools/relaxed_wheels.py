"""Make the wheels that model_etl needs and no index has: those of others, with requirements that are true today.

    python tools/relaxed_wheels.py FOLDER

The metadata of some packages demands versions that were current when they were last released, although their code works
with today's. Such a wheel is taken from the package index, as pip is configured, with the hash that is pinned here. It
is packed again under a local version, and only its metadata is changed. The bytes are the same on every machine, so
requirements.txt can pin their hash. Only Python and pip are needed. Why: docs/decisions/0019.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can hold
NOTICE = """This is {name} {version} as its authors published it (SHA-256 of the wheel: {sha256}),
packed again by model_etl as {local}. Changed: the version, and these requirements in METADATA:

{changes}
"""


class RelaxError(Exception):
    """A wheel cannot be made; the message says why."""


@dataclass(frozen=True)
class Relaxed:
    """A wheel of the index and the requirements to put in the place of its own."""

    name: str
    version: str
    sha256: str
    requirements: Mapping[str, str]
    """What METADATA says, and what it should say."""
    label: str = "relaxed.1"
    """Counts up with each change of the requirements, since installers do not replace a version by itself."""

    @property
    def local(self) -> str:
        """Return the version of the wheel that is made."""
        return f"{self.version}+{self.label}"


WHEELS = [
    Relaxed(
        "bonobo",
        "0.6.4",
        "b0ad6b99238ddda74a99c6ba141eb3eea56df03f9ffc62ddda189800444038b8",
        # mondrian and whistle keep their limits: nothing else uses them, and whistle 2 has another interface.
        {
            "graphviz (<0.9,>=0.8)": "graphviz>=0.8",
            "jinja2 (~=2.9)": "jinja2>=2.9",
            "packaging (~=19.0)": "packaging>=19.0",
            "psutil (~=5.4)": "psutil>=5.4",
            "python-slugify (~=1.2.0)": "python-slugify>=1.2.0",
            "requests (~=2.0)": "requests>=2.0",
            "stevedore (~=1.27)": "stevedore>=1.27",
        },
    ),
]


def make(relaxed: Relaxed, folder: Path) -> Path:
    """Make a wheel in a folder; return its path.

    Raises:
        RelaxError: if the index does not have the wheel with the pinned hash, or the wheel does not have a requirement.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source = _download(relaxed, Path(scratch))
        with zipfile.ZipFile(source) as archive:
            entries = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    old, new = (f"{relaxed.name}-{version}" for version in (relaxed.version, relaxed.local))
    moved = {re.sub(rf"^{re.escape(old)}(?=\.(dist-info|data)/)", new, name): data for name, data in entries.items()}
    info = f"{new}.dist-info"
    moved[f"{info}/METADATA"] = _relax(relaxed, moved[f"{info}/METADATA"].decode()).encode()
    moved[f"{info}/NOTICE.model_etl"] = _notice(relaxed).encode()
    moved[f"{info}/RECORD"] = _record(moved, f"{info}/RECORD").encode()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / source.name.replace(old, new, 1)
    staged = target.with_suffix(f".{os.getpid()}.part")
    _pack(moved, staged)
    staged.replace(target)
    return target


def _download(relaxed: Relaxed, folder: Path) -> Path:
    """Take a wheel from the package index by way of pip, which compares the hash."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{relaxed.name}=={relaxed.version} --hash=sha256:{relaxed.sha256}\n", "utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", "--dest", str(folder), "--requirement", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RelaxError(f"pip could not fetch the wheel of {relaxed.name} {relaxed.version}:\n{done.stderr.strip()}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def _relax(relaxed: Relaxed, metadata: str) -> str:
    """Put the requirements and the version into METADATA."""
    changes = {f"Requires-Dist: {old}": f"Requires-Dist: {new}" for old, new in relaxed.requirements.items()}
    changes[f"Version: {relaxed.version}"] = f"Version: {relaxed.local}"
    head, separator, description = metadata.replace("\r\n", "\n").partition("\n\n")
    lines = head.split("\n")
    if missing := [line for line in changes if line not in lines]:
        raise RelaxError(f"METADATA of {relaxed.name} {relaxed.version} has no line {missing[0]!r}")
    return "\n".join(changes.get(line, line) for line in lines) + separator + description


def _notice(relaxed: Relaxed) -> str:
    """Say what was changed, as the Apache licence asks of those who change files."""
    changes = "\n".join(f"    {old} -> {new}" for old, new in relaxed.requirements.items())
    return NOTICE.format(
        name=relaxed.name, version=relaxed.version, sha256=relaxed.sha256, local=relaxed.local, changes=changes
    )


def _record(entries: Mapping[str, bytes], own_name: str) -> str:
    """Build RECORD: a line with hash and size for each file. No name has a comma, which would have to be quoted."""
    lines = []
    for name in sorted(entries.keys() - {own_name}):
        digest = base64.urlsafe_b64encode(hashlib.sha256(entries[name]).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(entries[name])}\n")
    return "".join([*lines, f"{own_name},,\n"])


def _pack(entries: Mapping[str, bytes], target: Path) -> None:
    """Write a zip file whose bytes follow from the entries alone: sorted, dated alike, and not compressed.

    Compressed bytes would depend on the version of zlib.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix, which the permissions are for
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, entries[name])


def main(arguments: list[str] | None = None) -> int:
    """Make every wheel, and print each path with its hash; return the exit code."""
    parser = argparse.ArgumentParser(prog="relaxed_wheels.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder for the wheels; made if it does not exist")
    folder: Path = parser.parse_args(arguments).folder
    try:
        for relaxed in WHEELS:
            made = make(relaxed, folder)
            print(made, f"sha256:{hashlib.sha256(made.read_bytes()).hexdigest()}")  # noqa: T201
    except RelaxError as error:
        print(f"relaxed_wheels.py: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
