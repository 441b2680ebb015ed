"""Small SVG charts, without a library: horizontal bars, and curves over two logarithmic axes. Dark text on white."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

WIDTH, LEFT, RIGHT, ROW, TOP = 760, 230, 90, 24, 60
WIDE = 30
"""Values further apart than that are shown on a logarithmic axis."""
MANY = 200
"""Such an axis has labels at 1, 2 and 5 if it is shorter than that, else at powers of ten."""
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 } .small { font-size: 11px }
.end { text-anchor: end } .middle { text-anchor: middle } .page { fill: #ffffff }
.bar { fill: #afb8c1 } .ours { fill: #0969da } .range { stroke: #1f2328 }
.grid { stroke: #d1d9e0 } .leader { stroke: #8c959f; stroke-dasharray: 1 3 }
polyline { fill: none; stroke-width: 1.3 } .our { stroke-width: 3 }
"""
OTHERS = (
    "#bc4c00",
    "#1a7f37",
    "#8250df",
    "#9a6700",
    "#bf3989",
    "#57606a",
    "#1b7c83",
    "#a40e26",
    "#d4a72c",
    "#4d2d00",
    "#24292f",
)
OURS = ("#0969da", "#54aeff", "#0a3069")


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


@dataclass(frozen=True)
class Axis:
    """Where values are drawn.

    Attributes:
        low, high: the values at its ends; logarithmic if the lower one is over 0.
        start, end: where its ends are.
    """

    low: float
    high: float
    start: float
    end: float

    def position_of(self, value: float) -> float:
        """Return the place of a value."""
        if self.low > 0:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = value / self.high
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return the round values that are labelled."""
        if self.low > 0:
            steps = (1, 2, 5) if self.high / self.low < MANY else (1,)
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            ticks = [step * float(10.0**power) for power in powers for step in steps]
            return [tick for tick in ticks if self.low * 0.999 <= tick <= self.high * 1.001]
        step = _step(self.high)
        return [tick * step for tick in range(int(self.high / step * 1.001) + 1)]


def _step(most: float) -> float:
    """Return a round step that makes at most six of something."""
    step = float(10 ** math.floor(math.log10(most)))
    return next(s for s in (step / 5, step / 2, step, 2 * step) if most / s <= 6)


def logarithmic(values: Sequence[float], start: float, end: float, margin: float = 1.25) -> Axis:
    """Make an axis with some room around its values."""
    return Axis(min(values) / margin, max(values) * margin, start, end)


def number(value: float) -> str:
    """Write a value of an axis."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"


def text(x: float, y: float, what: str, style: str = "") -> str:
    """Write something."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}">{escape(what)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    """Draw a line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'


def page(title: str, subtitle: str, height: float, parts: Sequence[str]) -> str:
    """Make a whole file."""
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    titles = [text(16, 24, title, "title"), text(16, 43, subtitle, "small")]
    named = f"<title>{escape(title)}</title><style>{STYLE}</style>"
    white = f'<rect width="{WIDTH}" height="{height:.0f}" class="page"/>'
    return "\n".join([head, named, white, *titles, *parts, "</svg>\n"])


def bars(title: str, subtitle: str, unit: str, rows: Sequence[Bar], digits: int = 0) -> str:
    """Draw a horizontal bar for each row, with the range of its rounds."""
    values = [value for row in rows for value in row.values]
    wide = max(values) > WIDE * min(values)
    low = 10 ** math.floor(math.log10(min(values))) if wide else 0.0
    axis = Axis(low, max(values), LEFT, WIDTH - RIGHT)
    bottom = TOP + len(rows) * ROW + 4
    parts = []
    for tick in axis.ticks():
        x = axis.position_of(tick)
        parts += [line(x, TOP - 4, x, bottom, "grid"), text(x, bottom + 15, number(tick), "small middle")]
    scale = f"{unit}, logarithmic scale" if wide else unit
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, bottom + 33, scale, "small middle"))
    for rank, row in enumerate(rows):
        y = TOP + rank * ROW
        width = max(axis.position_of(row.middle) - LEFT, 1)
        high = axis.position_of(max(row.values))
        style = "ours" if row.ours else "bar"
        parts += [
            text(LEFT - 8, y + 15, row.label, "end title" if row.ours else "end"),
            f'<rect x="{LEFT}" y="{y + 2}" width="{width:.1f}" height="{ROW - 6}" class="{style}"/>',
            line(axis.position_of(min(row.values)), y + 11, high, y + 11, "range"),
            text(high + 6, y + 15, f"{row.middle:,.{digits}f}"),
        ]
    return page(title, subtitle, bottom + 44, parts)


def curves(title: str, subtitle: str, units: tuple[str, str], lines: Sequence[Curve]) -> str:
    """Draw lines, each named at the right; units are those of x and y."""
    left, right, names, bottom = 74, WIDTH - 240, WIDTH - 205, max(400, TOP + 18 * len(lines) + 20)
    xs = sorted({x for curve in lines for x, _ in curve.points})
    across = logarithmic(xs, left, right, 1.0 if len(xs) > 1 else 2.0)
    up = logarithmic([y for curve in lines for _, y in curve.points], bottom, TOP + 4)
    parts = []
    for x in xs:
        parts += [line(across.position_of(x), bottom, across.position_of(x), TOP, "grid")]
        parts += [text(across.position_of(x), bottom + 17, number(x), "small middle")]
    for tick in up.ticks():
        y = up.position_of(tick)
        parts += [line(left, y, right, y, "grid"), text(left - 8, y + 4, number(tick), "small end")]
    parts.append(text((left + right) / 2, bottom + 36, f"{units[0]}, logarithmic scale", "small middle"))
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text x="16" y="{middle:.0f}" class="small middle" transform="rotate(-90 16 {middle:.0f})">'
        f"{escape(units[1])}, logarithmic scale</text>"
    )
    ends = {curve.label: up.position_of(curve.points[-1][1]) for curve in lines}
    labels = _apart([ends[curve.label] for curve in lines], TOP + 4, bottom)
    colours = {True: iter(OURS * 9), False: iter(OTHERS * 9)}
    drawn = []
    for curve, y in zip(lines, labels, strict=True):
        colour = next(colours[curve.ours])
        points = [(across.position_of(x), up.position_of(value)) for x, value in curve.points]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        style = "our" if curve.ours else ""
        drawing = [line(*points[-1], names - 6, y, "leader")]
        drawing += [f'<polyline points="{path}" class="{style}" style="stroke: {colour}"/>']
        drawing += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.5" fill="{colour}"/>' for a, b in points]
        drawing += [f'<rect x="{names - 3}" y="{y - 4:.1f}" width="12" height="8" fill="{colour}"/>']
        drawing += [text(names + 14, y + 4, curve.label, "title" if curve.ours else "")]
        drawn.append((curve.ours, drawing))
    for _, drawing in sorted(drawn, key=lambda pair: pair[0]):  # ours on top of the others
        parts += drawing
    return page(title, subtitle, bottom + 48, parts)


def _apart(wanted: Sequence[float], top: float, bottom: float, gap: float = 17) -> list[float]:
    """Move places apart that are too close for labels, and no further than must be."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    places = [max(wanted[index], top) for index in order]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + gap)
    if places and places[-1] > bottom:
        places[-1] = bottom
        for index in range(len(places) - 2, -1, -1):
            places[index] = min(places[index], places[index + 1] - gap)
    return [rank for _, rank in sorted(zip(order, places, strict=True))]
