"""The rooms: imports go one way, and the steps run where bonobo cannot be installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command import ROOT
from helpers.imports import imported, modules

MAY_IMPORT_BONOBO_OR_FS = {"compat", "pipeline", "graphs", "services"}
ORDER = [
    {"errors", "compat"},
    {"runtime", "records", "graphs"},
    {"schema", "publishing", "rules"},
    {"columns"},
    {"frames"},
    {"artefacts"},
    {"formats", "scoring", "services"},
    {"evidence"},
    {"settings"},
    {"pipeline"},
    {"job"},
    {"new_package"},
    {"cli"},
    {"__main__", "model_node", "execution", "strict_json"},
    {"etl_job"},
    {"s3_etl_job"},
]
"""Each row imports only from the rows above it; a folder also from itself."""
COLLIDING = ("graphs", "services", "engines")
"""Folders of the repository that are installed below model_etl, since others have folders of these names too."""


@pytest.mark.parametrize(("folder", "path"), modules(), ids=str)
def test_imports_go_one_way(folder: str, path: Path) -> None:
    """A folder imports only from folders of the rows above its own."""
    row_of = {name: index for index, row in enumerate(ORDER) for name in row}
    for name in imported(path):
        top, _, rest = name.partition(".")
        assert top not in COLLIDING, f"{path.name} imports {name}, which is installed as model_etl.{name}"
        other = rest.partition(".")[0]
        if top == "model_etl" and other in row_of and other != folder:
            assert row_of[other] < row_of[folder], f"{path.name} imports {name}"


def imports_by_module() -> dict[str, set[str]]:
    """Return all modules of the repository that are installed, with the modules of them that each imports."""
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for top in ("model_etl", *COLLIDING)
        for path in (ROOT / top).rglob("*.py")
        if path.relative_to(ROOT).parts[:2] != ("engines", "tests")
    }
    named = {name if name.startswith("model_etl.") else f"model_etl.{name}": path for name, path in paths.items()}
    known = {name.removesuffix(".__init__"): path for name, path in named.items()}
    del known["model_etl"]  # it exports what the others define, but imports it only when asked
    return {
        name: {other for other in imported(path) if other in known and other != name} for name, path in known.items()
    }


def test_no_modules_import_each_other() -> None:
    """There is no circle of imports between files, not even through imports inside functions or for types only."""
    remaining = imports_by_module()
    while leaves := {name for name, others in remaining.items() if not others & remaining.keys()}:
        remaining = {name: others for name, others in remaining.items() if name not in leaves}
    assert not remaining, f"circles among {sorted(remaining)}"


def test_every_folder_has_its_row() -> None:
    """A new folder or module of model_etl needs a place in the table."""
    assert {folder for folder, _ in modules()} == set().union(*ORDER)


@pytest.mark.parametrize(("folder", "path"), modules(), ids=str)
def test_only_the_outer_folders_know_bonobo_and_fs(folder: str, path: Path) -> None:
    """Bonobo and fs stay where files are touched and graphs are run."""
    if folder not in MAY_IMPORT_BONOBO_OR_FS:
        assert not {name for name in imported(path) if name.split(".")[0] in ("bonobo", "fs", "fs_s3fs")}


def test_the_graph_does_not_know_where_files_lie() -> None:
    """graphs/ imports no service and names no file system."""
    for path in (ROOT / "graphs").glob("*.py"):
        assert not {
            name for name in imported(path) if name.split(".")[0] in ("fs", "fs_s3fs", "os") or "services" in name
        }


def test_the_steps_run_without_bonobo_and_fs() -> None:
    """Decode, predict, decide, log and encode work in a process where importing bonobo or fs fails."""
    program = f"""
import io, sys
sys.modules.update(dict.fromkeys(("bonobo", "fs", "fs_s3fs", "mondrian"), None))
sys.path.insert(0, {str(ROOT / "tests" / "models")!r})
from model_etl.formats import rejects
from model_etl.formats.json_lines import LDJSON
from model_etl.formats.output_layout import Layout
from model_etl.scoring.model_loading import load_model
from model_etl.scoring.model_step import MLModelTransformer
from model_etl.evidence.prediction_log import PredictionLog
from model_etl.records.batch import Source
from model_etl.scoring.rule_step import load_rule
model = load_model("generations:Fast")
rule = load_rule("business:NoGiants", model)
out = io.BytesIO()
writer = LDJSON.writer(out, Layout(model.output.fields(), model.input.fields()))
log = PredictionLog("job", model.name, model.version)
for batch in LDJSON.read(io.BytesIO(b'{{"x": 1}}\\n{{"x": 99}}\\n{{}}\\n'), Source("in", "0" * 32, "ldjson"), {{}}):
    batch = rule.apply(MLModelTransformer(model=model).predict(model.input.decode_batch(batch)))
    writer.write(batch)
    events, lines = log.encode(batch), rejects.encode(batch.rejected)
print(out.getvalue(), events.count(b"\\n"), lines.count(b"\\n"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, text=True)
    assert done.stdout == "b'{\"y\":2.0}\\n' 3 1\n", done.stderr
