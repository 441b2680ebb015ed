"""Remedies name the environment in which something is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from model_etl.runtime.environment import install_command


@pytest.mark.parametrize(
    ("interpreter", "has_pip", "command"),
    [
        ("/opt/churn/bin/python", True, "/opt/churn/bin/python -m pip install model-etl==1"),
        ("/opt/my models/python", True, "'/opt/my models/python' -m pip install model-etl==1"),
        ("/opt/churn/bin/python", False, "uv pip install --python /opt/churn/bin/python model-etl==1"),
    ],
)
def test_a_command_for_an_environment(interpreter: str, has_pip: bool, command: str) -> None:
    """It is the interpreter's own pip, or uv where it has none."""
    assert install_command("model-etl==1", interpreter=interpreter, has_pip=has_pip) == command


def test_the_command_for_this_environment_runs() -> None:
    """The command of a remedy is one that a shell can run."""
    command = install_command("--help")
    if "-m pip" not in command:
        pytest.skip("this environment has no pip")
    assert sys.executable in command
    assert subprocess.run(["sh", "-c", command], capture_output=True, check=False).returncode == 0
