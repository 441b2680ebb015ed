"""Run all benchmarks one after the other: some fifteen minutes on two cores, and 5 GB of disk in benchmarks/data.

Exits with 1 if one of them did.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import common

BENCHMARKS = ("startup", "steps", "log_cost", "against_the_original", "memory", "s3", "workers")


def main() -> int:
    """Run them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round of each, and no five million records")
    quick = parser.parse_args().quick
    failed = []
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        command = [sys.executable, common.HERE / f"{name}.py", *(["--rounds", "1"] if quick else [])]
        command += ["--skip-largest"] if quick and name == "memory" else []
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
        print(flush=True)
    if failed:
        print(f"claims missed or failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
