"""Which failures are a fault of the code of a model or a rule: they end the run, and do not reject a record."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType

from model_etl.errors import ModelUnavailable, RecordError, describe_exception, printable
from model_etl.records.batch import Batch

TRIED_RECORDS = 20
"""How many records of the first batch must fail alike, if it has so many, to be taken for a fault of the code."""
_MOST_FRAMES = 10
_OUR_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
_LIBRARY_FOLDERS = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_IMPORTLIB = os.path.join(sysconfig.get_path("stdlib"), "importlib")  # noqa: PTH118
_ADDRESS = re.compile("0x[0-9a-fA-F]+")
_RAISE_INSTEAD = "Raise an exception that is an Exception: it rejects the record, and no other."
_REMEDIES = {
    "SystemExit": _RAISE_INSTEAD,
    "KeyboardInterrupt": _RAISE_INSTEAD,
    "MemoryError": "Give the process more memory, use fewer --workers, or a lower --max_record_size.",
}


@contextlib.contextmanager
def run_ending_exceptions(code: str, batch: Batch) -> Iterator[None]:
    """Translate what ends a run when code of a model or a rule raises it.

    Args:
        code: the model or the rule, for the message.
        batch: the records that it was asked for.

    Raises:
        ModelUnavailable: instead of SystemExit and MemoryError.
    """
    try:
        yield
    except (SystemExit, MemoryError) as exc:
        raise fault(f"{code} raised {describe_exception(exc)} at {batch.record_range}", exc) from exc


def is_interrupt(exc: BaseException) -> bool:
    """Return whether an exception is what Ctrl-C raises: not in a command, whose own handler raises `Interrupted`."""
    return isinstance(exc, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def fault(message: str, exc: BaseException) -> ModelUnavailable:
    """Return the error for a fault of the code of a model or a rule.

    Args:
        message: what happened.
        exc: the exception; its frames are shown, without those of model_etl.
    """
    remedy = _REMEDIES.get(type(exc).__name__, "Correct the code, or install the versions that it was made with.")
    return ModelUnavailable(f"{message}; nothing was published{describe_frames(exc)}", remedy)


def describe_frames(exc: BaseException) -> str:
    """Return where an exception was raised, as lines of a traceback without frames of model_etl; may be empty."""
    frames = traceback.StackSummary.extract(_foreign_frames(exc))[-_MOST_FRAMES:]
    return printable("".join(f"\n{line.rstrip()}" for line in traceback.StackSummary.from_list(frames).format()))


def position_of(exc: BaseException) -> str:
    """Return file and line of the code of a model or a rule that raised an exception; empty if they are not known.

    That is the innermost frame that belongs to no library, or the outermost one if the model itself is installed.
    """
    positions = [(frame.f_code.co_filename, line) for frame, line in _foreign_frames(exc)]
    own = [position for position in positions if not position[0].startswith(_LIBRARY_FOLDERS)]
    if not positions:
        return ""
    name, line = own[-1] if own else positions[0]
    return printable(f"{name}:{line}")


def _foreign_frames(exc: BaseException) -> list[tuple[FrameType, int]]:
    frames = list(traceback.walk_tb(exc.__traceback__))
    while frames and frames[0][0].f_code.co_filename.startswith((_OUR_FOLDER, "<frozen importlib", _IMPORTLIB)):
        del frames[0]
    return frames


class FirstBatch:
    """Judges failures in the first batch: if all records fail alike, the code is at fault, not the records.

    A batch of one record is not judged: the record itself may be refused.

    Args:
        code: the model or the rule, for the message.
        judged: whether to judge at all.

    Attributes:
        open: whether the next failure is judged.
    """

    def __init__(self, code: str, *, judged: bool) -> None:
        self._code = code
        self.open = judged
        self._failures: list[RecordError] = []

    def acquit(self) -> None:
        """Note that the code has answered for a record: all failures are those of records from now on."""
        self.open = False
        self._failures = []

    def accuse(self, error: RecordError, exc: BaseException, batch: Batch) -> None:
        """Note that the code has failed for a record alone.

        Args:
            error: the reason.
            exc: the exception.
            batch: the whole batch.

        Raises:
            ModelUnavailable: if enough records of the batch have failed alike, and none otherwise.
        """
        if not self.open or len(batch) == 1:
            return
        self._failures.append(error)
        if _key(error) != _key(self._failures[0]):
            self.acquit()
        elif len(self._failures) == min(TRIED_RECORDS, len(batch)):
            raise fault(
                f"{self._code} failed for each of the {len(self._failures)} records that it was asked for first, of"
                f" {batch.record_range}, with {error.type_name}: {error.message}",
                exc,
            ) from exc


def _key(error: RecordError) -> tuple[str, str, str]:
    return error.stage, error.type_name, _ADDRESS.sub("", error.message)


def indexes_to_try(batch: Batch) -> Sequence[int]:
    """Return the indexes of records to be tried alone, spread over a batch."""
    count = min(TRIED_RECORDS, len(batch))
    return [number * len(batch) // count for number in range(count)]
