"""A plain loop of the standard library's: one line, one prediction, one line.

python json_loop.py MODEL INPUT OUTPUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import iris_models
from iris_models import FIELDS, SPECIES


def main(model: str, source: str, output: str) -> None:
    """Score a file."""
    estimator = iris_models.load(model)
    with Path(source).open(encoding="utf-8") as lines, Path(output).open("w", encoding="utf-8") as out:
        for line in lines:
            record = json.loads(line)
            number = estimator.predict([[record[name] for name in FIELDS]])[0]
            out.write(json.dumps({"species": SPECIES[number]}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
