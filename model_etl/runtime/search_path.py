"""Where Python searches for modules. It imports only what Python has loaded by then: all else may be hidden."""

import os
import sys


def search_current_folder_last() -> None:
    """Move the current folder to the end of `sys.path`.

    `python -m` and `PYTHONPATH=.` search it first, so that a file such as `json.py` or `numpy.py` beside the data would
    hide the module of that name. Last, it still holds models and rules.
    """
    try:
        current = os.path.realpath(os.getcwd())  # noqa: PTH109  pathlib is not loaded yet
    except FileNotFoundError:
        return  # the folder was removed
    others = [entry for entry in sys.path if os.path.realpath(entry) != current]
    if len(others) < len(sys.path):
        sys.path[:] = [*others, current]
