"""The pages for developers agree with the code: folders, places to change, decisions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.command import ROOT
from test_imports import ORDER

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
RECIPES = re.findall(r"\*\*(An? [a-z ]+)\*\*[^\n]*\n\n((?:\d\. .*\n|   .*\n)+)", CONTRIBUTING)


def test_the_architecture_page_has_each_folder_in_the_order_of_imports() -> None:
    """A row of the table names what may be imported by the rows below it."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = [name.rstrip("/").removesuffix(".py") for name in re.findall(r"`([\w/.]+)`", page.partition("| 1 |")[2])]
    rows = {name: number for number, row in enumerate(ORDER) for name in row}
    shown = [rows[name] for name in named[: named.index("etl_job") + 1] if name in rows]
    assert shown == sorted(shown)
    assert {name for name in rows if (ROOT / "model_etl" / name).is_dir()} <= set(named)


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_each_decision_is_in_the_index(path: Path) -> None:
    """The index has its number and its title."""
    index = (ROOT / "docs" / "decisions" / "README.md").read_text("utf-8")
    number, _, title = path.read_text("utf-8").partition("\n")[0].partition(". ")
    assert number == f"# {int(path.name[:4])}"
    assert f"| [{path.name[:4]}]({path.name}) | {title} | " in index


@pytest.mark.parametrize(("what", "steps"), RECIPES, ids=[what for what, _ in RECIPES])
def test_what_is_added_takes_at_most_four_places(what: str, steps: str) -> None:
    """Each recipe of CONTRIBUTING.md is short, and the files that it names exist."""
    assert len(re.findall(r"^\d\. ", steps, re.MULTILINE)) <= 4, what
    for name in re.findall(r"`([\w/.]+/[\w.]*)`", steps):
        assert "NAME" in name or (ROOT / name).exists(), name


def test_there_are_recipes() -> None:
    """A format, a service, an option, an engine and a failure case."""
    assert len(RECIPES) == 5
