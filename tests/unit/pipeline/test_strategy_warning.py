"""A graph that is run by hand with a strategy that loses failures says so."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers.command import IRIS, SETOSA, Etl

WARNING = "pass strategy=model_etl.ReliableStrategy() to bonobo.run"
OWN_GRAPH = """
from model_etl import MLModelTransformer, ReliableStrategy
import bonobo
def read():
    for _ in range(100):
        yield {'sepal_length': 4.4, 'sepal_width': 2.9, 'petal_length': 1.4, 'petal_width': 0.2}
graph = bonobo.Graph(read, MLModelTransformer('iris_model.iris_predict', 'IrisModel'), lambda p: None)
services = None
"""
BUILT_GRAPH = """
from model_etl.etl_job import get_graph, get_services
from model_etl import ReliableStrategy
import bonobo
graph = get_graph('in.json', 'out.json', workers=WORKERS)
services = get_services()
"""
RUN = """
if __name__ == "__main__":
    bonobo.run(graph, services=services{strategy})
"""


@pytest.mark.parametrize("strategy", [None, "'naive'", "ReliableStrategy()"])
@pytest.mark.parametrize(
    "program",
    [OWN_GRAPH, BUILT_GRAPH.replace("WORKERS", "1"), BUILT_GRAPH.replace("WORKERS", "2")],
    ids=["own", "1", "2"],
)
def test_a_graph_says_once_that_failures_are_lost(etl: Etl, program: str, strategy: str | None) -> None:
    """Bonobo's own strategies run it with one warning, ours without; the default strategy is Bonobo's."""
    etl.write("in.json", [SETOSA] * 1000)
    etl.write("program.py", program + RUN.format(strategy=f", strategy={strategy}" if strategy else ""))
    for _ in range(5):  # Bonobo's default strategy trips over itself now and then: a node ends before it has started
        done = subprocess.run(
            [sys.executable, "-W", "error::UserWarning", "program.py"],
            cwd=etl.folder,
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        if done.returncode == 0 or strategy:
            break
    assert done.stderr.count(WARNING) == (0 if strategy == "ReliableStrategy()" else 1), done.stderr
    assert done.returncode == 0, done.stderr


def test_a_run_of_the_command_says_nothing(etl: Etl) -> None:
    """Its graph is run with the reliable strategy, with workers too."""
    etl.write("in.json", [SETOSA])
    for count in ("1", "2"):
        done = etl("-i", "in.json", "-o", "out.json", "-m", IRIS, "--workers", count)
        assert (done.code, done.err) == (0, "")
