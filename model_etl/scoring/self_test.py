"""A self-test: known records, whose predictions the model's author knows, are scored before the records of a run.

The file is JSON Lines. Each line is an object with a record as `input` and its prediction as `output`. A member
`tolerance` permits numbers to differ: by that much, or by that part of a number greater than 1. A line with `tolerance`
alone sets it for the lines after it. Without it numbers are equal or not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from model_etl.errors import ConfigurationError, ModelUnavailable, RecordError, printable
from model_etl.records.batch import Batch, Source
from model_etl.records.strict_json import parse_object
from model_etl.scoring.faults import run_ending_exceptions
from model_etl.scoring.model import Model
from model_etl.scoring.model_step import MLModelTransformer

_MEMBERS = {"input", "output", "tolerance"}
_ABSENT = "no such field"
_REMEDY = "Check that the file of the model, its libraries and the self-test are those that belong together."


@dataclass(frozen=True)
class KnownRecord:
    """A record with its prediction.

    Attributes:
        line: its line in the file.
        document: the record, as one line of JSON.
        output: its prediction.
        tolerance: how much numbers may differ.
    """

    line: int
    document: bytes
    output: Mapping[str, Any]
    tolerance: float


@dataclass(frozen=True)
class SelfTest:
    """The known records of a file; small and picklable, so that it can travel to workers.

    Attributes:
        name: of the file.
        records: the records.
        hidden: the names of fields whose values must not be shown.
        quotes: whether values may be shown at all.
    """

    name: str
    records: Sequence[KnownRecord]
    hidden: frozenset[str] = frozenset()
    quotes: bool = True

    @classmethod
    def read(cls, name: str, text: bytes, *, hidden: Sequence[str] = (), quotes: bool = True) -> SelfTest:
        """Read a file of known records.

        Args:
            name: of the file.
            text: its content.
            hidden: the names of fields whose values must not be shown.
            quotes: whether values may be shown at all.

        Raises:
            ConfigurationError: if a line is not a known record, or there are none.
        """
        records: list[KnownRecord] = []
        tolerance = 0.0
        for number, line in enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                members = _members(line)
            except (RecordError, ValueError) as exc:
                raise ConfigurationError(
                    f"line {number} of the self-test {name} is not a known record: {exc}",
                    'Write each line as {"input": {...}, "output": {...}}; docs/extending.md describes the file.',
                ) from exc
            if "input" not in members:
                tolerance = float(members["tolerance"])
                continue
            document = msgspec.json.encode(members["input"])
            given = float(members.get("tolerance", tolerance))
            records.append(KnownRecord(number, document, members["output"], given))
        if not records:
            raise ConfigurationError(f"the self-test {name} has no records", "Write at least one, or leave it out.")
        return cls(name, records, frozenset(hidden), quotes)

    def run(self, model: Model) -> None:
        """Score the records and compare the predictions.

        Raises:
            ModelUnavailable: if a record is rejected, or has another prediction.
        """
        documents = [record.document for record in self.records]
        positions = [record.line for record in self.records]
        source = Source(self.name, "0" * 32, "ldjson")
        batch = Batch(source, positions, positions, documents, documents)
        with run_ending_exceptions(f"the model {model.reference}, in the self-test", batch):
            decoded = model.input.decode_batch(batch)
        scored = MLModelTransformer(model=model).predict(decoded)
        if scored.rejected:
            first = min(scored.rejected, key=lambda rejection: rejection.position)
            message = f": {first.message}" if self.quotes and not self.hidden else ""
            raise self._failure(
                model, first.position, f"it was rejected at the step {first.stage}, {first.type_name}{message}"
            )
        for record, output in zip(self.records, scored.outputs, strict=True):
            for path, expected, found in _differences(record.output, json.loads(output), record.tolerance, ""):
                shown = self.quotes and path.partition(".")[0].partition("[")[0] not in self.hidden
                values = f": expected {_shown(expected)}, found {_shown(found)}" if shown else " differs"
                raise self._failure(model, record.line, f"{path or 'the prediction'}{values}")

    def _failure(self, model: Model, line: int, reason: str) -> ModelUnavailable:
        return ModelUnavailable(
            f"the model {model.reference} {model.version} does not pass its self-test: line {line} of {self.name},"
            f" {printable(reason)}",
            _REMEDY,
        )


def _members(line: bytes) -> dict[str, Any]:
    members: dict[str, Any] = parse_object(line)
    if unknown := members.keys() - _MEMBERS:
        raise ValueError(f"it has a member {min(unknown)!r}")
    if members.keys() != {"tolerance"}:
        absent = [name for name in ("input", "output") if not isinstance(members.get(name), dict)]
        if absent:
            raise ValueError(f"it has no object {absent[0]!r}")
        members["input"] = msgspec.json.decode(line, type=dict[str, msgspec.Raw])["input"]
    tolerance = members.get("tolerance", 0)
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not 0 <= tolerance < 1:
        raise ValueError("its tolerance is not a number from 0 to less than 1")
    return members


def _differences(expected: Any, found: Any, tolerance: float, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield the places where two values of JSON differ, with both values."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in dict.fromkeys((*expected, *found)):
            pair = expected.get(name, _Absent), found.get(name, _Absent)
            yield from _differences(*pair, tolerance, f"{path}.{name}" if path else str(name))
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, pair in enumerate(zip(expected, found, strict=True)):
            yield from _differences(*pair, tolerance, f"{path}[{index}]")
    elif _is_number(expected) and _is_number(found):
        if expected != found and not abs(expected - found) <= tolerance * max(1, abs(expected)):
            yield path, expected, found
    elif type(expected) is not type(found) or expected != found:
        yield path, expected, found


class _Absent:
    """Stands for a field that is not there."""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: object) -> str:
    return _ABSENT if value is _Absent else json.dumps(value, ensure_ascii=False)
