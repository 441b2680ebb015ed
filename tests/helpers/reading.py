"""What the tests of the formats share: reading bytes by a format in pieces of any size, and writing them back."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from model_etl.formats import NAMED_FORMATS, base, json_array, line_blocks
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Batch, Source
from model_etl.schema.fields import Field

SCORE = {"score": Field("number")}


class Read(NamedTuple):
    position: int
    offset: int
    text: bytes
    document: bytes | None  # of a rejected record: None
    message: str


@contextmanager
def pieces(size: int):
    """Let the readers take so many bytes at a time."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (base, line_blocks, json_array):
            patch.setattr(module, "BATCH_BYTES", size)
        yield


def source(form: str) -> Source:
    """Give a source in a format."""
    return Source("the file", "0" * 32, form)


def batches(form: str, data: bytes, fields: Mapping[str, Field] | None = None) -> list[Batch]:
    """Read batches."""
    return list(NAMED_FORMATS[form].read(io.BytesIO(data), source(form), fields or {}))


def records(form: str, data: bytes, fields: Mapping[str, Field] | None = None, *, size: int = 1 << 19) -> list[Read]:
    """Read everything, rejects too, in the order of the input; each position must be there once, from 1."""
    with pieces(size):
        found = batches(form, data, fields)
    read = [Read(*row, "") for b in found for row in zip(b.positions, b.offsets, b.texts, b.documents, strict=True)] + [
        Read(r.position, r.offset, r.text, None, r.message) for b in found for r in b.rejected
    ]
    read.sort()
    assert [r.position for r in read] == list(range(1, len(read) + 1))
    return read


def documents(form: str, data: bytes, fields: Mapping[str, Field] | None = None, *, size: int = 1 << 19) -> list[bytes]:
    """Read records of which none may be rejected."""
    read = records(form, data, fields, size=size)
    assert [r.message for r in read if r.document is None] == []
    return [r.document for r in read if r.document is not None]


def written(form: str, found: Sequence[Batch], layout: Layout, output: bytes = b'{"score":0.5}') -> bytes:
    """Write batches, each record with the same prediction."""
    file = io.BytesIO()
    writer = NAMED_FORMATS[form].writer(file, layout)
    for batch in found:
        writer.write(batch.replace(outputs=[output] * len(batch)))
    writer.finish()
    return file.getvalue()


def predicted(form: str, outputs: Sequence[bytes], names: Sequence[str], kind: Any = "text") -> bytes:
    """Write predictions alone."""
    count = len(outputs)
    texts = [b"{}"] * count
    batch = Batch(source("ldjson"), range(1, count + 1), range(count), texts, texts, outputs=outputs)
    file = io.BytesIO()
    writer = NAMED_FORMATS[form].writer(file, Layout({name: Field(kind) for name in names}, {}))
    writer.write(batch)
    writer.finish()
    return file.getvalue()
