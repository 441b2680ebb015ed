"""Starts a scoring worker in the interpreter of --model_python, of which only this is known: somebody named it.

The text of this file is executed by that interpreter (`python -c`), with the descriptor of a pipe and the expected
version of model_etl as arguments. Any Python since 2.7 must be able to read it.
"""
# mypy: allow-untyped-defs, allow-untyped-calls

import sys

if sys.path[:1] == [""]:
    del sys.path[0]  # the current folder, where data lies: see docs/decisions/0021

import os
import struct


def main():
    """Say whether this interpreter can serve, and serve."""
    pipe, expected = int(sys.argv[1]), sys.argv[2]
    del sys.argv[1:]
    if sys.version_info < (3, 10):
        _say(pipe, "old")
        return
    try:
        import model_etl

        version = model_etl.__version__
    except (ImportError, AttributeError):
        _say(pipe, "missing", _installer())
        return
    if version != expected:
        _say(pipe, "version", _installer(), version)
        return
    try:
        from model_etl.runtime.search_path import leave_out_current_folder

        leave_out_current_folder()
        from model_etl.scoring.worker import serve_started
    except Exception as exc:
        _say(pipe, "broken", _installer(), "%s: %s" % (type(exc).__name__, exc))
        return
    _say(pipe, "ready")
    serve_started(pipe)


def _installer():
    """Return the name of what installs packages here."""
    from importlib.util import find_spec

    return "pip" if find_spec("pip") else "uv"


def _say(pipe, *words):
    """Send some words after the version of Python, framed as by a connection of multiprocessing."""
    version = "%d.%d.%d" % tuple(sys.version_info[:3])
    message = "\n".join((version,) + words).encode("utf-8")
    os.write(pipe, struct.pack("!i", len(message)) + message)


if __name__ == "__main__":
    main()
