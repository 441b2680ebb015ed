"""Plots of what `peers.py` measured, as small SVG files: records a second, start-up, most memory, growth.

python benchmarks/plots.py [FOLDER]    # docs/benchmarks unless told
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

import common

RESULTS = common.DATA / "peers.json"
FOLDER = common.ROOT / "docs" / "benchmarks"
START_UP, LARGE = 15, 1_000_000
MODELS = {"logistic_regression": "logistic regression", "svc": "SVC", "forest": "a forest of 100 trees"}
MIB = "MiB: the most that the process and all that it starts held"

WIDTH, LEFT, RIGHT, ROW, TOP = 720, 250, 110, 26, 52
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 } .small { font-size: 11px }
.page { fill: #ffffff } .bar { fill: #9aa4af } .ours { fill: #0969da } .range { stroke: #1f2328 }
.grid { stroke: #d1d9e0 } .line { stroke: #9aa4af; fill: none } .our { stroke: #0969da; stroke-width: 2.5; fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #d1d7e0 } .page { fill: #0d1117 } .bar { fill: #656d76 } .ours { fill: #4493f8 } .range { stroke: #d1d7e0 }
.grid { stroke: #30363d } .line { stroke: #7d8590 } .our { stroke: #4493f8 } }
"""


@dataclass(frozen=True)
class Bar:
    """One row of a chart.

    Attributes:
        label: whose it is.
        values: what each round gave.
        ours: it is ours, and stands out.
    """

    label: str
    values: Sequence[float]
    ours: bool

    @property
    def middle(self) -> float:
        """Their median."""
        return median(self.values)


@dataclass(frozen=True)
class Curve:
    """One line of a chart: points of x and y."""

    label: str
    points: Sequence[tuple[float, float]]
    ours: bool


def text(x: float, y: float, what: str, *, anchor: str = "start", style: str = "") -> str:
    """Write something."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{style}">{escape(what)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    """Draw a line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'


def page(title: str, subtitle: str, height: float, parts: Sequence[str]) -> str:
    """Make a whole file."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">'
    titles = [text(16, 22, title, style="title"), text(16, 40, subtitle, style="small")]
    named = f"<title>{escape(title)}</title><style>{STYLE}</style>"
    return "\n".join([head, named, '<rect width="100%" height="100%" class="page"/>', *titles, *parts, "</svg>\n"])


def bars(title: str, subtitle: str, rows: Sequence[Bar], digits: int = 0) -> str:
    """Draw a horizontal bar for each row, with the range of its rounds."""
    room = WIDTH - LEFT - RIGHT
    scale = room / max(max(row.values) for row in rows)
    parts = []
    for number, row in enumerate(rows):
        y = TOP + number * ROW
        low, high = LEFT + min(row.values) * scale, LEFT + max(row.values) * scale
        parts += [
            text(LEFT - 8, y + 16, row.label, anchor="end"),
            f'<rect x="{LEFT}" y="{y + 3}" width="{max(row.middle * scale, 1):.1f}" height="{ROW - 7}" '
            f'class="{"ours" if row.ours else "bar"}"/>',
            line(low, y + 12.5, high, y + 12.5, "range"),
            text(high + 6, y + 16, f"{row.middle:,.{digits}f}"),
        ]
    return page(title, subtitle, TOP + len(rows) * ROW + 10, parts)


def curves(title: str, subtitle: str, lines: Sequence[Curve]) -> str:
    """Draw lines over a logarithmic x, each named at its end."""
    left, right, bottom, high = 60, WIDTH - 190, 380, 360
    xs = sorted({x for curve in lines for x, _ in curve.points})
    top = max(y for curve in lines for _, y in curve.points)
    step = 10 ** math.floor(math.log10(top))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if top / s <= 6)
    top = step * math.ceil(top / step)

    def place(x: float, y: float) -> tuple[float, float]:
        along = math.log(x / xs[0]) / (math.log(xs[-1] / xs[0]) or 1)
        return left + along * (right - left), bottom - y / top * (high - TOP)

    parts = [text(place(x, 0)[0], bottom + 18, f"{x:,.0f}", anchor="middle", style="small") for x in xs]
    for tick in range(int(top / step) + 1):
        y = place(xs[0], tick * step)[1]
        parts += [
            line(left, y, right, y, "grid"),
            text(left - 8, y + 4, f"{tick * step:,.0f}", anchor="end", style="small"),
        ]
    free = float(bottom + 16)
    for curve in sorted(lines, key=lambda some: some.points[-1][1]):
        points = [place(*point) for point in curve.points]
        x, y = points[-1]
        free = min(free - 15, y + 4)
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts += [f'<polyline points="{path}" class="{"our" if curve.ours else "line"}"/>']
        parts += [text(x + 8, free, curve.label, style="title" if curve.ours else "")]
    return page(title, subtitle, bottom + 30, parts)


class Results:
    """What `peers.py` found.

    Args:
        path: its file.
    """

    def __init__(self, path: Path) -> None:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        self.cells = [cell for cell in found["cells"] if cell["input"] == "ldjson"]
        self.rounds: int = found["rounds"]

    def models(self) -> list[str]:
        """Give the models that were run on more than the records of a start-up."""
        return [model for model in MODELS if any(c["model"] == model and c["records"] > START_UP for c in self.cells)]

    def largest(self, model: str, most: int = LARGE) -> list[dict[str, Any]]:
        """Give each way's largest run of at most so many records."""
        ways: dict[str, dict[str, Any]] = {}
        for cell in sorted(self.cells, key=lambda cell: int(cell["records"])):
            if cell["model"] == model and START_UP < cell["records"] <= most:
                ways[cell["way"]] = cell
        return list(ways.values())


def is_ours(cell: dict[str, Any]) -> bool:
    """Tell whether a cell is ours."""
    return str(cell["way"]).startswith("model_etl")


def named(cell: dict[str, Any], records: int) -> str:
    """Tell whose a bar is, and of how many records if not of as many as the others."""
    return cell["title"] + ("" if cell["records"] == records else f", {cell['records']:,}")


def rates(results: Results, model: str) -> str:
    """Draw records a second."""
    cells = results.largest(model)
    most = max(cell["records"] for cell in cells)
    rows = [
        Bar(named(cell, most), [cell["records"] / run["seconds"] for run in cell["runs"]], is_ours(cell))
        for cell in cells
    ]
    about = f"whole process, {most:,} records unless said, median of {results.rounds}; the line is from least to most"
    return bars(f"Records a second, {MODELS[model]}", about, sorted(rows, key=lambda row: -row.middle))


def start_up(results: Results) -> str | None:
    """Draw seconds for 15 records."""
    rows = [
        Bar(cell["title"], [run["seconds"] for run in cell["runs"]], is_ours(cell))
        for cell in results.cells
        if cell["records"] == START_UP
    ]
    about = f"seconds, whole process with its imports, median of {results.rounds}; the line is from least to most"
    return bars(f"{START_UP} records", about, sorted(rows, key=lambda row: row.middle), 2) if rows else None


def memory(results: Results, model: str) -> str:
    """Draw the most memory."""
    cells = results.largest(model)
    most = max(cell["records"] for cell in cells)
    rows = [Bar(named(cell, most), [run["mib"] for run in cell["runs"]], is_ours(cell)) for cell in cells]
    title = f"Most memory, {MODELS[model]}, {most:,} records unless said"
    return bars(title, MIB, sorted(rows, key=lambda row: row.middle))


def growth(results: Results, model: str) -> str | None:
    """Draw memory by the number of records, for those that were given the most."""
    ways: dict[str, Curve] = {}
    for name in {cell["way"]: None for cell in results.cells}:
        cells = [c for c in results.cells if c["way"] == name and c["model"] == model and c["records"] > START_UP]
        points = sorted((c["records"], median(run["mib"] for run in c["runs"])) for c in cells)
        if points:
            ways[name] = Curve(cells[0]["title"], points, is_ours(cells[0]))
    most = max((curve.points[-1][0] for curve in ways.values()), default=0)
    lines = [curve for curve in ways.values() if curve.points[-1][0] == most and len(curve.points) > 1]
    return curves(f"Memory by the number of records, {MODELS[model]}", MIB, lines) if lines else None


def main() -> int:
    """Write the plots."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--results", type=Path, default=RESULTS, help="what peers.py wrote")
    options = parser.parse_args()
    results = Results(options.results)
    models = results.models()
    plots = {f"rates-{model}": rates(results, model) for model in models}
    plots |= {"memory": memory(results, models[0]), "growth": growth(results, models[0]), "start-up": start_up(results)}
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, plot in plots.items():
        if plot:
            (options.folder / f"{name}.svg").write_text(plot, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
