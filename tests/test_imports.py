"""The rooms: imports go one way, and the steps run where bonobo cannot be installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

MAY_IMPORT_BONOBO_OR_FS = {"compat", "execution", "nodes"}
ORDER = [
    {"collector", "errors"},
    {"schema_fields", "strict_json", "schema_struct", "records", "lines", "columns", "tally", "streams"},
    {"schema", "layout", "rejects", "interrupts", "progress"},
    {"model", "prediction_log", "formats"},
    {"model_node", "rules", "publish", "config"},
    {"channel", "steps", "workers"},
    {"compat"},
    {"nodes", "execution", "report"},
    {"graphs", "services"},
    {"assembly", "files"},
    {"verdict"},
    {"job", "check"},
    {"cli"},
    {"__main__"},
    {"etl_job"},
    {"s3_etl_job"},
]
"""Each row imports only from the rows above it, or within its own."""


def modules() -> list[tuple[str, Path]]:
    """Name every module by its room."""
    found = []
    for top in ("model_etl", "graphs", "services"):
        for path in sorted((ROOT / top).rglob("*.py")):
            inside = path.relative_to(ROOT / top).parts
            room = top if top != "model_etl" else inside[0].removesuffix(".py")
            if room != "__init__":
                found.append((room, path))
    return found


def imported(path: Path) -> set[str]:
    """Give the names of all modules that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize(("room", "path"), modules(), ids=str)
def test_imports_go_one_way(room: str, path: Path) -> None:
    """A room knows only the rooms below it."""
    rank = {name: index for index, row in enumerate(ORDER) for name in row}
    for name in imported(path):
        parts = name.split(".")
        if parts[0] in ("graphs", "services"):
            below = parts[0]
        elif parts[0] == "model_etl" and len(parts) > 1 and parts[1] in rank:
            below = parts[1]
        else:
            continue
        assert rank[below] <= rank[room], f"{path.name} imports {name}"


@pytest.mark.parametrize(("room", "path"), modules(), ids=str)
def test_only_the_outer_rooms_know_bonobo_and_fs(room: str, path: Path) -> None:
    """Bonobo and fs stay where files are touched and graphs are run."""
    if room in MAY_IMPORT_BONOBO_OR_FS or room in ("graphs", "services"):
        return
    assert not {name for name in imported(path) if name.split(".")[0] in ("bonobo", "fs", "fs_s3fs")}


def test_the_graph_does_not_know_where_files_lie() -> None:
    """graphs/ imports no service and names no file system."""
    for path in (ROOT / "graphs").glob("*.py"):
        assert not {name for name in imported(path) if name.split(".")[0] in ("services", "fs", "fs_s3fs", "os")}


def test_the_steps_run_without_bonobo_and_fs() -> None:
    """Decode, predict, decide, log and encode work in a process where importing bonobo or fs fails."""
    program = f"""
import io, sys
sys.modules.update(dict.fromkeys(("bonobo", "fs", "fs_s3fs", "mondrian"), None))
sys.path.insert(0, {str(ROOT / "tests" / "support")!r})
from model_etl import rejects
from model_etl.formats.ldjson import LDJSON
from model_etl.layout import Layout
from model_etl.model import load_model
from model_etl.model_node import MLModelTransformer
from model_etl.prediction_log import PredictionLog
from model_etl.records import Source
from model_etl.rules import load_rule
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
