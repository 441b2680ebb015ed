"""Commands that install what an environment lacks."""

from __future__ import annotations

import importlib.util
import shlex
import sys


def install_command(*arguments: str, interpreter: str = sys.executable, has_pip: bool | None = None) -> str:
    """Return a shell command that installs packages into an environment.

    It names the environment, because with `--model_python` that is not the one in which the user has started the run.

    Args:
        arguments: the requirements and options.
        interpreter: the path of its Python, by default that of this process.
        has_pip: whether it has pip; by default, whether this process can import it.
    """
    if has_pip is None:
        has_pip = importlib.util.find_spec("pip") is not None
    install = [interpreter, "-m", "pip", "install"] if has_pip else ["uv", "pip", "install", "--python", interpreter]
    return shlex.join([*install, *arguments])
