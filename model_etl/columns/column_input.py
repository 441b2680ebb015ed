"""The input schema of a model that takes frames or columns: documents are decoded to columns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from model_etl.columns.source_columns import TableDocuments
from model_etl.errors import RecordError
from model_etl.schema.codecs import InputSchema
from model_etl.schema.columns import Table
from model_etl.schema.fast_struct import fast_struct_for

if TYPE_CHECKING:
    from model_etl.columns.column_decoder import ColumnDecoder
    from model_etl.columns.column_records import ArrowColumns
    from model_etl.columns.line_columns import LineColumns
    from model_etl.records.batch import Batch


class ColumnInput(InputSchema):
    """Decodes documents to a model's inputs: to columns where that is possible, and else as `InputSchema` does.

    Args:
        schema: the model's input schema, a pydantic class.
        frames: whether the model takes data frames, or makes them of its records; otherwise it takes arrays.
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
        if self._frames and len(documents) and self._lines is not None:
            decoded = self._decoded_lines(batch)
            if decoded is not None:
                return decoded
        return super().decode_batch(batch)

    @cached_property
    def _lines(self) -> LineColumns | None:
        struct = fast_struct_for(self.schema)
        if struct is None:
            return None
        from model_etl.columns.column_types import column_types  # noqa: PLC0415
        from model_etl.columns.line_columns import LineColumns  # noqa: PLC0415  it imports pyarrow

        columns = column_types(self.schema)
        if any(column.kind == "object" for column in columns):
            return None
        return LineColumns(struct, columns, self.decode)

    def _decoded_lines(self, batch: Batch) -> Batch | None:
        """Return a batch with its inputs as columns, from the JSON of its records; None if that is not possible."""
        from model_etl.columns.column_records import ColumnRecords  # noqa: PLC0415

        decoded = self._lines.decode(batch.documents) if self._lines is not None else None
        if decoded is None:
            return None
        columns, failed = decoded
        kept = batch.without(failed)
        return kept.replace(inputs=ColumnRecords(columns, kept.documents, self.decode_accepted, self.schema))

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
        return ColumnRecords(columns, documents, self.decode_accepted, self.schema)

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
