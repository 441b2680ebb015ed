"""The input schema of a model that takes frames or columns: tables are decoded to columns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from model_etl.columns.source_columns import TableDocuments
from model_etl.errors import RecordError
from model_etl.schema.codecs import InputSchema
from model_etl.schema.columns import Table

if TYPE_CHECKING:
    from model_etl.columns.column_decoder import ColumnDecoder
    from model_etl.columns.column_records import ArrowColumns
    from model_etl.records.batch import Batch


class ColumnInput(InputSchema):
    """Decodes documents to a model's inputs: those of tables to columns, all others as `InputSchema` does.

    Args:
        schema: the model's input schema, a pydantic class.
        frames: whether the model takes data frames; otherwise it takes arrays.
    """

    def __init__(self, schema: Any, *, frames: bool) -> None:
        super().__init__(schema, attributes=True, columns=not frames)
        self._frames = frames

    @override
    def decode_batch(self, batch: Batch) -> Batch:
        documents = batch.documents
        if isinstance(documents, TableDocuments) and len(documents):
            decoded = self._decoded_columns(batch, documents)
            if decoded is not None:
                return decoded
        return super().decode_batch(batch)

    @cached_property
    def _decoder(self) -> ColumnDecoder | None:
        from model_etl.columns.column_decoder import ColumnDecoder  # noqa: PLC0415  it imports pyarrow

        if not self._frames and self._struct is None:
            return None
        return ColumnDecoder.of(self.schema, self._exact, arrays=not self._frames)

    def _decoded_columns(self, batch: Batch, documents: TableDocuments) -> Batch | None:
        """Return a batch with its inputs as columns; None if its records have to be decoded one by one."""
        decoder = self._decoder
        decoded = decoder.decode(documents, len(batch)) if decoder is not None else None
        if decoder is None or decoded is None:
            return None
        columns, unsure = decoded
        failed: dict[int, RecordError] = {}
        accepted: dict[int, Any] = {}
        for index, document in zip(unsure, documents.documents_at(unsure), strict=True):
            try:
                accepted[index] = self.decode(document)
            except RecordError as error:
                failed[index] = error.without_traceback()
        patched = decoder.patched(columns, accepted, failed, len(batch))
        if patched is None:
            return None
        kept = batch.without(failed)
        return kept.replace(inputs=self._inputs(decoder, patched, kept.documents))

    def _inputs(self, decoder: ColumnDecoder, columns: ArrowColumns, documents: Sequence[bytes]) -> Sequence[Any]:
        from model_etl.columns.column_records import ColumnRecords  # noqa: PLC0415

        if self._struct is not None:  # a model that takes arrays
            return Table(decoder.to_arrays(columns), self._struct)
        return ColumnRecords(columns, documents, self.decode_accepted)

    def decode_accepted(self, documents: Sequence[bytes]) -> list[Any]:
        """Decode documents that the schema accepts."""
        decode = self._fast or self.decode
        records = []
        for document in documents:
            try:
                records.append(decode(document))
            except (ValueError, RecursionError):
                records.append(self.decode(document))
        return records
