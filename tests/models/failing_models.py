"""Models that fail in every way a model can. A record with a negative x is the one that they fail at."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, field_validator


class In(BaseModel):
    """What they take."""

    x: float


class Out(BaseModel):
    """What they give."""

    y: float


class Good:
    """Works; the others are made of it."""

    display_name = "Failing"
    qualified_name = "failing"
    description = "Fails."
    version = "1.0.0"
    input_schema: Any = In
    output_schema: Any = Out

    def predict(self, data: Any) -> Any:
        """Predict one record."""
        return self.fail() if data.x < 0 else {"y": data.x}

    def fail(self) -> Any:
        """Do what this model does wrong."""
        return {"y": 1.0}


class GoodBatch(Good):
    """Works, on batches."""

    def predict_batch(self, records: Any) -> Any:
        """Predict many records."""
        return [self.predict(record) for record in records]


class GoodGenerator(Good):
    """Works, with a generator of outputs."""

    def predict_batch(self, records: Any) -> Any:
        """Predict many records."""
        return (self.predict(record) for record in records)


class NoModel:
    """Lacks all that a model has."""


class VersionIsNone(Good):
    """Was made without a version."""

    version: Any = None


class RaisesInInit(Good):
    """Cannot be constructed."""

    def __init__(self) -> None:
        raise FileNotFoundError(2, "No such file or directory", "weights.bin")


class ExitsInInit(Good):
    """Wants to end the process, as a success."""

    def __init__(self) -> None:
        sys.exit(0)


class HangsInInit(Good):
    """Is never ready."""

    def __init__(self) -> None:
        Path("hanging").touch()
        time.sleep(3600)


class SwallowsInInit(Good):
    """Swallows whatever is raised while it is made."""

    def __init__(self) -> None:
        Path("hanging").touch()
        with contextlib.suppress(BaseException):
            time.sleep(5)


class Raises(Good):
    """Raises."""

    def fail(self) -> Any:
        """See the class."""
        raise ValueError("x is out of\nrange")


class RaisesInBatch(GoodBatch, Raises):
    """Raises, on batches."""


class RaisesOSError(Good):
    """Meets a storage that is down."""

    def fail(self) -> Any:
        """See the class."""
        raise OSError(5, "Input/output error")


class RaisesMemoryError(Good):
    """Needs too much memory."""

    def fail(self) -> Any:
        """See the class."""
        raise MemoryError


class Exits(Good):
    """Wants to end the process, as a success."""

    def fail(self) -> Any:
        """See the class."""
        sys.exit(0)


class ExitsInBatch(GoodBatch, Exits):
    """Wants to end the process, on batches."""


class Recurses(Good):
    """Never comes to an end."""

    def fail(self) -> Any:
        """See the class."""
        return self.fail()


class PanicException(BaseException):
    """The exception of a Rust library that panics: not an Exception, as PyO3 makes it."""


class Panics(Good):
    """Calls a Rust library that panics."""

    def fail(self) -> Any:
        """See the class."""
        raise PanicException("index out of bounds")


class PanicsInBatch(GoodBatch, Panics):
    """Calls a Rust library that panics, on batches."""


class IsCancelled(Good):
    """Has its call cancelled."""

    def fail(self) -> Any:
        """See the class."""
        raise asyncio.CancelledError


class Doubles(Good):
    """Changes its records in place, as preprocessing code does."""

    def predict(self, data: Any) -> Any:
        """Predict one record."""
        data.x *= 2
        return self.fail() if data.x < 0 else {"y": data.x}

    def predict_batch(self, records: Any) -> Any:
        """Predict many records, all changed before the first is predicted."""
        for record in records:
            record.x *= 2
        if any(record.x < 0 for record in records):
            raise ValueError("x is out of range")
        return [{"y": record.x} for record in records]

    def fail(self) -> Any:
        """See the class."""
        raise ValueError("x is out of range")


class Interrupts(Good):
    """Raises what Ctrl-C raises."""

    def fail(self) -> Any:
        """See the class."""
        raise KeyboardInterrupt


class Prints(Good):
    """Prints, from Python and from C."""

    def __init__(self) -> None:
        print("printed in init")  # noqa: T201

    def fail(self) -> Any:
        """See the class."""
        print("printed in predict")  # noqa: T201
        sys.stdout.write("written")
        os.write(1, b"printed from C")
        os.system("echo printed by a child")
        return {"y": 1.0}


class PrintsInBatch(GoodBatch, Prints):
    """Prints, on batches."""


class ExitingIn(In):
    """Wants to end the process while a record is checked."""

    @field_validator("x")
    @classmethod
    def exits(cls, x: float) -> float:
        """See the class."""
        if x < 0:
            sys.exit(0)
        return x


class ExitsInSchema(Good):
    """Wants to end the process while a record is checked."""

    input_schema = ExitingIn


class RaisingIn(In):
    """Fails in its own code while a record is checked."""

    @field_validator("x")
    @classmethod
    def raises(cls, x: float) -> float:
        """See the class."""
        return x if x >= 0 else {}["table"]


class RaisesInSchema(Good):
    """Fails in its own code while a record is checked."""

    input_schema = RaisingIn


class Hangs(Good):
    """Hangs at one record."""

    def fail(self) -> Any:
        """See the class."""
        Path("hanging").touch()
        time.sleep(3600)


class HangsInC(Good):
    """Hangs in C code that holds the interpreter lock."""

    def fail(self) -> Any:
        """See the class."""
        Path("hanging").touch()
        return sum(range(10**13))


class SwallowsAll(Good):
    """Swallows whatever is raised, and goes on hanging."""

    def fail(self) -> Any:
        """See the class."""
        Path("hanging").touch()
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(3600)


class Slow(Good):
    """Takes its time for each record."""

    def predict(self, data: Any) -> Any:
        """Predict one record."""
        Path("hanging").touch()
        time.sleep(0.01)
        return {"y": data.x}


class ChangesInput(Good):
    """Something writes to the input while it is read."""

    def fail(self) -> Any:
        """See the class."""
        with Path("in.json").open("a") as file:
            file.write('{"x":1}\n')
        return {"y": 1.0}


class LeavesThread(Good):
    """Leaves a thread that never ends."""

    def __init__(self) -> None:
        threading.Thread(target=time.sleep, args=(3600,)).start()


class Killed(GoodBatch):
    """Is killed, as when memory is short."""

    def fail(self) -> Any:
        """See the class."""
        os.kill(os.getpid(), signal.SIGKILL)


class Segfaults(GoodBatch):
    """Crashes in C code."""

    def fail(self) -> Any:
        """See the class."""
        faulthandler.disable()
        ctypes.string_at(0)


class LeavesAtOnce(GoodBatch):
    """Ends its process as a success, without a word."""

    def fail(self) -> Any:
        """See the class."""
        os._exit(0)


class LoadsOnce(GoodBatch):
    """Can be made by the first process only, not in its workers."""

    def __init__(self) -> None:
        if multiprocessing.parent_process() is not None:
            raise RuntimeError("no licence for a second process")


class Says(GoodBatch):
    """Prints from where it works."""

    def fail(self) -> Any:
        """See the class."""
        print("a word from", "a worker" if multiprocessing.parent_process() else "the parent", flush=True)  # noqa: T201
        return {"y": 2.0}
