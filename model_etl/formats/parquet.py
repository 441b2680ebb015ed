"""Apache Parquet, by pyarrow (https://parquet.apache.org). A record's text and document are its row as JSON.

JSON has no dates, decimals or bytes: docs/formats.md has the form of each type in documents. A Parquet output gives
kept columns their own types back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from typing_extensions import override

from model_etl.formats.base import Format, Writer
from model_etl.formats.output_layout import Layout
from model_etl.formats.parquet_retry import check_dates, check_times
from model_etl.records.batch import Batch, Source
from model_etl.schema.fields import Field


class Parquet(Format):
    """Rows of a Parquet file. pyarrow takes long to import, so only runs that read or write Parquet import it."""

    name = "parquet"
    suffixes = (".parquet", ".pq")
    compressible = False  # it has its own compression
    media_type = "application/vnd.apache.parquet"

    @override
    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:
        from model_etl.formats.parquet_reader import read_batches  # noqa: PLC0415  imports pyarrow

        return read_batches(file, source, fields)

    @override
    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:
        check_times(text, fields)
        return text

    @override
    def check_published(self, document: bytes, source: Source) -> None:
        check_dates(document, source)

    @override
    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        from model_etl.formats.parquet_writer import ParquetWriter  # noqa: PLC0415  imports pyarrow

        return ParquetWriter(file, layout)


PARQUET = Parquet()
