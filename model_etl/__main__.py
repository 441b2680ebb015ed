"""``python -m model_etl``, and the installed ``model-etl`` command."""

import os
import signal

# Until the command handles it, Ctrl-C ends us as it ends any program. Raised as an exception, it can be swallowed by
# what is being imported: msgspec then goes on half-made, and crashes.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# The kernel keeps from process 1, which we are in a container, every signal that it has no handler for.
if os.getpid() == 1 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))

from model_etl.cli.main import command

__all__ = ["command"]

if __name__ == "__main__":
    command()
