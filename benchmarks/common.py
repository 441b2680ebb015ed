"""What all benchmarks share: inputs that are made once from a fixed seed, processes timed in turn, and medians."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import BinaryIO, cast

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
DATA = HERE / "data"
sys.path.append(str(HERE / "peers"))  # for those that import from there, after us
MODEL_ETL = str(Path(sys.executable).with_name("model-etl"))
IRIS = "iris_model.iris_predict:IrisModel"
NO_LOG = ("--prediction_log", "none")
LOGISTIC_REGRESSION, SVC, FOREST = "ours:LogisticRegressionModel", "ours:SVCModel", "ours:ForestModel"
SEED = 20190920
TIME_LIMIT_S = 1800.0
"""Seconds after which a process is considered hanging, and killed."""
PEAK_INTERVAL_S = 0.02
"""Seconds between two readings of the memory of a process."""

_RANGES = {"sepal_length": (43, 80), "sepal_width": (20, 45), "petal_length": (10, 70), "petal_width": (1, 26)}
_LINE = '{"sepal_length": %s, "sepal_width": %s, "petal_length": %s, "petal_width": %s}'
_BAD = (
    '{"sepal_length": "wide", "sepal_width": %s, "petal_length": %s, "petal_width": %s}',  # of another type
    '{"sepal_length": %s, "sepal_width": %s, "petal_length": %s}',  # a field missing
    '{"sepal_length": 1%s, "sepal_width": 100%s, "petal_length": %s, "petal_width": %s}',  # out of range
    '{"sepal_length": %s, "sepal_width": %s, "peta',  # cut
)
_BLOCK_RECORDS = 50_000


@dataclass(frozen=True)
class Run:
    """What one process took.

    Attributes:
        seconds: from its start to its end.
        cpu: processor time of all its threads, in seconds.
        mib: its peak memory, in MiB.
    """

    seconds: float
    cpu: float
    mib: float


def records(count: int, *, bad_percent: int = 0) -> Path:
    """Return a file of iris records as JSON Lines; it is made on first use.

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
        for start in range(0, count, _BLOCK_RECORDS):
            size = min(_BLOCK_RECORDS, count - start)
            rows = list(zip(*(chance.choices(values, k=size) for values in tenths.values()), strict=True))
            lines = [_LINE % row for row in rows]
            for n, index in enumerate(sorted(chance.sample(range(size), size * bad_percent // 100))):
                pattern = _BAD[n % len(_BAD)]
                lines[index] = pattern % rows[index][: pattern.count("%s")]
            file.write("\n".join(lines) + "\n")
    part.replace(path)
    return path


class Peak(threading.Thread):
    """Reads the peak memory of a process again and again.

    The figure of wait4() is useless: a process starts with the memory of its parent, and keeps that as its maximum.

    Args:
        pid: the process.

    Attributes:
        most: in MiB; 0 where the system has no /proc.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.most = 0.0
        self._pid = pid
        self._ended = threading.Event()

    def run(self) -> None:
        """Read it until `stop` is called."""
        every = 0.001  # a short process ends before a slow reading, a long one should not be disturbed
        while not self._ended.wait(every):
            self.most = max(self.most, peak(self._pid))
            every = min(2 * every, PEAK_INTERVAL_S)

    def stop(self) -> None:
        """Wait for the last reading."""
        self._ended.set()
        self.join()


def peak(pid: int) -> float:
    """Return the peak memory of a process since its start, or of the copy of itself that works for it if that has more.

    Returns:
        MiB; 0 if the system does not report it.
    """
    try:
        copies = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        copies = []
    return max(map(_peak, [pid, *map(int, copies)]))


def _peak(pid: int) -> float:
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123  many times a second
            return next((int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")), 0.0)
    except OSError:
        return 0.0


def environment() -> dict[str, str]:
    """Return the current environment without settings of model_etl, and with the estimators' models importable.

    Python may keep compiled modules: no nightly run has to compile all of them again.
    """
    left_out = ("MODEL_ETL_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, "PYTHONPATH": str(HERE / "peers")}


def trained() -> None:
    """Train the estimators of `peers/` if they are missing."""
    timed([sys.executable, HERE / "peers" / "iris_models.py"])


def timed(command: Sequence[str | Path], *, reader: Callable[[BinaryIO], None] | None = None) -> Run:
    """Run a command to its end.

    It runs in this folder, where it finds `models.py`, without the settings in our environment.

    Args:
        command: what to run.
        reader: reads its standard output to the end, if that is data.

    Raises:
        RuntimeError: if it fails, or takes more than half an hour.
    """
    with tempfile.TemporaryFile() as log_file:
        start = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if reader else log_file,
            stderr=log_file,
            cwd=HERE,
            env=environment(),
        )
        watch, limit = Peak(process.pid), threading.Timer(TIME_LIMIT_S, process.kill)
        watch.start()
        limit.start()
        if reader and process.stdout:
            with process.stdout:
                reader(cast("BinaryIO", process.stdout))
        _, status, used = os.wait4(process.pid, 0)  # unlike wait(), it returns what this one process used
        seconds = time.perf_counter() - start
        watch.stop()
        limit.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log_file.seek(0)
            raise RuntimeError(
                f"{command} ended with {process.returncode}:\n{log_file.read().decode(errors='replace')}"
            )
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Run(seconds, used.ru_utime + used.ru_stime, watch.most or used.ru_maxrss / unit)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Return an empty folder beside the inputs, for as long as the block runs."""
    DATA.mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="run-", dir=DATA))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def score(
    source: str | Path, *options: str, model: str = IRIS, program: Sequence[str | Path] = (MODEL_ETL, "run")
) -> Run:
    """Score a file with `model-etl run`; the prediction log is on unless the options say otherwise.

    Args:
        source: the input.
        options: more options; `{folder}` in them is a folder that is removed afterwards.
        model: the model's class.
        program: what understands the options.
    """
    with folder() as work_folder:
        output = work_folder / "output.json"
        more = [option.replace("{folder}", str(work_folder)) for option in options]
        return timed([*program, "--input_file", source, "--output_file", output, "--model", model, *more])


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
    """Return the median of the durations."""
    return median(run.seconds for run in runs)


def ratios(runs: Sequence[float], base: Sequence[float]) -> list[float]:
    """Divide round by round: both runs of a round met the same conditions."""
    return [a / b for a, b in zip(runs, base, strict=True)]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Format a median, with the least and the most if they differ."""
    middle, least, most = (f"{value:.{digits}f}" for value in (median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least} to {most})"


def options(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """Make a parser with the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each is run (%(default)s)")
    parser.add_argument(
        "--quick", action="store_true", help="one round of few records: only to check that everything works"
    )
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the command line."""
    found = parser.parse_args()
    if found.quick:
        found.rounds = 1
    return found


def scaled(count: int, asked: argparse.Namespace) -> int:
    """Return a number of records, or a hundredth of it for a quick run."""
    return max(count // 100, 1) if asked.quick else count
