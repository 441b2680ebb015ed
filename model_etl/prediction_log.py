"""The prediction log: one CloudEvents 1.0 event a record, as JSON Lines, and one first event about the run.

Format: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md. The members of `data` are in
docs/schemas/prediction-event.json.

An event's id is "<scope>-<offset>": the scope digests the job, the model and its version and the input's identity, the
offset is where the record starts. The same run over the same input gives the same ids, and no record costs a hash.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from model_etl.records import Answer, Batch, Rejection, Source, Withheld, source_identity
from model_etl.strict_json import encode_json

LogInputs = Literal["full", "hashed", "none"]
DATA_SCHEMA = "urn:model-etl:prediction:1"
PREFIX = "model_etl.prediction."
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
        template = self._scope(batch.source).template(b"completed", self.clock())
        if not batch.rejected and not batch.withheld:
            return b"".join(self._completed(template, batch))
        events = list(zip(batch.positions, self._completed(template, batch), strict=True))
        events += [(r.position, self._rejected(r)) for r in batch.rejected]
        events += [(w.position, self._withheld(w)) for w in batch.withheld]
        return b"".join(line for _, line in sorted(events))

    def _completed(self, template: bytes, batch: Batch) -> list[bytes]:
        outputs = self._redacted(batch.outputs)
        if not batch.answers and not batch.internals and self.inputs == "full":  # the usual case, and the fast one
            pattern = template[: -len(_REST)] + b'"input":%b,"output":%b}}\n'
            rows = zip(batch.offsets, batch.positions, self._redacted(batch.documents), outputs, strict=True)
            return [pattern % row for row in rows]
        inputs = self._inputs(batch.documents)
        lines = []
        for i, offset in enumerate(batch.offsets):
            told = b'"output":' + outputs[i]
            if batch.internals:
                told += b',"internals":' + self._redacted([batch.internals[i]])[0]
            if batch.answers:
                told += b',"rules":' + self._rules(batch.answers[i])
            lines.append(template % (offset, batch.positions[i], inputs[i], told))
        return lines

    def _withheld(self, record: Withheld) -> bytes:
        told = b'"rules":' + self._rules(record.answers)
        if record.internals is not None:
            told = b'"internals":' + self._redacted([record.internals])[0] + b"," + told
        if record.output is not None:
            told = b'"output":' + self._redacted([record.output])[0] + b"," + told
        return self._one(record, b"withheld", self._inputs([record.document])[0], told)

    def _rejected(self, record: Rejection) -> bytes:
        error = {"stage": record.stage, "type": record.type_name, "message": record.message}
        open_book = self.inputs == "full" and not self.redact
        if not open_book and record.stage != "parse":
            error["message"] = "see the rejects file"  # a model's or a schema's own words may quote the record
        told = b'"error":' + encode_json(error)
        if record.answers:
            told += b',"rules":' + self._rules(record.answers)
        if record.document is not None:
            shown = self._inputs([record.document])[0]
        elif open_book:
            shown = b'"input_text":' + encode_json(record.text.decode("utf-8", "replace")) + b","
        else:
            shown = b""  # what cannot be parsed cannot be redacted
        return self._one(record, b"rejected", shown, told)

    def _one(self, record: Rejection | Withheld, outcome: bytes, shown: bytes, told: bytes) -> bytes:
        template = self._scope(record.source).template(outcome, self.clock())
        return template % (record.offset, record.position, shown, told)

    def _inputs(self, documents: Sequence[bytes]) -> list[bytes]:
        if self.inputs == "none":
            return [b""] * len(documents)
        if self.inputs == "hashed":
            digest = hashlib.sha256
            return [b'"input_sha256":"%b",' % digest(d).hexdigest().encode() for d in documents]
        return [b'"input":%b,' % d for d in self._redacted(documents)]

    def _redacted(self, documents: Sequence[bytes]) -> Sequence[bytes]:
        if not self.redact:
            return documents
        return [redacted(document, self.redact) for document in documents]

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
            digest = source_identity(self.job, self.model_name, self.model_version, source.identity)[:24]
            scope = self._scopes[source] = _Scope(digest, self.source, source.name)
        return scope


_REST = b"%b%b}}\n"
"""How a template ends: with what is shown of the record, and what is told of it."""


@dataclass(frozen=True)
class _Scope:
    """What all events of one input have in common."""

    digest: str
    source: str
    subject: str

    def template(self, outcome: bytes, time: str) -> bytes:
        """Give a pattern to be filled with offset, position, the shown input and what is told of it."""

        def quoted(text: str) -> bytes:
            return encode_json(text)[1:-1].replace(b"%", b"%%")

        return (
            b'{"specversion":"1.0","id":"' + self.digest.encode() + b'-%d","source":"' + quoted(self.source)
            + b'","type":"' + PREFIX.encode() + outcome + b'","time":"' + time.encode()
            + b'","subject":"' + quoted(self.subject) + b'","datacontenttype":"application/json","dataschema":"'
            + DATA_SCHEMA.encode() + b'","data":{"position":%d,' + _REST
        )  # fmt: skip


def redacted(document: bytes, names: frozenset[str]) -> bytes:
    """Replace the values of some fields of a JSON object; all other values keep their text."""
    fields: dict[str, Any] = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    for name in names & fields.keys():
        fields[name] = REDACTED
    return msgspec.json.encode(fields)
