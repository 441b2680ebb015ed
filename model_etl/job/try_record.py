"""Score one record that a person gives, and say what became of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from model_etl.errors import DataError, RecordError, UsageError, printable
from model_etl.formats.csv_cells import Cells
from model_etl.formats.missing_columns import MissingColumns, listed, missing_columns
from model_etl.formats.table_names import first_duplicate
from model_etl.job.loaded_model import LoadedModel
from model_etl.records.batch import Answer, Batch, Rejection, Source
from model_etl.records.strict_json import one_line, parse_object
from model_etl.schema.fields import Field, Fields

_SOURCE = Source("the command line", "0" * 32, "ldjson")
_EXAMPLES: Mapping[str, str] = {"number": "1.5", "integer": "1", "boolean": "true", "text": "text", "json": "[]"}


@dataclass(frozen=True)
class Tried:
    """What became of a record.

    Attributes:
        prediction: JSON over several lines, or None if a rule withheld the record.
        notes: what else a person should know: fields that were not read, decisions of rules.
    """

    prediction: str | None
    notes: Sequence[str]


def try_record(model: LoadedModel, words: Sequence[str], text: bytes | None) -> Tried:
    """Score one record.

    Args:
        model: the loaded model and rules.
        words: of the command line: the record as JSON, or its fields as `name=value`.
        text: the record as JSON from standard input, which counts if there are no words; None if there is none.

    Raises:
        UsageError: if there is no record, or a word is not one of its fields.
        DataError: if the record was rejected.
        ModelUnavailable: if the model ends the process, or raises what ends a run.
    """
    fields = model.facts.inputs
    document = _document(words, text, fields)
    missing = missing_columns(_names(document), fields)
    batch: Batch = model.ask("score", Batch(_SOURCE, [1], [0], [document], [document]))
    if batch.rejected:
        raise _rejected(batch.rejected[0], missing)
    notes = list(_unread(missing, fields))
    if batch.withheld:
        return Tried(None, [*notes, *_decisions(batch.withheld[0].answers)])
    notes += _decisions(batch.answers[0] if batch.answers else ())
    return Tried(msgspec.json.format(batch.outputs[0], indent=2).decode(), notes)


def _document(words: Sequence[str], text: bytes | None, fields: Mapping[str, Field]) -> bytes:
    """Return the record as one line of JSON; a value without quotes has the type of its field, as a cell of CSV has."""
    if not words:
        if text is None or not text.strip():
            raise UsageError("there is no record", f"Give its fields: {_example(fields)}")
        return one_line(text.strip())
    if words[0].lstrip().startswith(("{", "[")):
        if len(words) > 1:
            raise UsageError("there are several words after a record in JSON", "Put the record into single quotes.")
        return one_line(words[0].encode("utf-8", "surrogateescape"))
    names, equals, values = zip(*(word.partition("=") for word in words), strict=True)
    if "" in equals or "" in names:
        number = next(n for n, (name, sign) in enumerate(zip(names, equals, strict=True), 1) if not (name and sign))
        # The word is not repeated: it may be a secret whose flag was forgotten.
        raise UsageError(f"word {number} of the record is not name=value", f"Give its fields: {_example(fields)}")
    if (twice := first_duplicate(names)) is not None:
        raise UsageError(f"the record has two values of {listed([twice])}", "Give each field once.")
    return Cells(names, fields, ",").document(values)


def _example(fields: Mapping[str, Field]) -> str:
    shown = fields or {"name": Field("text")}
    return " ".join(f"{printable(name)}={_EXAMPLES[field.type]}" for name, field in list(shown.items())[:20])


def _names(document: bytes) -> Collection[str]:
    try:
        return msgspec.json.decode(document, type=dict[str, msgspec.Raw]).keys()
    except (ValueError, RecursionError):
        return ()


def _rejected(rejection: Rejection, missing: MissingColumns) -> DataError:
    try:
        parse_object(rejection.text)
    except RecordError as error:
        cause = error.message.partition("; is the file")[0]
        return DataError(f"the record cannot be read: {cause}", "Write it as '{\"name\": value}', one object.")
    raised = f" ({printable(rejection.code)})" if rejection.code else ""
    cause = f"{printable(rejection.type_name)}: {printable(rejection.message)}{raised}"
    if missing.required and rejection.stage == "input_schema":
        return DataError(f"the record {missing.describe(missing.required)}\n  {cause}", missing.remedy)
    return DataError(f"the record was rejected, {rejection.stage}: {cause}", "Correct the record, or the model.")


def _unread(missing: MissingColumns, fields: Mapping[str, Field]) -> Iterator[str]:
    if missing.unread and isinstance(fields, Fields) and fields.others == "ignored":
        yield f"the model does not read {listed(missing.unread)}"
    if missing.optional and missing.instead:
        yield f"the record {missing.describe(missing.optional)}"


def _decisions(answers: Sequence[Answer]) -> Iterator[str]:
    """Yield a sentence for each decision that changed something or says why not."""
    for answer in answers:
        reasons = "".join(f": {message}" for message in answer.decision.messages)
        if answer.decision.verdict == "withhold":
            yield printable(f"{answer.rule} withheld the record{reasons}")
        elif answer.replaced is not None:
            yield printable(f"{answer.rule} replaced the prediction {answer.replaced.decode()}{reasons}")
        elif reasons:
            yield printable(f"{answer.rule} allowed the record{reasons}")
