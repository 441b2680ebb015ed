"""Our own rejects files as an input: every record gets its original place and identity back, and is scored again."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from model_etl.errors import DataError, RecordError, UsageError
from model_etl.formats.base import BATCH_RECORDS, Format, Writer
from model_etl.formats.json_lines import LDJSON
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Batch, Rejection, Source
from model_etl.records.strict_json import parse_object
from model_etl.schema.fields import Field


class RejectsFile:
    """Lines made by `model_etl.formats.rejects`.

    Args:
        formats: the formats that the rejected texts can be in, by name.
    """

    name = "rejects"
    suffixes = ()
    compressible = True
    media_type = "application/x-ndjson"

    def __init__(self, formats: Mapping[str, Format]) -> None:
        self._formats = formats

    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:
        """See `Format.read`. A batch holds records of one original input."""
        group: list[tuple[int, int, bytes]] = []
        of: Source | None = None
        for lines in LDJSON.read(file, source, {}):
            if lines.rejected:
                raise _no_reject(source, lines.rejected[0].position, lines.rejected[0].message)
            for number, text in zip(lines.positions, lines.texts, strict=True):
                origin, record = self._line(text, number, source)
                if of is not None and group and (origin != of or len(group) >= BATCH_RECORDS):
                    yield self._batch(of, group, fields)
                    group = []
                of = origin
                group.append(record)
        if of is not None and group:
            yield self._batch(of, group, fields)

    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:  # noqa: ARG002
        """Refuse: a reject of a retry has the format of the original text."""
        raise RecordError("parse", "NotAReject", "a rejects file holds no records of its own")

    def writer(self, file: BinaryIO, layout: Layout) -> Writer:  # noqa: ARG002
        """Refuse: predictions are no rejects."""
        raise UsageError("rejects is a format for input only", "Choose another --output_format.")

    def _line(self, text: bytes, number: int, source: Source) -> tuple[Source, tuple[int, int, bytes]]:
        try:
            line = parse_object(text)
            form = line["format"]
            if form not in self._formats:
                raise _no_reject(source, number, f"its format {form!r} is not known")
            origin = Source(str(line["input"]), str(line["source"]), form, _bytes(line, "header"))
            return origin, (int(line["position"]), int(line["offset"]), _bytes(line, "text"))
        except (RecordError, KeyError, ValueError, TypeError) as exc:
            raise _no_reject(source, number, str(exc)) from exc

    def _batch(self, source: Source, group: list[tuple[int, int, bytes]], fields: Mapping[str, Field]) -> Batch:
        form = self._formats[source.format]
        alive: list[tuple[int, int, bytes, bytes]] = []
        rejected: list[Rejection] = []
        for position, offset, text in group:
            try:
                alive.append((position, offset, text, form.document(text, source.header, fields)))
            except RecordError as exc:
                rejected.append(Rejection(source, position, offset, text, None, exc.stage, exc.type_name, exc.message))
        positions, offsets, texts, documents = zip(*alive, strict=True) if alive else ((), (), (), ())
        return Batch(source, positions, offsets, texts, documents, rejected=tuple(rejected))


def _bytes(line: Mapping[str, Any], name: str) -> bytes:
    encoded = line.get(f"{name}_base64")
    if encoded is not None:
        return base64.b64decode(encoded, validate=True)
    return str(line[name] if name == "text" else line.get(name, "")).encode()


def _no_reject(source: Source, number: int, why: str) -> DataError:
    return DataError(
        f"line {number} of {source.name} is no reject: {why}", "Give a file that a run wrote with --rejects."
    )
