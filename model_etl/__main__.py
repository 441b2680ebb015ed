"""``python -m model_etl``, and the installed ``model-etl`` command."""

import signal

# Until the command handles it, Ctrl-C ends us as it ends any program. Raised as an exception, it can be swallowed by
# what is being imported: msgspec then goes on half-made, and crashes.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from model_etl.cli import command

__all__ = ["command"]

if __name__ == "__main__":
    command()
