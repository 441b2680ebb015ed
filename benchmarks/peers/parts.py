"""Several engines write a folder of part files: this makes one file of them, in the order of their names."""

from __future__ import annotations

import shutil
from pathlib import Path


def join(folder: str | Path, pattern: str, output: str) -> None:
    """Append the parts to one another and remove the folder."""
    with Path(output).open("wb") as whole:
        for part in sorted(Path(folder).glob(pattern)):
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole, 1 << 20)
    shutil.rmtree(folder)
