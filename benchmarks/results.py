"""The results of the benchmarks, printed and saved as JSON, from which `report.py` writes the document."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import common

FOLDER = common.DATA / "results"
QUICK = common.DATA / "quick"


def folder(*, quick: bool) -> Path:
    """Return the folder of the results; those of a quick run have another one, since they mean nothing."""
    made = QUICK if quick else FOLDER
    made.mkdir(parents=True, exist_ok=True)
    return made


def about() -> dict[str, Any]:
    """Describe when and on which machine a benchmark runs, without anything that identifies its owner."""
    return {
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "system": f"{os.uname().sysname} {os.uname().machine}",
        "cores": os.cpu_count(),
        "gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)),
    }


class Results:
    """The results of one benchmark.

    Args:
        name: the benchmark's.
        asked: its options.
    """

    def __init__(self, name: str, asked: argparse.Namespace) -> None:
        self._path = folder(quick=asked.quick) / f"{name}.json"
        self._about = {**about(), "rounds": asked.rounds}
        self._items: list[dict[str, Any]] = []
        self._code = 0

    def say(self, text: str) -> None:
        """Print a sentence."""
        print(text, flush=True)
        self._items.append({"kind": "text", "text": text})

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print rows below a head; the first column to the left, all others to the right."""
        show(head, rows)
        self._items.append({"kind": "table", "head": list(head), "rows": list(map(list, rows))})

    def claim(self, text: str, found: str, *, held: bool) -> None:
        """Print whether a claim held, and what was found instead or by the way."""
        print(f"{'held' if held else 'MISSED'}: {text}: {found}", flush=True)
        self._items.append({"kind": "claim", "text": text, "found": found, "held": held})
        self._code |= not held

    def end(self) -> int:
        """Keep it all, and give the exit code: 1 if a claim was missed."""
        self._path.write_text(json.dumps({**self._about, "items": self._items}, indent=1) + "\n", "utf-8")
        return self._code


def show(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        cells = [cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(row)]
        print("  ".join(cells).rstrip(), flush=True)
