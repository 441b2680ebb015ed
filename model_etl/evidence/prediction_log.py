"""The prediction log: one CloudEvents 1.0 event a record, as JSON Lines, and one first event about the run.

Format: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md. The members of `data` are in
docs/schemas/prediction-event.json.

An event's id is "<scope>-<offset>": the scope digests the job, the model and its version and the input's identity, the
offset is where the record starts. The same run over the same input gives the same ids, and no record costs a hash.
"""

from __future__ import annotations

import datetime
import hashlib
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from model_etl.records.batch import Answer, Batch, Rejection, Source, Withheld, source_identity
from model_etl.records.strict_json import encode_json

LogInputs = Literal["full", "hashed", "none"]
DATA_SCHEMA = "urn:model-etl:prediction:1"
PREFIX = b"model_etl.prediction."
REDACTED = msgspec.Raw(b'"[redacted]"')


def now() -> str:
    """Give the time as RFC 3339 text in UTC, in milliseconds."""
    stamp = datetime.datetime.now(datetime.timezone.utc)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class PredictionLog:
    """Makes the events of a run; a plain callable on batches that touches no file.

    Args:
        job: name of the job.
        model_name: the model's qualified name.
        model_version: the model's version.
        inputs: how much of a record goes into its event: all of it, its SHA-256, or nothing.
        redact: names of fields, of the record or the output, whose values are replaced.
        clock: gives the time of an event.
    """

    job: str
    model_name: str
    model_version: str
    inputs: LogInputs = "full"
    redact: frozenset[str] = frozenset()
    clock: Callable[[], str] = now
    _scopes: dict[Source, _Scope] = field(default_factory=dict, repr=False)

    @property
    def source(self) -> str:
        """The events' `source`: which job and model made them."""
        return "".join("/" + quote(part, safe="") for part in (self.job, self.model_name, self.model_version))

    def started(self, run_id: str, about: Mapping[str, Any]) -> bytes:
        """Give the first event of a run as one line: which model, packages and settings."""
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
        """Give the events of a batch, one line each, in the order of the input."""
        time = self.clock().encode()
        completed = self._completed(batch, time)
        others = [(r.position, self._rejected(r, time)) for r in batch.rejected]
        others += [(w.position, self._withheld(w, time)) for w in batch.withheld]
        merged: list[bytes] = []
        start = 0
        for position, event in sorted(others):
            end = bisect_left(batch.positions, position) * _PIECES
            merged += completed[start:end]
            merged.append(event)
            start = end
        return b"".join(merged + completed[start:] if merged else completed)

    def _completed(self, batch: Batch, time: bytes) -> list[bytes]:
        """Give the events of a batch in pieces, `_PIECES` for each: most are the same for all, and none is copied."""
        head, middle = self._scope(batch.source).around(b"completed", time)
        name, inputs = self._inputs(batch.documents)
        pieces = [head, b"", middle, b"", name, b"", b',"output":', b"", b"", b"}}\n"] * len(batch)
        pieces[1::_PIECES] = _numbers(batch.offsets)
        pieces[3::_PIECES] = _numbers(batch.positions)
        pieces[5::_PIECES] = inputs
        pieces[7::_PIECES] = self._redacted(batch.outputs)
        if batch.internals or batch.answers:
            internals: Sequence[bytes | None] = self._redacted(batch.internals) or [None] * len(batch)
            answers = batch.answers or [()] * len(batch)
            pieces[8::_PIECES] = [self._told(i, a) for i, a in zip(internals, answers, strict=True)]
        return pieces

    def _withheld(self, record: Withheld, time: bytes) -> bytes:
        name, (shown,) = self._inputs([record.document])
        output = b"" if record.output is None else b',"output":' + self._redacted([record.output])[0]
        internals = None if record.internals is None else self._redacted([record.internals])[0]
        return self._one(record, b"withheld", time, name + shown + output + self._told(internals, record.answers))

    def _rejected(self, record: Rejection, time: bytes) -> bytes:
        error = {"stage": record.stage, "type": record.type_name, "message": record.message}
        open_book = self.inputs == "full" and not self.redact
        if not open_book and record.stage != "parse":
            error["message"] = "see the rejects file"  # a model's or a schema's own words may quote the record
        told = b',"error":' + msgspec.json.encode(error) + self._told(None, record.answers)
        if record.document is not None:
            name, (shown,) = self._inputs([record.document])
            told = name + shown + told
        elif open_book:  # what cannot be parsed cannot be redacted
            told = b',"input_text":' + encode_json(record.text.decode("utf-8", "replace")) + told
        return self._one(record, b"rejected", time, told)

    def _one(self, record: Rejection | Withheld, outcome: bytes, time: bytes, told: bytes) -> bytes:
        head, middle = self._scope(record.source).around(outcome, time)
        return b"%b%d%b%d%b}}\n" % (head, record.offset, middle, record.position, told)

    def _inputs(self, documents: Sequence[bytes]) -> tuple[bytes, Sequence[bytes]]:
        """Give the name under which records are shown, and what is shown of each."""
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

    def _told(self, internals: bytes | None, answers: tuple[Answer, ...]) -> bytes:
        told = b"" if internals is None else b',"internals":' + internals
        return told + b',"rules":' + self._rules(answers) if answers else told

    def _rules(self, answers: tuple[Answer, ...]) -> bytes:
        rules: list[dict[str, Any]] = []
        for answer in answers:
            told: dict[str, Any] = {"rule": answer.rule, "answer": answer.decision.verdict}
            if answer.decision.messages:
                told["messages"] = list(answer.decision.messages)
            if answer.replaced is not None:
                told["replaced"] = msgspec.Raw(self._redacted([answer.replaced])[0])
            rules.append(told)
        return msgspec.json.encode(rules)

    def _scope(self, source: Source) -> _Scope:
        scope = self._scopes.get(source)
        if scope is None:
            if len(self._scopes) >= _SCOPES:  # a service reads from ever new sources
                self._scopes.clear()
            digest = source_identity(self.job, self.model_name, self.model_version, source.identity)[:24]
            scope = self._scopes[source] = _Scope(digest, self.source, source.name)
        return scope


_SCOPES = 1000
"""How many inputs are remembered; what is forgotten is made anew."""
_PIECES = 10
"""How many pieces make a completed event; see `PredictionLog._completed`."""


def _numbers(values: Sequence[int]) -> list[bytes]:
    return msgspec.json.encode(list(values))[1:-1].split(b",") if values else []


@dataclass(frozen=True)
class _Scope:
    """What all events of one input have in common."""

    digest: str
    source: str
    subject: str

    @lru_cache(maxsize=8)  # noqa: B019  a log has a handful of scopes
    def around(self, outcome: bytes, time: bytes) -> tuple[bytes, bytes]:
        """Give what stands before the offset in an event, and what stands between offset and position."""
        head = b'{"specversion":"1.0","id":"' + self.digest.encode() + b"-"
        middle = (
            b'","source":%b,"type":"%b","time":"%b","subject":%b,"datacontenttype":"application/json","dataschema":"%b"'
            % (
                encode_json(self.source),
                PREFIX + outcome,
                time,
                encode_json(self.subject),
                DATA_SCHEMA.encode(),
            )
        )
        return head, middle + b',"data":{"position":'


def redacted(document: bytes, names: frozenset[str]) -> bytes:
    """Replace the values of some fields of a JSON object; all other values keep their text."""
    fields: dict[str, Any] = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    for name in names & fields.keys():
        fields[name] = REDACTED
    return msgspec.json.encode(fields)
