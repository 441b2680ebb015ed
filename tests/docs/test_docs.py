"""The documentation is true: its examples run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command import ROOT, Etl


def blocks() -> dict[str, str]:
    """Give the examples of docs/extending.md by the file name in their first line."""
    text = (ROOT / "docs/extending.md").read_text()
    found = re.findall(r"```python\n(# (\w+\.py).*?)```", text, re.DOTALL)
    return {name: code for code, name in found}


@pytest.fixture
def extended(etl: Etl) -> Etl:
    """Write the examples into the current folder."""
    for name, code in blocks().items():
        etl.write(name, code)
    etl.write("in.json", [{"a": 1, "b": 2, "age": 40}, {"a": 5, "age": 3}, {"a": 500, "age": 60}])
    return etl


@pytest.mark.parametrize("model", ["sum_model:SumModel", "sum_of_columns:SumOfColumns", "sum_of_frame:SumOfFrame"])
def test_the_example_models_and_rules_run(extended: Etl, model: str) -> None:
    """The model predicts, one rule withholds, the other caps."""
    rules = ("--rules", "adults:AdultsOnly", "--rules", "adults:AtMostHundred")
    run = extended("-i", "in.json", "-o", "out.json", "-m", model, *rules)
    assert (run.code, run.err) == (0, "")
    assert extended.lines("out.json") == [{"total": 3.0}, {"total": 100.0}]


def test_the_example_decorator_runs_with_its_configuration_and_the_self_test(extended: Etl) -> None:
    """The decorator rounds, and the known records have the predictions that the page says."""
    text = (ROOT / "docs/extending.md").read_text()
    extended.write("score.toml", re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[0])
    extended.write("known.json", re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])
    extended.write("in.json", [{"a": 1.239, "b": 2}])
    run = extended("-i", "in.json", "-o", "out.json", "-m", "sum_model:SumModel", "--config", "score.toml",
                   "--self_test", "known.json")  # fmt: skip
    assert (run.code, run.err) == (0, "")
    assert extended.lines("out.json") == [{"total": 3.24}]


def test_the_example_format_and_service_run(extended: Etl) -> None:
    """One line in a registry adds a format, one line adds a service."""
    extended.write("in.eq", "a=1 b=2\nnonsense\na=4\n")
    program = (
        "import sys\n"
        "from equals import EQUALS\n"
        "from model_etl.formats import register_format\n"
        "from model_etl.services import register_storage\n"
        "register_storage('memory', 'memory')\n"
        "register_format(EQUALS)\n"
        "from model_etl.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    extended.write("extended.py", program)

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "extended.py", "run", "-m", "sum_model:SumModel", *arguments]
        return subprocess.run(command, cwd=extended.folder, capture_output=True, check=False)

    done = run("-i", "in.eq", "-o", "out.json", "--max_errors", "1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert extended.lines("out.json") == [{"total": 3.0}, {"total": 4.0}]
    assert extended.lines("out.rejects.ldjson")[0]["position"] == 2
    done = run("-i", "memory://numbers", "--input_format", "ldjson", "-o", "-")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b'{"total":1.0}\n{"total":5.0}\n'


def test_the_interactive_sessions_of_the_readme_are_true(etl: Etl) -> None:
    """The README's sessions give what they show."""
    (etl.folder / "data").mkdir()
    etl.write("data/input.json", (ROOT / "data/input.json").read_bytes())
    command = [sys.executable, "-m", "doctest", "-v", str(ROOT / "README.md")]
    done = subprocess.run(command, cwd=etl.folder, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^[1-9]\d* passed", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.slow
def test_the_model_of_the_readme_takes_five_minutes(etl: Etl) -> None:
    """The commands of the README make a package, test it, try it, check it and score a sample, one after the other."""
    section = (ROOT / "README.md").read_text().partition("## Your own model in five minutes")[2].partition("\n## ")[0]
    commands = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    shutil.copy(ROOT / "model_etl/new_package/templates/sample.csv", etl.folder / "customers.csv")
    crontab = commands.pop()
    assert commands.pop(0).startswith("pip install ")
    assert crontab.startswith("15 2 * * *  cd /opt/churn && /opt/churn/.venv/bin/")
    night = crontab.partition("/opt/churn/.venv/bin/")[2].replace("customers.csv", "../customers.csv")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = "\n".join(["set -e", *commands, night])
    environment = etl.environment(PATH=path)
    done = subprocess.run(["sh", "-c", script], cwd=etl.folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b'"prediction": false' in done.stdout
    assert b"estimate 8 records" in done.stdout
    assert Etl(etl.folder / "churn").lines("out.json") == [{"prediction": False}] * 8


def test_links_in_the_documents_lead_somewhere() -> None:
    """Every relative link of README and docs names a file that exists."""
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
