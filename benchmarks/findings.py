"""The results of `peers.py`: cells of runs that were made in turn, and the peers that took no part."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import common
import results
import ways
from common import Run
from predictions import Predictions

LDJSON = "ldjson"


@dataclass(frozen=True)
class Scored(Run):
    """A run and what it predicted."""

    predictions: Predictions


@dataclass
class Cell:
    """Runs that were made in turn on the same input.

    Attributes:
        model: the estimator.
        records: how many.
        form: of the input.
        rounds: how often each way was run.
        runs: by way.
        differ: the ways whose predictions differ from those of our first run.
        about: when and on which machine it was measured.
    """

    model: str
    records: int
    form: str
    rounds: int
    runs: dict[str, list[Scored]] = field(default_factory=dict)
    differ: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=results.about)

    @property
    def key(self) -> str:
        """Model, records and input format; there is one cell for each combination."""
        return f"{self.model}, {self.records}, {self.form}"

    def seconds(self, way: str) -> list[float]:
        """Return the seconds of each run of a way."""
        return [run.seconds for run in self.runs[way]]

    def rates(self, way: str) -> list[float]:
        """Return the records per second of each run of a way."""
        return [self.records / run.seconds for run in self.runs[way]]

    def mib(self, way: str) -> list[float]:
        """Return the peak memory of each run of a way, in MiB."""
        return [run.mib for run in self.runs[way]]

    def times(self, way: str, base: str) -> list[float]:
        """Return how many times as long one way takes as another, round by round."""
        return common.ratios(self.seconds(way), self.seconds(base))

    def check(self, first: Predictions) -> None:
        """Note the ways whose predictions differ from the expected ones."""
        for way, runs in self.runs.items():
            if not all(run.predictions.same(first, order=ways.keeps_order(way)) for run in runs):
                self.differ.append(f"{ways.title(way)} ({self.key})")

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return the head and the rows of a table of this cell."""
        bases = {ours: name for ours, name in _BASES.items() if ours in self.runs} if len(self.runs) > 1 else {}
        rate = ["records/s"] if self.records > ways.START_UP else []
        head = ["", "seconds", *rate, "MiB", *bases.values()]
        rows = []
        for way, runs in self.runs.items():
            row = [ways.title(way), common.spread([run.seconds for run in runs])]
            row += [f"{median(self.rates(way)):,.0f}"] if rate else []
            row += [f"{median(self.mib(way)):,.0f}", *(common.spread(self.times(way, base)) for base in bases)]
            rows.append(row)
        return head, rows


_BASES = {
    ways.OURS: "times model_etl",
    ways.OURS_LOG: "times it with its log",
    ways.OURS_WORKERS: "times it with workers",
}


@dataclass
class Findings:
    """All saved results.

    Attributes:
        cells: by their keys.
        versions: of the peers that could be started.
        left_out: the reason why a peer took no part.
    """

    cells: dict[str, Cell] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def cell(self, model: str, records: int, form: str = LDJSON) -> Cell | None:
        """Return a cell, or None if it was not measured."""
        return self.cells.get(f"{model}, {records}, {form}")

    def of(self, model: str, form: str = LDJSON) -> list[Cell]:
        """Return the cells of a model, by number of records."""
        found = [cell for cell in self.cells.values() if (cell.model, cell.form) == (model, form)]
        return sorted(found, key=lambda cell: cell.records)

    def models(self) -> list[str]:
        """Return the models that were run on more records than the start-up has."""
        return [model for model in ways.MODELS if any(cell.records > ways.START_UP for cell in self.of(model))]

    def add(self, cell: Cell) -> None:
        """Add a cell; it replaces an earlier one with the same key."""
        self.cells[cell.key] = cell

    @classmethod
    def load(cls, path: Path) -> Findings:
        """Read saved findings; there are none if the file does not exist."""
        if not path.exists():
            return cls()
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        findings = cls(versions=kept["versions"], left_out=kept["left_out"])
        for cell in kept["cells"]:
            runs = {way: list(map(_scored, scored)) for way, scored in cell.pop("runs").items()}
            findings.add(Cell(**cell, runs=runs))
        return findings

    def save(self, path: Path) -> None:
        """Write it."""
        kept = {"versions": self.versions, "left_out": self.left_out, "cells": list(map(asdict, self.cells.values()))}
        path.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def _scored(run: dict[str, Any]) -> Scored:
    return Scored(run["seconds"], run["cpu"], run["mib"], Predictions(**run["predictions"]))


def largest(cells: Sequence[Cell], way: str, most: int) -> Cell | None:
    """Return the cell with the most records, up to a limit, in which a way took part."""
    fitting = [cell for cell in cells if way in cell.runs and ways.START_UP < cell.records <= most]
    return max(fitting, key=lambda cell: cell.records, default=None)
