"""The prediction log: one CloudEvents 1.0 event a record, as JSON Lines, and a first event about the run.

Format: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md. The members of `data` are in
docs/schemas/prediction-event.json.

An event's id is "<scope>-<offset>": the scope digests the job, the model and its version and the input's identity, the
offset is where the record starts. The same run over the same input has the same ids, and there is no digest for each
record.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import msgspec

from model_etl.records.batch import Answer, Batch, Rejection, Source, Withheld, source_identity
from model_etl.records.json_rows import JsonRows
from model_etl.records.strict_json import encode_json, grows_in_json

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from model_etl.evidence.joined_events import JoinedEvents
    from model_etl.scoring.model import ModelFacts  # settings import this module, and --help must not wait for pydantic

LogInputs = Literal["full", "hashed", "none"]
DATA_SCHEMA = "urn:model-etl:prediction:1"
EVENT_TYPE_PREFIX = b"model_etl.prediction."
REDACTED_JSON = b'"[redacted]"'
REDACTED = msgspec.Raw(REDACTED_JSON)
_CACHED_TEMPLATES = 1000
"""Number of inputs whose templates are kept; a service reads from ever new sources."""
_OFFSET, _POSITION, _INPUT, _OUTPUT, _RULES_AND_INTERNALS = 1, 3, 5, 7, 8
"""Indexes of the pieces of a completed event that differ between records; see `PredictionLog._completed`."""
_PIECES = 10
"""Number of pieces of a completed event."""


def now() -> str:
    """Return the time in UTC as RFC 3339 text, in milliseconds."""
    stamp = datetime.datetime.now(datetime.timezone.utc)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class PredictionLog:
    """Builds the events of a run; a plain callable on batches that touches no file.

    Args:
        job: name of the job.
        model_name: the model's qualified name.
        model_version: the model's version.
        inputs: how much of a record is in its event: all of it, its SHA-256, or nothing.
        redact: names of fields, of the record or the output, whose values are replaced.
        clock: returns the time of an event.
    """

    job: str
    model_name: str
    model_version: str
    inputs: LogInputs = "full"
    redact: frozenset[str] = frozenset()
    clock: Callable[[], str] = now
    _templates: dict[Source, _EventTemplate] = field(default_factory=dict, repr=False)

    @classmethod
    def for_model(cls, facts: ModelFacts, job: str, inputs: LogInputs, redact: Iterable[str]) -> PredictionLog:
        """Build the log of a model's predictions.

        Args:
            facts: of the model.
            job: name of the job.
            inputs: how much of a record is in its event.
            redact: names of fields whose values are replaced.
        """
        return cls(job, facts.name, facts.version, inputs, frozenset(redact))

    @property
    def source(self) -> str:
        """The `source` of the events: the job and the model."""
        return "".join("/" + quote(part, safe="") for part in (self.job, self.model_name, self.model_version))

    def started(self, run_id: str, about: Mapping[str, Any]) -> bytes:
        """Return the first event of a run as one line.

        Args:
            run_id: identifies the run.
            about: job, model, software and settings; see `model_etl.evidence.run_report.describe_run`.
        """
        event = {
            "specversion": "1.0",
            "id": run_id,
            "source": self.source,
            "type": "model_etl.run.started",
            "time": self.clock(),
            "subject": self.job,
            "datacontenttype": "application/json",
            "dataschema": "urn:model-etl:run:1",
            "data": {"run_id": run_id, **about},
        }
        return encode_json(event) + b"\n"

    def encode(self, batch: Batch) -> bytes:
        """Return the events of a scored batch, one line each, in the order of the input."""
        return b"".join(self.encode_in_pieces(batch))

    def encode_in_pieces(self, batch: Batch) -> Iterator[Buffer]:
        """Yield the same bytes as `encode` in few pieces of whole lines, each made when it is needed."""
        time = self.clock().encode()
        completed = self._joined(batch, time) or self._completed(batch, time)
        others = [(rejection.position, self._rejected(rejection, time)) for rejection in batch.rejected]
        others += [(withheld.position, self._withheld(withheld, time)) for withheld in batch.withheld]
        if not others and not isinstance(completed, _Pieces):
            yield from completed.pieces(0, len(batch))
            return
        merged: list[Buffer] = []
        start = 0
        for position, event in sorted(others):
            end = bisect_left(batch.positions, position)
            merged += completed.pieces(start, end)
            merged.append(event)
            start = end
        yield b"".join([*merged, *completed.pieces(start, len(batch))])

    def _joined(self, batch: Batch, time: bytes) -> JoinedEvents | None:
        """Return the events of predictions that are columns, without an object for each; else None."""
        outputs = batch.outputs
        if not isinstance(outputs, JsonRows):
            return None
        from model_etl.evidence.joined_events import JoinedEvents, parts_of  # noqa: PLC0415  it imports pyarrow

        head, middle = self._template(batch.source).around_offset(b"completed", time)
        name, inputs = self._inputs(batch.documents)
        shown = {n: REDACTED_JSON if n in self.redact else column for n, column in outputs.members.items()}
        parts = [head, batch.offsets, middle, batch.positions, name, *(parts_of(inputs) if name else ())]
        parts += [b',"output":', *outputs.parts_with(shown)]
        if batch.internals or batch.answers:
            parts += parts_of(self._all_rules_and_internals(batch))
        return JoinedEvents([*parts, b"}}\n"], len(batch))

    def _completed(self, batch: Batch, time: bytes) -> _Pieces:
        """Return the events of predictions in pieces, `_PIECES` for each: most are the same object in all events.

        Slices with a step fill in the pieces that differ; joining the pieces once takes a third less time than
        formatting each event.
        """
        head, middle = self._template(batch.source).around_offset(b"completed", time)
        name, inputs = self._inputs(batch.documents)
        pieces = [head, b"", middle, b"", name, b"", b',"output":', b"", b"", b"}}\n"] * len(batch)
        pieces[_OFFSET::_PIECES] = _decimals(batch.offsets)
        pieces[_POSITION::_PIECES] = _decimals(batch.positions)
        pieces[_INPUT::_PIECES] = inputs
        pieces[_OUTPUT::_PIECES] = self._redacted(batch.outputs)
        if batch.internals or batch.answers:
            pieces[_RULES_AND_INTERNALS::_PIECES] = self._all_rules_and_internals(batch)
        return _Pieces(pieces)

    def _all_rules_and_internals(self, batch: Batch) -> list[bytes]:
        internals: Sequence[bytes | None] = self._redacted(batch.internals) or [None] * len(batch)
        answers = batch.answers or [()] * len(batch)
        return [self._rules_and_internals(i, a) for i, a in zip(internals, answers, strict=True)]

    @property
    def _shows_values(self) -> bool:
        """Whether nothing is kept out of the log; else the messages of models, schemas and rules are, too."""
        return self.inputs == "full" and not self.redact

    def _withheld(self, record: Withheld, time: bytes) -> bytes:
        name, (shown,) = self._inputs([record.document])
        output = b"" if record.output is None else b',"output":' + self._redacted([record.output])[0]
        internals = None if record.internals is None else self._redacted([record.internals])[0]
        members = name + shown + output + self._rules_and_internals(internals, record.answers)
        return self._event(record, b"withheld", time, members)

    def _rejected(self, record: Rejection, time: bytes) -> bytes:
        error = {"stage": record.stage, "type": record.type_name, "message": record.message}
        shows_values = self._shows_values
        if not shows_values and record.stage != "parse":
            error["message"] = "see the rejects file"  # a model's or a schema's message may quote the record
        members = b',"error":' + msgspec.json.encode(error) + self._rules_and_internals(None, record.answers)
        if record.document is not None:
            name, (shown,) = self._inputs([record.document])
            members = name + shown + members
        elif shows_values:  # what cannot be parsed cannot be redacted
            members = b"," + _text_member(record.text) + members
        return self._event(record, b"rejected", time, members)

    def _event(self, record: Rejection | Withheld, outcome: bytes, time: bytes, members: bytes) -> bytes:
        head, middle = self._template(record.source).around_offset(outcome, time)
        return b"%b%d%b%d%b}}\n" % (head, record.offset, middle, record.position, members)

    def _inputs(self, documents: Sequence[bytes]) -> tuple[bytes, Sequence[bytes]]:
        """Return the member that shows a record, up to its value, and the values for some records."""
        if self.inputs == "none":
            return b"", [b""] * len(documents)
        if self.inputs == "hashed":
            digest = hashlib.sha256
            return b',"input_sha256":', [b'"%b"' % digest(d).hexdigest().encode() for d in documents]
        return b',"input":', self._redacted(documents)

    def _redacted(self, documents: Sequence[bytes]) -> Sequence[bytes]:
        if not self.redact:
            return documents
        return [redacted(document, self.redact) for document in documents]

    def _rules_and_internals(self, internals: bytes | None, answers: tuple[Answer, ...]) -> bytes:
        members = b"" if internals is None else b',"internals":' + internals
        return members + b',"rules":' + self._rules(answers) if answers else members

    def _rules(self, answers: tuple[Answer, ...]) -> bytes:
        rules: list[dict[str, Any]] = []
        for answer in answers:
            rule: dict[str, Any] = {"rule": answer.rule, "answer": answer.decision.verdict}
            if answer.decision.messages and self._shows_values:
                rule["messages"] = list(answer.decision.messages)
            if answer.replaced is not None:
                rule["replaced"] = msgspec.Raw(self._redacted([answer.replaced])[0])
            rules.append(rule)
        return msgspec.json.encode(rules)

    def _template(self, source: Source) -> _EventTemplate:
        template = self._templates.get(source)
        if template is None:
            if len(self._templates) >= _CACHED_TEMPLATES:
                self._templates.clear()
            scope = source_identity(self.job, self.model_name, self.model_version, source.identity)[:24]
            template = self._templates[source] = _EventTemplate(scope, self.source, source.name)
        return template


class _Pieces:
    """Events in pieces, `_PIECES` for each."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def pieces(self, start: int, end: int) -> list[bytes]:
        """Return the events from `start` to before `end`."""
        return self._pieces[start * _PIECES : end * _PIECES]


def _text_member(text: bytes) -> bytes:
    """Return the member with the text of a record that could not be parsed; unprintable text is in base64."""
    if grows_in_json(text):
        return b'"input_text_base64":"%b"' % base64.b64encode(text)
    return b'"input_text":' + encode_json(text.decode("utf-8", "replace"))


def _decimals(values: Sequence[int]) -> list[bytes]:
    return msgspec.json.encode(list(values))[1:-1].split(b",") if values else []


@dataclass(frozen=True)
class _EventTemplate:
    """What all events of one input have in common.

    Attributes:
        scope: the first part of the events' ids.
        source: of the events.
        subject: of the events: the input's name.
    """

    scope: str
    source: str
    subject: str

    @lru_cache(maxsize=8)  # noqa: B019  a log has few templates
    def around_offset(self, outcome: bytes, time: bytes) -> tuple[bytes, bytes]:
        """Return the text of an event before the offset, and the text between the offset and the position."""
        head = b'{"specversion":"1.0","id":"' + self.scope.encode() + b"-"
        middle = (
            b'","source":%b,"type":"%b","time":"%b","subject":%b,"datacontenttype":"application/json","dataschema":"%b"'
            % (
                encode_json(self.source),
                EVENT_TYPE_PREFIX + outcome,
                time,
                encode_json(self.subject),
                DATA_SCHEMA.encode(),
            )
        )
        return head, middle + b',"data":{"position":'


def redacted(document: bytes, names: frozenset[str]) -> bytes:
    """Return a JSON object with the values of some fields replaced; all other values keep their text."""
    fields: dict[str, Any] = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    for name in names & fields.keys():
        fields[name] = REDACTED
    return msgspec.json.encode(fields)
