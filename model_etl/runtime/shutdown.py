"""The end of the process: threads that do not end, output that cannot be flushed, and the exit code."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import NoReturn

from model_etl.runtime.garbage_collection import freeze_before_exit
from model_etl.runtime.supervision import finish_supervised

_THREAD_GRACE_S = 5.0
"""How long the threads of a model may take to end after the work is done."""
_UPLOAD_THREADS, _NODE_THREADS = "upload", "node "
"""How the names start of threads that upload parts, and of threads that run the nodes of a graph."""


def end_process(exit_code: int) -> NoReturn:
    """End the process with this exit code, even if a thread of a model or of a storage never ends."""
    _join_threads()
    finish_supervised()
    if any(_prevents_exit(thread) for thread in threading.enumerate()):
        flush_standard_streams()
        os._exit(exit_code)  # Python would wait for the thread for ever, or crash because of it
    freeze_before_exit()
    flush_standard_streams()
    sys.exit(exit_code)  # not os._exit: only this runs the functions registered with atexit


def flush_standard_streams() -> None:
    """Flush standard output and error; what cannot be flushed goes to /dev/null, or Python would exit with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError):
            pass  # closed, or None
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def _join_threads() -> None:
    deadline = time.monotonic() + _THREAD_GRACE_S
    for thread in threading.enumerate():
        # Uploads were given their time when the run ended.
        if (
            thread is not threading.current_thread()
            and not thread.daemon
            and not thread.name.startswith(_UPLOAD_THREADS)
        ):
            thread.join(max(0.0, deadline - time.monotonic()))


def _prevents_exit(thread: threading.Thread) -> bool:
    return thread is not threading.main_thread() and (not thread.daemon or thread.name.startswith(_NODE_THREADS))
