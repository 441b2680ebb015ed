"""Settings of libraries that a run makes before they are imported, unless the user has made them."""

from __future__ import annotations

import os
import sys

_DEFAULTS = {"OPENBLAS_THREAD_TIMEOUT": "22"}
if sys.platform == "linux":
    _DEFAULTS["ARROW_DEFAULT_MEMORY_POOL"] = "jemalloc"


def set_library_defaults() -> None:
    """Set environment variables that the libraries of models and formats read when they are imported.

    `OPENBLAS_THREAD_TIMEOUT`: idle threads of OpenBLAS spin for 2**22 cycles of the processor's clock, one to two
    milliseconds, and then sleep. OpenBLAS itself takes 2**28, a tenth of a second after each call of the model, on a
    processor that reading, writing and logging need. Calls that follow each other closely are as fast as before, and no
    result changes: the number of threads stays. (`driver/others/blas_server.c` in its source.)

    `ARROW_DEFAULT_MEMORY_POOL`: Arrow takes memory from jemalloc, which its packages for Linux have. Its own default,
    mimalloc, keeps more of what it has freed: of Parquet with 5 million records a run took 507 MiB instead of 433. The
    system's malloc took 498 MiB instead of 349 for a table of 100 columns.
    (https://arrow.apache.org/docs/cpp/env_vars.html)
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
