"""What all benchmarks share: inputs made once from a fixed seed, whole processes timed in turn, medians of both."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
DATA = HERE / "data"
MODEL_ETL = str(Path(sys.executable).with_name("model-etl"))
IRIS = "iris_model.iris_predict:IrisModel"
SEED = 20190920

_RANGES = {"sepal_length": (43, 80), "sepal_width": (20, 45), "petal_length": (10, 70), "petal_width": (1, 26)}
_LINE = '{"sepal_length": %s, "sepal_width": %s, "petal_length": %s, "petal_width": %s}'
_BAD = (
    '{"sepal_length": "wide", "sepal_width": %s, "petal_length": %s, "petal_width": %s}',  # of another type
    '{"sepal_length": %s, "sepal_width": %s, "petal_length": %s}',  # a field missing
    '{"sepal_length": 1%s, "sepal_width": 100%s, "petal_length": %s, "petal_width": %s}',  # out of range
    '{"sepal_length": %s, "sepal_width": %s, "peta',  # cut
)
_BLOCK = 50_000


@dataclass(frozen=True)
class Run:
    """What one process took.

    Attributes:
        seconds: from its start to its end.
        cpu: seconds of processor time, of all its threads.
        mib: the most memory it held.
    """

    seconds: float
    cpu: float
    mib: float


def records(count: int, *, bad_percent: int = 0) -> Path:
    """Give a file of iris records as JSON Lines, which is made when it is first asked for.

    Args:
        count: how many records.
        bad_percent: how many in a hundred the model's schema refuses, in equal parts of four kinds.
    """
    path = DATA / f"iris-{count}{f'-bad{bad_percent}' if bad_percent else ''}.ldjson"
    if path.exists():
        return path
    DATA.mkdir(exist_ok=True)
    print(f"making {path.relative_to(ROOT)} ...", file=sys.stderr)
    chance = random.Random(SEED)
    tenths = {name: [f"{n / 10:.1f}" for n in range(low, high)] for name, (low, high) in _RANGES.items()}
    part = path.with_suffix(".part")
    with part.open("w", encoding="ascii") as file:
        for start in range(0, count, _BLOCK):
            size = min(_BLOCK, count - start)
            rows = list(zip(*(chance.choices(values, k=size) for values in tenths.values()), strict=True))
            lines = [_LINE % row for row in rows]
            for n, index in enumerate(sorted(chance.sample(range(size), size * bad_percent // 100))):
                pattern = _BAD[n % len(_BAD)]
                lines[index] = pattern % rows[index][: pattern.count("%s")]
            file.write("\n".join(lines) + "\n")
    part.replace(path)
    return path


def timed(command: Sequence[str | Path], code: int = 0) -> Run:
    """Run a command to its end.

    It works in this folder, where it finds `models.py`, and knows nothing of the settings in our environment.

    Raises:
        RuntimeError: if it ends with another exit code than the one given.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MODEL_ETL_")}
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=HERE, env=environment
        )
        _, status, used = os.wait4(process.pid, 0)  # unlike wait(), it tells what this one process used
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != code:
            said.seek(0)
            raise RuntimeError(f"{command} ended with {process.returncode}:\n{said.read().decode()}")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / unit)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Give an empty folder beside the inputs, for as long as the block runs."""
    DATA.mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="run-", dir=DATA))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def score(source: Path, *options: str, model: str = IRIS) -> Run:
    """Score a file with `model-etl run`; the prediction log is on unless the options say otherwise."""
    with folder() as place:
        output = place / "output.json"
        command = [MODEL_ETL, "run", "--input_file", source, "--output_file", output, "--model", model, *options]
        return timed([part.replace("{folder}", str(place)) if isinstance(part, str) else part for part in command])


def in_turn(ways: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Run all ways one after the other, and that several times: A B A B, so that a slow minute hits all of them."""
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            if sys.stderr.isatty():
                print(f"round {number + 1} of {rounds}: {name}\033[K", end="\r", file=sys.stderr)
            runs[name].append(way())
    if sys.stderr.isatty():
        print("\033[K", end="", file=sys.stderr)
    return runs


def seconds(runs: Sequence[Run]) -> float:
    """Give the median of the durations."""
    return median(run.seconds for run in runs)


def ratios(runs: Sequence[float], base: Sequence[float]) -> list[float]:
    """Divide round by round: both of a round met the same weather."""
    return [a / b for a, b in zip(runs, base, strict=True)]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Tell a median, and the least and the most."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below a head; the first column to the left, all others to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        cells = [cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(row)]
        print("  ".join(cells).rstrip())


def claim(text: str, *, held: bool) -> int:
    """Print whether a claim held, and give the exit code that says so."""
    print(f"{'held' if held else 'MISSED'}: {text}", flush=True)
    return 0 if held else 1


def options(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """Make a parser with the option that all benchmarks have."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each is run (%(default)s)")
    return parser
