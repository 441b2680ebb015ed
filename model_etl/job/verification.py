"""Whether a run may be published: its rejects, its counts, and its inputs, which must not change meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
from typing_extensions import Self

from model_etl.errors import DataError, InputMissing, input_changed, printable
from model_etl.publishing.storage import Location
from model_etl.records.batch import Rejection
from model_etl.records.run_counts import FIRST_REJECTS, RunCounts
from model_etl.settings.job_config import JobConfig
from model_etl.settings.values import MaxErrors


class RejectSummary(NamedTuple):
    """What an error message says of a rejected record.

    Attributes:
        position: number of the record in its input, from 1.
        input_name: name of the input.
        stage: the step that failed.
        type_name: name of the exception or of the mistake.
        message: the cause; empty if it must not be shown.
        code: file and line of the code that raised the exception, or empty.
    """

    position: int
    input_name: str
    stage: str
    type_name: str
    message: str
    code: str = ""

    @classmethod
    def from_rejection(cls, rejection: Rejection) -> Self:
        """Build the summary of a rejected record."""
        r = rejection
        return cls(r.position, r.source.name, r.stage, r.type_name, r.message, r.code)

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Build the summary from a line of a rejects file."""
        reject: dict[str, Any] = msgspec.json.decode(line)
        return cls(
            reject["position"],
            reject["input"],
            reject["stage"],
            reject["type"],
            reject["message"],
            reject.get("code", ""),
        )

    def __str__(self) -> str:
        message = printable(" ".join(self.message.split()))
        cause = f"{printable(self.type_name)}: {message}" if message else printable(self.type_name)
        raised = f"{cause} ({printable(self.code)})" if self.code else cause
        return f"record {self.position} of {self.input_name}, {self.stage}: {raised}"


def too_many_rejects(
    counts: RunCounts,
    max_errors: MaxErrors,
    first: Iterable[RejectSummary],
    rejects_name: str | None = None,
    *,
    stopped: bool = False,
    quote: bool = True,
    likely: str = "",
) -> DataError:
    """Return the error for a run with more rejects than are tolerated.

    Args:
        counts: of the run.
        max_errors: how many rejects are tolerated.
        first: the first rejects; the message has at most `FIRST_REJECTS` of them.
        rejects_name: name of the published rejects file, or None if there is no such file.
        stopped: whether the run was stopped before it read all records.
        quote: whether the messages of the rejects, which may quote records, are shown.
        likely: what probably cures the rejects, in sentences, or empty.
    """
    shown = [reject for _, reject in zip(range(FIRST_REJECTS), first, strict=False)]
    described = [f"  {reject if quote else reject._replace(message='')}" for reject in shown]
    if described and counts.rejected > len(described):
        described.append(f"  and {counts.rejected - len(described)} more")
    headline = f"{counts.rejected} of {counts.read} records were rejected, {max_errors} are tolerated"
    headline += ", so the run was stopped; nothing was published" if stopped else "; nothing was published"
    remedy = "Correct the records or the model and run again, or tolerate some with --max_errors N."
    see = f"See {rejects_name}." if rejects_name else ""
    error = DataError("\n".join([headline, *described]), " ".join(filter(None, (likely, see, remedy))))
    error.quotes_records = quote and bool(described)
    return error


def no_records(input_name: str) -> DataError:
    """Return the error for an input without records.

    Args:
        input_name: the input, as the user named it.
    """
    return DataError(f"{input_name} has no records", "Pass --on_empty ok to accept an empty input.")


def check_outcomes(
    config: JobConfig,
    counts: RunCounts,
    first: Iterable[RejectSummary],
    input_name: str,
    publish_rejects: Callable[[], str | None] = lambda: None,
    likely: str = "",
) -> None:
    """Check that the rejects are tolerated, and that there are records or none are needed.

    Args:
        config: the settings of the run.
        counts: of the run.
        first: the first rejects; what it reads must still be there after `publish_rejects`.
        input_name: the input, as the user named it.
        publish_rejects: publishes rejects that are not tolerated, and nothing else; returns the name of their file.
        likely: what probably cures the rejects, in sentences, or empty.

    Raises:
        DataError: if the run may not be published.
    """
    if config.max_errors.exceeded(counts.rejected, counts.read):
        name = publish_rejects()
        raise too_many_rejects(counts, config.max_errors, first, name, quote=config.scoring.may_quote, likely=likely)
    if not counts.read and config.on_empty == "fail":
        raise no_records(input_name)


def state_of(location: Location) -> str:
    """Return the state of an input; its identity, if its storage was written before locations had states."""
    return location.state() if hasattr(location, "state") else location.identity()


def state_and_identity(location: Location) -> tuple[str, str]:
    """Return the state and the identity of an input, which is asked for them in this order.

    So an input that is replaced between the two is noticed at the end of the run. The state of a stream is empty.

    Raises:
        ModelEtlError: if the input cannot be read.
    """
    if location.stream:
        return "", location.identity()
    state = state_of(location)
    has_own_states = getattr(type(location), "state", Location.state) is not Location.state
    return state, location.identity() if has_own_states else state


def check_unchanged(location: Location, state: str) -> None:
    """Check that an input is the same as before it was read; a stream cannot be checked.

    Args:
        location: the location of the input.
        state: its state before it was read.

    Raises:
        TryAgain: if it was changed.
        ModelEtlError: if the storage fails.
    """
    if location.stream:
        return
    try:
        changed = state_of(location) != state
    except InputMissing:
        changed = True
    if changed:
        raise input_changed(location.display_name)
