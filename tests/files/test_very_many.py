"""More files than a process may have open."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from helpers.command import Etl, Result
from helpers.many_files import ended, ended_well, grow, xs, ys
from helpers.memory import run_with_peak
from helpers.snapshots import snapshot


def _limited(etl: Etl, script: str, *arguments: str) -> Result:
    command = [
        "bash",
        "-c",
        f'{script}; exec "$@"',
        "bash",
        *etl.command("run", "-m", "failing_models:GoodBatch", *arguments),
    ]
    done = subprocess.run(
        command, cwd=etl.folder, env=etl.environment(), capture_output=True, timeout=100, check=False
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr.decode())


@pytest.mark.slow
@pytest.mark.parametrize("output", ["out.json", "out/"])
def test_more_files_than_may_be_open(etl: Etl, output: str) -> None:
    """The soft limit is raised as far as is needed."""
    if hard := _hard_limit(2500):
        pytest.skip(f"only {hard} files may be open on this machine")
    grow(etl, {f"in/{n:04}.json": xs(n) for n in range(1500)})
    ended_well(_limited(etl, "ulimit -Sn 256", "-i", "in", "-o", output))
    if output == "out.json":
        assert (etl.folder / output).read_bytes() == ys(*range(1500))
    else:
        assert snapshot(etl.folder / "out") == {f"{n:04}.json": ys(n) for n in range(1500)}


def _hard_limit(wanted: int) -> int:
    import resource  # noqa: PLC0415

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return hard if hard != resource.RLIM_INFINITY and hard < wanted else 0


@pytest.mark.slow
@pytest.mark.parametrize("limit", [64, 300, 305, 307, 309, 311, 330])
def test_more_files_than_can_be_open(etl: Etl, limit: int) -> None:
    """Where the machine allows no more, a message says so, wherever the run is; and nothing is left."""
    grow(etl, {f"in/{n:03}.json": xs(n) for n in range(300)})
    before = snapshot(etl.folder)
    done = _limited(etl, f"ulimit -n {limit}", "-i", "in", "-o", "out/")
    if done.code == 0:
        assert limit > 300
        return
    ended(done, done.code, "open", "ulimit -n")
    assert done.code in (71, 73, 74, 75, 78)
    assert snapshot(etl.folder) == before


@pytest.mark.slow
@pytest.mark.parametrize("limit", [64, 256])
def test_one_output_needs_no_more_files(etl: Etl, limit: int) -> None:
    """Inputs are open one at a time: few files may be open, and many can be read."""
    grow(etl, {f"in/{n:03}.json": xs(n) for n in range(300)})
    ended_well(_limited(etl, f"ulimit -n {limit}", "-i", "in", "-o", "out.json"))
    assert (etl.folder / "out.json").read_bytes() == ys(*range(300))


@pytest.mark.slow
@pytest.mark.parametrize("output", ["out.json", "out/"])
def test_memory_does_not_grow_with_the_number_of_files(etl: Etl, output: str) -> None:
    """A thousand files need hardly more than ten with the same records."""
    if hard := _hard_limit(1500):
        pytest.skip(f"only {hard} files may be open on this machine")
    peaks = []
    for count in (10, 1000):
        shutil.rmtree(etl.folder / "in", ignore_errors=True)
        shutil.rmtree(etl.folder / "out", ignore_errors=True)
        records = xs(1) * (100_000 // count)
        grow(etl, {f"in/{n:04}.json": records for n in range(count)})
        names = ("-m", "failing_models:GoodBatch", "-i", "in", "-o", output, "--prediction_log", "none")
        run, kib = run_with_peak(etl, "run", *names)
        ended_well(run)
        peaks.append(kib)
    assert peaks[1] - peaks[0] < 24_000
