"""Make all inputs, run all benchmarks in turn, and write docs/benchmarks.md: a little over an hour on two cores.

Inputs and environments take 8 GB of disk in benchmarks/data. If a benchmark fails or misses a claim, the others are run
and the document is written; the exit code is then 1. `--quick` runs everything with few records, and writes elsewhere.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import common
import inputs
import report
import results
import ways
from results import Results

BENCHMARKS = (*report.SMALL, "peers")


def make_inputs() -> None:
    """Make the inputs of the peers; the other benchmarks make their own before they measure."""
    for model in ways.SIZES.values():
        for count in model:
            inputs.file(count)
    for count in ways.FORM_SIZES:
        for input_format in inputs.FORMATS:
            inputs.file(count, input_format)


def main() -> int:
    """Run them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=0, help="how often each is run; each has its own default")
    parser.add_argument(
        "--quick", action="store_true", help="one round of few records: only to check that everything works"
    )
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS, help="some of them")
    asked = parser.parse_args()
    rounds = ["--rounds", str(asked.rounds)] if asked.rounds and not asked.quick else []
    flags = [*rounds, *(["--quick"] if asked.quick else [])]
    folder = results.folder(quick=asked.quick)
    if not asked.quick:
        make_inputs()
    rows, failed = [], []
    started = time.monotonic()
    for name in asked.only:
        print(f"== {name}", flush=True)
        kept = folder / f"{name}.json"
        kept.unlink(missing_ok=True)  # a benchmark that fails has no results
        start = time.monotonic()
        code = subprocess.run([sys.executable, common.HERE / f"{name}.py", *flags], check=False).returncode
        missed = code == 1 and kept.exists()
        how = "all held" if code == 0 else "claims missed" if missed else f"failed, exit code {code}"
        rows.append([f"`{name}.py`", f"{(time.monotonic() - start) / 60:.1f}", how])
        if code:
            failed.append(name)
        print(flush=True)
    rows.append(["all", f"{(time.monotonic() - started) / 60:.1f}", ""])
    head = ["benchmark", "minutes", ""]
    if asked.only is BENCHMARKS:
        results_of_all = Results("all", asked)
        results_of_all.table(head, rows)
        results_of_all.end()
    else:  # the document shows the last time that all were run
        results.show(head, rows)
    code = report.write(quick=asked.quick)
    if failed:
        print(f"claims missed or failed: {', '.join(failed)}")
    return 1 if failed else code


if __name__ == "__main__":
    sys.exit(main())
