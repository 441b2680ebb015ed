"""Counts of a run: records by outcome, and for each file its records, bytes and SHA-256, counted while it streams."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from typing_extensions import Buffer, Self, override

from model_etl.errors import ModelEtlError, counts_disagree

if TYPE_CHECKING:
    from model_etl.records.batch import Rejection

FIRST_REJECTS = 5
"""How many rejects an error message describes before it only counts the others."""


@dataclass(frozen=True)
class RunCounts:
    """The records of a run by outcome.

    Attributes:
        read: how many records were read.
        written: how many have a prediction in the output.
        rejected: how many could not be scored.
        withheld: how many a business rule kept from being published.
    """

    read: int = 0
    written: int = 0
    rejected: int = 0
    withheld: int = 0

    @classmethod
    def from_mapping(cls, counts: Mapping[str, int]) -> Self:
        """Build the counts from numbers by the names of the attributes; a missing name counts 0, others are ignored."""
        return cls(**{name: counts.get(name, 0) for name in ("read", "written", "rejected", "withheld")})

    @classmethod
    def from_outcomes(cls, outcomes: Mapping[str, int]) -> Self:
        """Build the counts where nothing else counts what was read: as the sum of the outcomes."""
        counts = cls.from_mapping(outcomes)
        return cls(counts.written + counts.rejected + counts.withheld, counts.written, counts.rejected, counts.withheld)

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name, for a report."""
        return asdict(self)

    def check(self) -> None:
        """Check that every record that was read has one outcome.

        Raises:
            ModelEtlError: if the counts disagree.
        """
        if self.read != self.written + self.rejected + self.withheld:
            raise counts_disagree(str(self.as_dict()))

    def summary(self, status: str = "published") -> str:
        """Return one line for people: the status of the run, or the name of a model, and the counts."""
        return (
            f"{status}: {self.read:,} read = {self.written:,} written + {self.rejected:,} rejected"
            f" + {self.withheld:,} withheld"
        )


@dataclass
class FileCounts:
    """Counts of one file; the thread that reads or writes the file changes them, other threads read them.

    Attributes:
        hashed: whether to digest the bytes.
        records: how many records were read or written so far.
        size: how many bytes were read or written so far, as they are stored: compressed, if the file is.
    """

    hashed: bool = False
    records: int = 0
    size: int = 0
    _digest: Any = field(default_factory=hashlib.sha256, repr=False)  # the type of hashlib's objects is not public

    @property
    def sha256(self) -> str | None:
        """The digest of the bytes in hexadecimal, or None if the bytes are not digested."""
        return self._digest.hexdigest() if self.hashed else None

    def add(self, data: bytes | memoryview) -> None:
        """Count some bytes."""
        self.size += len(data)
        if self.hashed:
            self._digest.update(data)


@dataclass
class RunCounters:
    """The counters of the files of a run, which change while its graph runs.

    Attributes:
        hashed: whether to digest the files, which takes time.
        inputs: one for each input.
        outputs: one for each output.
        log: events and bytes of the prediction log.
        rejects: rejected records, and bytes of their file.
        withheld: records that business rules withheld; they have no file.
        first_rejects: the first rejected records, at most `FIRST_REJECTS`.
        expected_bytes: size of all inputs, or None if it is not known.
    """

    hashed: bool = False
    inputs: list[FileCounts] = field(default_factory=list)
    outputs: list[FileCounts] = field(default_factory=list)
    log: FileCounts = field(default_factory=FileCounts)
    rejects: FileCounts = field(default_factory=FileCounts)
    withheld: FileCounts = field(default_factory=FileCounts)
    first_rejects: list[Rejection] = field(default_factory=list)
    expected_bytes: int | None = None

    @classmethod
    def with_digests(cls, *, hashed: bool) -> Self:
        """Build the counters of a run.

        Args:
            hashed: whether to digest the files.
        """
        return cls(hashed, log=FileCounts(hashed), rejects=FileCounts(hashed))

    def add_input(self) -> FileCounts:
        """Add and return the counter of one more input."""
        self.inputs.append(FileCounts(self.hashed))
        return self.inputs[-1]

    def add_output(self) -> FileCounts:
        """Add and return the counter of one more output."""
        self.outputs.append(FileCounts(self.hashed))
        return self.outputs[-1]

    @property
    def bytes_read(self) -> int:
        """How many bytes of the inputs were read so far."""
        return sum(counts.size for counts in self.inputs)

    @property
    def records_read(self) -> int:
        """How many records were read so far."""
        return sum(counts.records for counts in self.inputs)

    def counts(self) -> RunCounts:
        """Return the number of records by outcome so far."""
        return RunCounts(
            read=self.records_read,
            written=sum(counts.records for counts in self.outputs),
            rejected=self.rejects.records,
            withheld=self.withheld.records,
        )

    def check(self, *, logged: bool) -> None:
        """Check that every record that was read has one outcome and one event in the prediction log.

        Args:
            logged: whether there is a prediction log.

        Raises:
            ModelEtlError: if the counts disagree.
        """
        self.counts().check()
        if logged and self.log.records != self.records_read:
            raise ModelEtlError(
                f"the log has {self.log.records} events for {self.records_read} records; nothing was published",
                "This is a bug: please report it.",
            )


class CountingReader(io.RawIOBase):
    """Counts a file that is read from its start to its end.

    Args:
        file: the file.
        counts: where to count.
    """

    def __init__(self, file: BinaryIO, counts: FileCounts) -> None:
        self._file = file
        self._counts = counts

    @override
    def readable(self) -> bool:
        return True

    @override
    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._counts.add(data)
        return data

    @override
    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


class CountingWriter(io.RawIOBase):
    """Counts a file that is written from its start to its end; closing the writer leaves the file open.

    Args:
        file: the file.
        counts: where to count.
    """

    def __init__(self, file: BinaryIO, counts: FileCounts) -> None:
        self._file = file
        self._counts = counts

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Buffer) -> int:
        view = memoryview(data).cast("B")
        self._file.write(view)
        self._counts.add(view)
        return len(view)
