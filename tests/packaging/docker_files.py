"""The files in docker/, read as what reads them does."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from helpers.command import ROOT

DOCKER = ROOT / "docker"
SCRIPTS = Path(sys.executable).parent
SERVER = "http://minio:9000"
UNITS = ["model_etl.service", "model_etl-venv.service"]


class Instruction(NamedTuple):
    """One instruction of a Dockerfile."""

    name: str
    text: str


def joined(text: str) -> list[str]:
    """Give the lines without comments, those that end with a backslash joined with the next."""
    kept = "\n".join(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return re.sub(r"\\\n\s*", "", kept).splitlines()


DOCKERFILE = [Instruction(*line.split(None, 1)) for line in joined((DOCKER / "Dockerfile").read_text())]
ENTRYPOINT = json.loads(next(i.text for i in DOCKERFILE if i.name == "ENTRYPOINT"))


def texts(name: str) -> list[str]:
    """Give all instructions of that name."""
    return [instruction.text for instruction in DOCKERFILE if instruction.name == name]


def left_out(path: str) -> bool:
    """Tell whether .dockerignore keeps a path out of the build; the last pattern that fits wins."""
    out = False
    for pattern in joined((ROOT / ".dockerignore").read_text()):
        parts = re.split(r"(\*\*/|\*)", pattern.removeprefix("!"))
        expression = "".join({"**/": "(.*/)?", "*": "[^/]*"}.get(part) or re.escape(part) for part in parts)
        if re.fullmatch(f"{expression}(/.*)?", path):
            out = not pattern.startswith("!")
    return out


def compose(**environ: str) -> dict[str, Any]:
    """Read compose.yaml with the variables of an environment."""

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(below) for key, below in value.items()}
        if isinstance(value, list):
            return [filled(below) for below in value]
        if isinstance(value, str):
            return re.sub(r"\$\{(\w+):-(.*?)\}", lambda found: environ.get(found[1], found[2]), value)
        return value

    return filled(yaml.safe_load((DOCKER / "compose.yaml").read_text()))


IMAGE = compose()["services"]["score"]["image"]
