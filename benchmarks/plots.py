"""Plots of what `peers.py` measured: records a second, start-up, most memory, growth with the number of records."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import ways
from findings import Cell, Findings, largest
from svg import Bar, Curve, bars, curves

LARGE = 1_000_000
MIB = "MiB, the process and all that it starts"
OURS = tuple(ways.OPTIONS)


def bar_rows(findings: Findings, model: str, values: Callable[[Cell, str], list[float]]) -> tuple[list[Bar], int]:
    """Return a bar for each way's largest run of at most a million records, and how many the largest has."""
    cells = findings.of(model)
    found = {way: largest(cells, way, LARGE) for cell in cells for way in cell.runs}
    most = max(cell.records for cell in found.values() if cell)
    rows = [
        Bar(
            ways.title(way) + ("" if cell.records == most else f", {cell.records:,}"),
            values(cell, way),
            way in OURS,
        )
        for way, cell in found.items()
        if cell
    ]
    return rows, most


def rates(findings: Findings, model: str) -> str:
    """Draw records a second."""
    rows, most = bar_rows(findings, model, Cell.rates)
    about = f"whole process, {most:,} records unless said; medians, the thin line is from least to most"
    ordered = sorted(rows, key=lambda row: -row.middle)
    return bars(f"Records a second, {ways.MODELS[model]}", about, "records a second", ordered)


def memory(findings: Findings, model: str) -> str:
    """Draw the most memory."""
    rows, most = bar_rows(findings, model, Cell.mib)
    about = f"{most:,} records unless said; medians, the thin line is from least to most"
    return bars(f"Most memory, {ways.MODELS[model]}", about, MIB, sorted(rows, key=lambda row: row.middle))


def start_up(findings: Findings) -> str | None:
    """Draw seconds for a few records."""
    found = [cell for cell in findings.cells.values() if cell.records == ways.START_UP]
    rows = [Bar(ways.title(way), cell.seconds(way), way in OURS) for cell in found for way in cell.runs]
    about = "whole process with its imports; medians, the thin line is from least to most"
    title = f"Start-up: {ways.START_UP} records, logistic regression"
    return bars(title, about, "seconds", sorted(rows, key=lambda row: row.middle), 2) if rows else None


def growth(findings: Findings, model: str, what: str) -> str | None:
    """Draw memory or time by the number of records."""
    cells = [cell for cell in findings.of(model) if cell.records > ways.START_UP]
    names = dict.fromkeys(way for cell in cells for way in cell.runs)
    values: Callable[[Cell, str], list[float]] = Cell.mib if what == "memory" else Cell.seconds
    lines = [
        Curve(
            ways.title(way),
            [(cell.records, median(values(cell, way))) for cell in cells if way in cell.runs],
            way in OURS,
        )
        for way in names
    ]
    title = f"{'Most memory' if what == 'memory' else 'Time'} by the number of records, {ways.MODELS[model]}"
    unit = MIB if what == "memory" else "seconds"
    return curves(title, "whole process, medians", ("records", unit), lines) if len(cells) > 1 else None


def draw(findings: Findings, folder: Path) -> dict[str, str]:
    """Write the plots; give what each shows by the name of its file."""
    models = findings.models()
    plots: dict[str, tuple[str, Callable[[], str | None]]] = {
        f"rates-{model}.svg": (f"Records a second, {ways.MODELS[model]}", partial(rates, findings, model))
        for model in models
    }
    plots["start-up.svg"] = ("Start-up", partial(start_up, findings))
    for model in models[:1]:
        plots["memory.svg"] = ("Most memory", partial(memory, findings, model))
        plots["growth-of-time.svg"] = ("Time by the number of records", partial(growth, findings, model, "time"))
        plots["growth-of-memory.svg"] = ("Memory by the number of records", partial(growth, findings, model, "memory"))
    folder.mkdir(parents=True, exist_ok=True)
    shown = {}
    for name, (title, make) in plots.items():
        if drawn := make():
            (folder / name).write_text(drawn, "utf-8")
            shown[name] = title
    return shown
