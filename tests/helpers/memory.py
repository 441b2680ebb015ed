"""The memory that a command takes."""

from __future__ import annotations

import subprocess
import sys

from helpers.command import Etl, Result

_MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code if code >= 0 else 128 - code)
"""


def run_with_peak(etl: Etl, *arguments: str) -> tuple[Result, int]:
    """Run the command to its end, and return the most memory of one of its processes, in KiB.

    A small process starts it: until it replaces its program, a new process counts the memory of its parent as its own,
    and that of the tests is larger than any run.
    """
    place = etl.folder.parent / f"{etl.folder.name}.peak"
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", _MEASURE, str(place), *etl.command(*arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=etl.folder,
        env=etl.environment(),
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr.decode()), int(place.read_text())
