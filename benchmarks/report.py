"""Write what was measured into docs/benchmarks.md, and the plots beside it; measures nothing itself.

    python benchmarks/report.py            # from benchmarks/data/results
    python benchmarks/report.py --quick    # from benchmarks/data/quick, into benchmarks/data/quick/benchmarks.md

Only what stands between the markers of a part is replaced, and only if there are results for it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import common
import plots
import results
import targets
import ways
from findings import Cell, Findings

PAGE = common.ROOT / "docs" / "benchmarks.md"
BY = ", written by make bench"
SMALL = (
    "startup", "memory", "log_cost", "workers", "plain_loop", "overlap", "steps", "nodes", "against_the_original", "s3",
    "loans",
)  # fmt: skip
WORDS = {True: "held", False: "**MISSED**", None: "not measured"}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table; the first column to the left, all others to the right."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def when(about: dict[str, Any]) -> str:
    """Return when and on which machine a benchmark was run."""
    machine = f"Python {about['python']}, {about['system']}, {about['cores']} cores, {about['gib']} GiB"
    return f"{about['made'][:10]}, {machine}"


def small(found: dict[str, Any]) -> str:
    """Write the results of one of the small benchmarks."""
    parts = [f"Measured {when(found)}."]
    for item in found["items"]:
        if item["kind"] == "table":
            parts.append(table(item["head"], item["rows"]))
        elif item["kind"] == "claim":
            parts.append(f"{WORDS[item['held']]}: {item['text']}: {item['found']}")
        else:
            parts.append(item["text"])
    return "\n\n".join(parts)


def machine(all_about: Sequence[dict[str, Any]]) -> str:
    """Return when and on which machine all benchmarks were run."""
    days = sorted(about["made"][:10] for about in all_about)
    last = max(all_about, key=lambda about: str(about["made"]))
    span = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    return f"Measured {span}; Python {last['python']}, {last['system']}, {last['cores']} cores, {last['gib']} GiB."


def verdicts(findings: Findings, others: Sequence[dict[str, Any]]) -> str:
    """Write all claims and whether they held."""
    rows = [
        [verdict.text, "" if verdict.found == WORDS[None] else verdict.found, WORDS[verdict.held]]
        for verdict in targets.judge(findings)
    ]
    claims = [item for found in others for item in found["items"] if item["kind"] == "claim"]
    rows += [[item["text"], item["found"], WORDS[item["held"]]] for item in claims]
    missed = sum(row[-1] == WORDS[False] for row in rows)
    opened = sum(row[-1] == WORDS[None] for row in rows)
    summary = f"{len(rows) - missed - opened} held, {missed} missed, {opened} not measured."
    return f"{summary}\n\n{table(['claim', 'measured', ''], rows)}"


def compared(findings: Findings) -> str:
    """Write a table for each cell, and the list of peers."""
    peers = [f"{ways.title(peer)} ({version})" for peer, version in findings.versions.items()]
    out = [f"{ways.title(peer)}: {reason}" for peer, reason in findings.left_out.items()]
    parts = [f"Peers: {'; '.join(peers)}."]
    parts += [f"Left out because it could not be installed or run: {sentence}" for sentence in out]
    for model in findings.models():
        for cell in findings.of(model):
            few = " (start-up)" if cell.records == ways.START_UP else ""
            parts.append(f"#### {_capital(ways.MODELS[model])}, {cell.records:,} records{few}")
            parts += [f"{cell.rounds} rounds, {cell.about['made'][:10]}.", table(*cell.table())]
            parts += (
                [f"Predictions that differ from those of model_etl: {'; '.join(cell.differ)}"] if cell.differ else []
            )
    return "\n\n".join(parts)


def forms(cells: Sequence[Cell]) -> str:
    """Write how fast model_etl is for each input format."""
    rows = []
    for cell in sorted(cells, key=lambda cell: (cell.records, cell.form)):
        (way,) = cell.runs
        seconds, mib = common.spread(cell.seconds(way)), common.spread(cell.mib(way), 0)
        rate = f"{cell.records / common.seconds(cell.runs[way]):,.0f}"
        rows.append([cell.form.partition(",")[0], f"{cell.records:,}", seconds, rate, mib])
    sentence = f"model_etl, {ways.MODELS[cells[0].model]}, no log, {cells[0].rounds} rounds."
    return f"{sentence}\n\n{table(['input', 'records', 'seconds', 'records/s', 'MiB'], rows)}"


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def replaced(page: str, name: str, content: str) -> str:
    """Replace the content of a part between its markers.

    Raises:
        ValueError: if the page has no such markers, or more than one pair.
    """
    begin, end = f"<!-- begin: {name}{BY} -->", f"<!-- end: {name} -->"
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise ValueError(f"{PAGE.name} must have exactly one pair of markers for {name}: {begin} ... {end}")
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def parts_of(folder: Path, images: Path) -> dict[str, str]:
    """Write all parts for which there are results, and the plots."""
    paths = {name: folder / f"{name}.json" for name in (*SMALL, "all")}
    found = {name: json.loads(path.read_text("utf-8")) for name, path in paths.items() if path.exists()}
    run = found.pop("all", None)
    parts = {name: small(found_of_name) for name, found_of_name in found.items()}
    findings = Findings.load(folder / "peers.json")
    if findings.cells:
        shown = plots.draw(findings, images)
        parts["plots"] = "\n\n".join(f"![{title}]({images.name}/{name})" for name, title in shown.items())
        parts["peers"] = compared(findings)
        if cells := [cell for cell in findings.cells.values() if cell.form.endswith("of forms")]:
            parts["forms"] = forms(cells)
    if run:
        parts["run"] = small(run)
    if every := [*found.values(), *(cell.about for cell in findings.cells.values())]:
        parts["machine"] = machine(every)
        parts["targets"] = verdicts(findings, list(found.values()))
    return parts


def write(*, quick: bool = False) -> int:
    """Write the document from the saved results; return the exit code."""
    folder = results.folder(quick=quick)
    page = folder / PAGE.name if quick else PAGE
    text = PAGE.read_text("utf-8")
    code = 0
    for name, content in parts_of(folder, page.with_suffix("")).items():
        try:
            text = replaced(text, name, content)
        except ValueError as exc:
            print(exc, file=sys.stderr)
            code = 1
    part = page.with_suffix(".part")
    part.write_text(text, "utf-8")
    part.replace(page)
    print(f"written: {page.relative_to(common.ROOT)}")
    return code


def main() -> int:
    """Write the document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="write the results of a quick run into another page")
    return write(quick=parser.parse_args().quick)


if __name__ == "__main__":
    sys.exit(main())
