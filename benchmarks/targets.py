"""The claims about model_etl and its peers, and whether the measurements support them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import common
import ways
from findings import Findings
from ways import OURS, OURS_LOG, OURS_WORKERS

LR, SVC = "logistic_regression", "svc"
MOST_MIB = 250
GROWTH, SMALL, LARGE = 0.10, 100_000, 5_000_000
LOG_TIMES, LOG_RECORDS = 1.9, 1_000_000
TABLES = ("polars_whole", "duckdb_arrow")


@dataclass(frozen=True)
class Target:
    """How many times as long as model_etl a peer has to take; of several peers, the fastest counts."""

    peers: tuple[str, ...]
    records: int
    model: str
    times: float
    base: str = OURS

    @property
    def text(self) -> str:
        """The claim in words."""
        name = ways.title(self.peers[0]) if len(self.peers) == 1 else "the best of polars and duckdb"
        what = f"{ways.MODELS[self.model]}, {self.records:,} records"
        return f"{name} takes at least {self.times:g} times as long as {self.base}, {what}"


TARGETS = (
    Target(("original",), 100_000, LR, 20),
    Target(("original",), 100_000, SVC, 20),
    Target(("json_loop",), 100_000, LR, 8),
    Target(("json_loop",), 100_000, SVC, 8),
    Target(("beam_local",), 1_000_000, LR, 10),
    Target(("beam_local",), 1_000_000, SVC, 7),
    Target(("pyspark_local",), 1_000_000, LR, 6),
    Target(("ray_data",), 1_000_000, LR, 6),
    Target(("dask_bag",), 1_000_000, LR, 5),
    Target(("mlflow_pyfunc",), 1_000_000, LR, 2.5),
    Target(("pandas_chunks",), 1_000_000, LR, 1.7),
    Target(TABLES, 1_000_000, LR, 1.0),
    Target(TABLES, 1_000_000, SVC, 1.0),
    Target(TABLES, 5_000_000, LR, 1.1, OURS_WORKERS),
    Target(TABLES, 5_000_000, SVC, 1.1, OURS_WORKERS),
)


@dataclass(frozen=True)
class Verdict:
    """Whether a claim held.

    Attributes:
        text: the claim.
        found: what was measured, or why nothing was.
        held: None if it was not measured.
    """

    text: str
    found: str
    held: bool | None


def judge(findings: Findings) -> list[Verdict]:
    """Compare the measurements with all claims."""
    verdicts = [_against(target, findings) for target in TARGETS]
    verdicts.append(_log(findings))
    verdicts += [_growth(findings, model, way) for model in (LR, SVC) for way in (OURS, OURS_LOG)]
    return [*verdicts, _most(findings), _same(findings)]


def _against(target: Target, findings: Findings) -> Verdict:
    cell = findings.cell(target.model, target.records)
    peers = [peer for peer in target.peers if cell and peer in cell.runs]
    if cell is None or target.base not in cell.runs or not peers:
        why = "; ".join(f"left out: {findings.left_out[peer]}" for peer in target.peers if peer in findings.left_out)
        return Verdict(target.text, why or "not measured", None)
    best = min(peers, key=lambda peer: median(cell.seconds(peer)))
    times = cell.times(best, target.base)
    name = f"{best.partition('_')[0]}: " if len(target.peers) > 1 else ""
    return Verdict(target.text, name + common.spread(times), median(times) >= target.times)


def _log(findings: Findings) -> Verdict:
    text = f"the log makes a run at most {LOG_TIMES} times as long, {ways.MODELS[LR]}, {LOG_RECORDS:,} records"
    cell = findings.cell(LR, LOG_RECORDS)
    if cell is None:
        return Verdict(text, "not measured", None)
    times = cell.times(OURS_LOG, OURS)
    return Verdict(text, common.spread(times), median(times) <= LOG_TIMES)


def _growth(findings: Findings, model: str, way: str) -> Verdict:
    text = f"memory of {way} with {LARGE:,} records within {GROWTH:.0%} of {SMALL:,}, {ways.MODELS[model]}"
    small, large = findings.cell(model, SMALL), findings.cell(model, LARGE)
    if small is None or large is None:
        return Verdict(text, "not measured", None)
    growth = median(large.mib(way)) / median(small.mib(way)) - 1
    return Verdict(text, f"{growth:+.1%}", growth <= GROWTH)


def _most(findings: Findings) -> Verdict:
    found = {
        f"{way}, {cell.key}": median(cell.mib(way))
        for cell in findings.cells.values()
        for way in (OURS, OURS_LOG)
        if way in cell.runs
    }
    text = f"at most {MOST_MIB} MiB in one process, with scikit-learn, all models and forms"
    if not found:
        return Verdict(text, "not measured", None)
    where = max(found, key=lambda key: found[key])
    return Verdict(text, f"{found[where]:.0f} MiB ({where})", found[where] <= MOST_MIB)


def _same(findings: Findings) -> Verdict:
    differ = [way for cell in findings.cells.values() for way in cell.differ]
    found = f"not {'; '.join(differ)}" if differ else f"they did, in {len(findings.cells)} comparisons"
    return Verdict("all wrote the same predictions", found, (not differ) if findings.cells else None)
