"""Models that need the thread, the process or the records as a plain session has them."""

from __future__ import annotations

import contextvars
import ctypes
import decimal
import multiprocessing
import os
import signal
import sqlite3
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from failing_models import Good
from pydantic import BaseModel

FORK = multiprocessing.get_context("fork")
CONTEXT = contextvars.ContextVar("CONTEXT", default=0.0)


def double(x: float) -> float:
    """Compute what all of these models answer."""
    return 2 * x


class Database(Good):
    """Has a connection, which belongs to a thread."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:")

    def predict(self, data: Any) -> Any:
        """See the class."""
        return {"y": self.connection.execute("select 2 * ?", (data.x,)).fetchone()[0]}


class Precision(Good):
    """Sets the precision of the thread."""

    def __init__(self) -> None:
        decimal.getcontext().prec = 3

    def predict(self, data: Any) -> Any:
        """See the class."""
        return {"y": double(data.x) if str(decimal.Decimal(1) / 7) == "0.143" else -1}


class Floats(Good):
    """Has the thread raise on an invalid operation."""

    def __init__(self) -> None:
        np.seterr(invalid="raise")

    def predict(self, data: Any) -> Any:
        """See the class."""
        return {"y": double(data.x) if np.geterr()["invalid"] == "raise" else -1}


class Context(Good):
    """Sets a context variable."""

    def __init__(self) -> None:
        CONTEXT.set(2.0)

    def predict(self, data: Any) -> Any:
        """See the class."""
        return {"y": CONTEXT.get() * data.x}


class Alarm(Good):
    """Sets a handler of a signal, which only the main thread can."""

    def predict(self, data: Any) -> Any:
        """See the class."""
        signal.signal(signal.SIGALRM, signal.signal(signal.SIGALRM, signal.SIG_IGN))
        return {"y": double(data.x)}


class Pool(Good):
    """Has a pool of processes for each batch."""

    def predict_batch(self, records: Any) -> Any:
        """See the class."""
        with FORK.Pool(2) as pool:
            return [{"y": y} for y in pool.map(double, [record.x for record in records])]


class Executor(Good):
    """Has a pool of processes for as long as it lives."""

    def __init__(self) -> None:
        self.executor = ProcessPoolExecutor(2)

    def predict_batch(self, records: Any) -> Any:
        """See the class."""
        return [{"y": y} for y in self.executor.map(double, [record.x for record in records])]


class Terminates(Good):
    """Ends a child by SIGTERM, and fails unless that ended it."""

    def predict(self, data: Any) -> Any:
        """See the class."""
        child = FORK.Process(target=time.sleep, args=(60,))
        child.start()
        child.terminate()
        child.join(5)
        return {"y": double(data.x) if child.exitcode == -signal.SIGTERM else -1}


class Forks(Good):
    """Has a copy of the process leave the call by an exception."""

    def predict(self, data: Any) -> Any:
        """See the class."""
        pid = os.fork()
        if not pid:
            sys.exit(int(double(data.x)))
        return {"y": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}


class ForksAndReturns(Good):
    """Has a copy of the process return from the call."""

    def predict(self, data: Any) -> Any:
        """See the class."""
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        return {"y": double(data.x)}


class Nested(BaseModel):
    """Has fields that can be changed in place."""

    x: float
    tags: list[int] = [1]
    options: dict[str, Any] = {"a": [1]}


class ChangesNested(Good):
    """Adds to whatever it gets, and expects to get it as it was read."""

    input_schema = Nested

    def predict_batch(self, records: Any) -> Any:
        """See the class."""
        sizes = [len(record.tags) + len(record.options["a"]) for record in records]
        for record in records:
            record.tags.append(9)
            record.options["a"].append(9)
        if any(record.x < 0 for record in records):
            raise ValueError("x is out of range")
        return [{"y": size} for size in sizes]


class ExitsInPython(Good):
    """Ends the process as a success."""

    def fail(self) -> Any:
        """See the class."""
        os._exit(0)


class ExitsInC(Good):
    """Ends the process as a success, in C code."""

    def fail(self) -> Any:
        """See the class."""
        ctypes.CDLL(None)._exit(0)


class ExitsWithCode(Good):
    """Ends the process with a code that means something else to a run."""

    def fail(self) -> Any:
        """See the class."""
        os._exit(75)


class ExitsInInit(Good):
    """Ends the process while it is made."""

    def __init__(self) -> None:
        os._exit(0)


class HangsInPool(Good):
    """Hangs in processes of its own."""

    def fail(self) -> Any:
        """See the class."""
        with FORK.Pool(2) as pool:
            return pool.map(time.sleep, [3600, 3600])


class MissingColumn(Good):
    """Looks for a column that no record has."""

    def predict_batch(self, records: Any) -> Any:
        """See the class."""
        return [{"y": vars(type(record))["age"]} for record in records]


class MissingColumnOfOne(Good):
    """Looks for a column that no record has, record by record."""

    def predict(self, data: Any) -> Any:
        """See the class."""
        return {"y": {}["age"]}


class LosesOne(Good):
    """Answers for all records but one."""

    def predict_batch(self, records: Any) -> Any:
        """See the class."""
        return [{"y": record.x} for record in records][1:]


class Stale(Good):
    """Was saved with a library that is not installed."""

    def __init__(self) -> None:
        import pickle  # noqa: PLC0415

        pickle.loads(b"cno_such_library\nModel\n.")
