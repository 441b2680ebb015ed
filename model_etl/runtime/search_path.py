"""Where Python searches for modules. It imports only what Python has loaded by then: all else may be hidden."""

import os
import sys

_OURS = "model_etl"
"""The value of PYTHONSAFEPATH in a process that this program starts; Python takes any text for yes."""


def leave_out_current_folder() -> None:
    """Remove the current folder from `sys.path`.

    `python -m` and `PYTHONPATH=.` search it first, so that a file such as `json.py` beside the data would hide the
    module of that name, or be taken for an optional module that is not installed. The folder that holds this package
    stays, at the end: a checkout that is not installed has no other.
    """
    try:
        current = os.path.realpath(os.getcwd())  # noqa: PTH109  pathlib is not loaded yet
    except FileNotFoundError:
        return  # the folder was removed
    others = [entry for entry in sys.path if os.path.realpath(entry) != current]
    if len(others) < len(sys.path):
        sys.path[:] = [*others, current] if current == _own_folder() else others


def _own_folder() -> str:
    return os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))  # noqa: PTH118, PTH120


class SafePathForChildren:
    """A block in which new Python processes do not search the current folder when they start (Python 3.11 or later)."""

    def __enter__(self) -> None:
        os.environ.setdefault("PYTHONSAFEPATH", _OURS)

    def __exit__(self, *_: object) -> None:
        forget_safe_path()


def forget_safe_path() -> None:
    """Undo what `SafePathForChildren` did, for the processes that a model starts."""
    if os.environ.get("PYTHONSAFEPATH") == _OURS:
        del os.environ["PYTHONSAFEPATH"]
