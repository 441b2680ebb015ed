"""``python -m model_etl``, and the installed ``model-etl`` command."""
# ruff: noqa: E402  the search path comes before all imports that it could mislead

from model_etl.runtime.search_path import leave_out_current_folder

leave_out_current_folder()

import os
import signal

# Until the command handles it, Ctrl-C ends the process as it ends any program. Raised as an exception, it could be
# swallowed by a module that is being imported: msgspec then goes on half-made, and crashes.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# The kernel withholds every signal without a handler from process 1, which this process is in a container.
if os.getpid() == 1 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))

from model_etl.cli.main import command

__all__ = ["command"]

if __name__ == "__main__":
    command()
