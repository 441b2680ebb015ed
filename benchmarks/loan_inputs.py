"""The inputs of `loans.py`: the same loans as CSV, Parquet and JSON Lines, and a table of 100 columns; made once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common

SEED = 2
_DATE = "opened_on"


def loans_file(count: int, extension: str = "csv") -> Path:
    """Return a file of loans.

    Args:
        count: how many.
        extension: "csv", "parquet" (with dates as timestamps) or "jsonl".
    """
    write = {"csv": _write_csv, "parquet": _write_parquet, "jsonl": _write_json_lines}[extension]
    return _made(common.DATA / f"loans-{count}.{extension}", lambda: _loans(count), write)


def wide_file(count: int) -> Path:
    """Return a file of CSV with 100 columns."""
    return _made(common.DATA / f"wide-{count}.csv", lambda: _wide(count), _write_csv)


def _made(path: Path, make: Callable[[], Any], write: Callable[[Any, Path], None]) -> Path:
    if not path.exists():
        print(f"making {path.relative_to(common.ROOT)} ...", file=sys.stderr)
        common.DATA.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        write(make(), part)
        part.replace(path)
    return path


def _loans(count: int) -> Any:
    from loan_models import loans  # noqa: PLC0415  it imports scikit-learn

    return loans(count, SEED)[0]


def _wide(count: int) -> Any:
    from wide_models import rows  # noqa: PLC0415  it imports scikit-learn

    return rows(count, SEED)[0]


def _write_csv(frame: Any, path: Path) -> None:
    frame.to_csv(path, index=False)


def _write_parquet(frame: Any, path: Path) -> None:
    import pandas as pd  # noqa: PLC0415

    frame[_DATE] = pd.to_datetime(frame[_DATE])
    frame.to_parquet(path, index=False)


def _write_json_lines(frame: Any, path: Path) -> None:
    frame.to_json(path, orient="records", lines=True, force_ascii=False)
