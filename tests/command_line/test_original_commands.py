"""The commands and the interactive session of the original, word for word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command import ROOT, SETOSA, Etl
from pydantic import ValidationError

from model_etl.scoring.model_step import MLModelTransformer


def test_the_interactive_session_gives_the_prediction() -> None:
    """One record in, one prediction out, as the original's session shows."""
    transformer = MLModelTransformer(module_name="iris_model.iris_predict", class_name="IrisModel")
    assert list(transformer(data=SETOSA)) == [{"species": "setosa"}]


def test_a_bad_record_raises_the_models_own_exception() -> None:
    """Called with one record, the transformer lets the schema's exception through."""
    transformer = MLModelTransformer(module_name="iris_model.iris_predict", class_name="IrisModel")
    with pytest.raises(ValidationError):
        list(transformer(data={**SETOSA, "petal_width": "wide"}))


def test_a_class_that_is_no_model_is_refused() -> None:
    """The error says what the class lacks."""
    with pytest.raises(ValueError, match="not an MLModel: it lacks qualified_name"):
        MLModelTransformer(module_name="collections", class_name="OrderedDict")


@pytest.mark.parametrize("flags", [("--input_file={}", "--output_file={}"), ("-i{}", "-o{}")])
@pytest.mark.parametrize(
    "command", [["model_etl/etl_job.py"], ["-m", "model_etl", "--model=iris_model.iris_predict:IrisModel"]]
)
def test_the_originals_command_scores_its_file(tmp_path: Path, command: list[str], flags: tuple[str, str]) -> None:
    """The script and the module score the 15 records, with long and short flags, also to an absolute path."""
    output = tmp_path / "output.json"
    arguments = [flags[0].format("data/input.json"), flags[1].format(output)]
    done = subprocess.run([sys.executable, *command, *arguments], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert output.read_text().count('{"species":"') == 15


def test_a_graph_by_hand_runs_in_bonobo(etl: Etl) -> None:
    """get_graph gives a bonobo.Graph that bonobo.run takes, with the local services and a reliable strategy."""
    program = (
        "from model_etl.etl_job import get_graph, get_services\n"
        "from model_etl.pipeline.strategy import ReliableStrategy\n"
        "import bonobo\n"
        "graph = get_graph('in.json', 'out.json')\n"
        "assert isinstance(graph, bonobo.Graph)\n"
        "bonobo.run(graph, services=get_services(), strategy=ReliableStrategy())\n"
    )
    _check_program(etl, program)


def _check_program(etl: Etl, program: str) -> None:
    """Check that a program of Python scores in.json into out.json."""
    etl.write("in.json", [SETOSA] * 3)
    done = subprocess.run([sys.executable, "-c", program], cwd=etl.folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert etl.lines("out.json") == [{"species": "setosa"}] * 3


def test_stock_readers_and_writers_fit_around_the_transformer(etl: Etl) -> None:
    """The chain also takes Bonobo's own LdjsonReader and LdjsonWriter."""
    program = (
        "from model_etl.graphs.scoring import get_graph\n"
        "from model_etl.pipeline.strategy import run_graph\n"
        "from model_etl.scoring.model_step import MLModelTransformer\n"
        "from model_etl.services.local.location import get_services\n"
        "from bonobo import LdjsonReader, LdjsonWriter\n"
        "model = MLModelTransformer('iris_model.iris_predict', 'IrisModel')\n"
        "reader, writer = LdjsonReader('in.json', mode='r'), LdjsonWriter('out.json', mode='w')\n"
        "graph = get_graph(reader=reader, model=model, writer=writer)\n"
        "run_graph(graph, get_services())\n"
    )
    _check_program(etl, program)
