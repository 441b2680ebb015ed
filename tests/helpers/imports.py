"""The modules of the repository and what they import."""

from __future__ import annotations

import ast
from pathlib import Path

from helpers.command import ROOT


def folder_of(path: Path) -> str:
    """Return the folder of model_etl that a module is installed in, or the module's own name if that is none."""
    parts = path.relative_to(ROOT).parts
    return parts[0] if parts[0] != "model_etl" else parts[1].removesuffix(".py")


def modules() -> list[tuple[str, Path]]:
    """Return every module of one machine with the folder that it is in."""
    tops = ("model_etl", "graphs", "services")
    paths = [path for top in tops for path in sorted((ROOT / top).rglob("*.py"))]
    return [(folder_of(path), path) for path in paths if folder_of(path) != "__init__"]


def imported(path: Path) -> set[str]:
    """Return the names of all modules that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names
