"""Records per second, in steady state, against the original's design: stock Bonobo, one record a bag.

Both run as whole processes on the same records with the same model; ours writes its prediction log, the original has
none. Steady state is (records of a big run - records of a small one) / (time of the big - time of the small), so that
start-up drops out of both. Exits with 1 if ours is not at least 100 times as fast with the model that the original had.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import common
from common import IRIS, Run
from results import Results

CLAIM = 100
SVC = "models:IrisSvc"
MODELS = {"scikit-learn's SVC, as the original had it": SVC, "examples/iris_model (numpy)": IRIS}
OURS = (200_000, 1_200_000)
THEIRS = (5_000, 25_000)
ATTEMPTS = 5


def original(source: Path, count: int, model: str) -> Run:
    """Score a file by the original's design.

    Stock Bonobo may lose a run in a race and say so nowhere but in its log; such a run is done again.
    """
    for _ in range(ATTEMPTS):
        with common.folder() as work_folder:
            output = work_folder / "output.json"
            try:
                run = common.timed([sys.executable, common.HERE / "original.py", model, source, output])
            except RuntimeError as exc:
                print(f"the original failed, again: {str(exc).splitlines()[-1]}", file=sys.stderr)
                continue
            if output.read_bytes().count(b"\n") == count - 1:  # its last line has no end
                return run
    raise RuntimeError(f"the original failed {ATTEMPTS} times")


def steady(small: list[Run], big: list[Run], sizes: tuple[int, int]) -> list[float]:
    """Return records per second by round."""
    return [(sizes[1] - sizes[0]) / (b.seconds - s.seconds) for s, b in zip(small, big, strict=True)]


def main() -> int:
    """Run the benchmark."""
    options = common.parsed(common.options(__doc__, rounds=3))
    results = Results("against_the_original", options)
    our_sizes = (common.scaled(OURS[0], options), common.scaled(OURS[1], options))
    their_sizes = (common.scaled(THEIRS[0], options), common.scaled(THEIRS[1], options))
    rows = []
    found: dict[str, list[float]] = {}
    for name, model in MODELS.items():
        ways: dict[str, Callable[[], Run]] = {}
        for count in their_sizes:
            ways[f"original {count}"] = partial(original, common.records(count), count, model)
        for count in our_sizes:
            ways[f"ours {count}"] = partial(common.score, common.records(count), model=model)
        runs = common.in_turn(ways, options.rounds)
        theirs = steady(*(runs[f"original {count}"] for count in their_sizes), their_sizes)
        ours = steady(*(runs[f"ours {count}"] for count in our_sizes), our_sizes)
        found[model] = common.ratios(ours, theirs)
        rows.append([name, f"{median(theirs):,.0f}", f"{median(ours):,.0f}", common.spread(found[model], 0)])
    results.say(
        f"Records per second in steady state, medians of {options.rounds} rounds; ours with the prediction log."
    )
    results.table(["model", "original", "model_etl", "times as fast"], rows)
    times = median(found[SVC])
    text = f"in steady state at least {CLAIM} times as fast as the original, with the model that it had"
    results.claim(text, f"{times:.0f} times", held=times >= CLAIM)
    return results.end()


if __name__ == "__main__":
    sys.exit(main())
