"""How long the idle threads of OpenBLAS wait for work before they sleep."""

from __future__ import annotations

import os

_SPIN_EXPONENT = "22"
"""2**22 cycles of the processor's clock, one to two milliseconds; OpenBLAS itself takes 2**28, a tenth of a second."""


def shorten_idle_spinning() -> None:
    """Let idle threads of OpenBLAS sleep soon, unless the user has said how long they spin.

    A thread that spins after each call of the model takes a processor from reading, writing and logging. Calls that
    follow each other closely are as fast as before, and no result changes: the number of threads stays. OpenBLAS reads
    the variable when numpy or scipy is imported: `driver/others/blas_server.c` in its source.
    """
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", _SPIN_EXPONENT)
