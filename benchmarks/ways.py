"""Ways to do the work: model_etl with its options, and the peers."""

from __future__ import annotations

from dataclasses import dataclass

START_UP = 15
"""So few records that nearly all of a run is start-up."""
MODELS = {"logistic_regression": "logistic regression", "svc": "SVC", "forest": "a random forest of 100 trees"}
SIZES = {
    "logistic_regression": (START_UP, 10_000, 100_000, 1_000_000, 5_000_000),
    "svc": (10_000, 100_000, 1_000_000, 5_000_000),
    "forest": (10_000, 1_000_000),
}
"""Numbers of records by model: the start-up is nearly the same with all, and a forest is expensive."""
FIRST = next(iter(SIZES))
FORM_SIZES = (10_000, 1_000_000, 5_000_000)
"""Numbers of records that model_etl reads in all input formats."""
WORKERS_FROM = 1_000_000
"""Fewer records need no workers."""

OURS, OURS_LOG, OURS_WORKERS = "model_etl", "model_etl, log on", "model_etl, --workers 2"
OPTIONS: dict[str, tuple[str, ...]] = {
    OURS: ("--prediction_log", "none"),
    OURS_LOG: (),
    OURS_WORKERS: ("--prediction_log", "none", "--workers", "2"),
}


@dataclass(frozen=True)
class Peer:
    """Another way to do the work.

    Attributes:
        title: what tables call it.
        most: the most records that it is given; a forest gets a tenth of that, if it predicts one by one.
        package: the one whose version tells which peer it is.
        singly: predicts one by one.
        order: it writes in the order of its input; if not, its predictions are compared as a multiset.
        slow_start: it takes seconds to start; it gets small inputs with one model only.
    """

    title: str
    most: int = 1_000_000
    package: str = ""
    singly: bool = False
    order: bool = True
    slow_start: bool = False


PEERS = {
    "original": Peer("the original's design", 100_000, "bonobo", singly=True),
    "json_loop": Peer("json loop, one by one", 100_000, singly=True),
    "msgspec_script": Peer("hand-written msgspec", 5_000_000, "msgspec"),
    "pandas_chunks": Peer("pandas in chunks", 5_000_000, "pandas"),
    "polars_whole": Peer("polars, whole file", 5_000_000, "polars"),
    "duckdb_arrow": Peer("duckdb, Arrow function", 5_000_000, "duckdb"),
    "mlflow_pyfunc": Peer("MLflow pyfunc", 5_000_000, "mlflow"),
    "dask_bag": Peer("Dask bag", package="dask", slow_start=True),
    "beam_local": Peer("Beam, local runner", package="apache-beam", order=False, slow_start=True),
    "pyspark_local": Peer("PySpark, local[2]", package="pyspark", order=False, slow_start=True),
    "ray_data": Peer("Ray Data", package="ray", slow_start=True),
}


def ours(count: int) -> list[str]:
    """Return the ways of model_etl for so many records."""
    return [name for name in OPTIONS if name != OURS_WORKERS or count >= WORKERS_FROM]


def takes_part(peer: str, model: str, count: int) -> bool:
    """Return whether a peer gets so many records: a run of several minutes shows no more than a run of one."""
    most = PEERS[peer].most
    if PEERS[peer].slow_start and model != FIRST and count < most:
        return False
    if model == "forest" and PEERS[peer].singly:
        most //= 10
    return count <= most


def title(way: str) -> str:
    """Return the name of a way in tables and plots."""
    return PEERS[way].title if way in PEERS else way


def keeps_order(way: str) -> bool:
    """Return whether a way writes in the order of its input."""
    return way not in PEERS or PEERS[way].order
