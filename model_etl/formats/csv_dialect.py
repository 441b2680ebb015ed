"""What the options of tables change: encodings, null values, decimal commas, and columns without names."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, cast

from typing_extensions import override

from model_etl.errors import DataError, RecordError
from model_etl.formats.file_signatures import BOM
from model_etl.formats.table_remedies import likely_separator, shown_delimiter
from model_etl.records.batch import Batch, Source
from model_etl.records.dialect import Dialect
from model_etl.records.lazy_sequences import LineBlock, LineOffsets
from model_etl.schema.fields import Field, Fields

UTF8 = "utf-8"
_WIDE = ("utf-16", "utf-32")
_BLOCK_BYTES = 1 << 16


_NOT_DELIMITERS = '"\r\n\0'


def check_delimiter(delimiter: str) -> str:
    """Return a delimiter.

    Raises:
        ValueError: if it is not a character that can stand between cells.
    """
    if len(delimiter) != 1 or delimiter in _NOT_DELIMITERS or delimiter.isalnum():
        raise ValueError(f"{delimiter!r} is not one character other than a letter, a digit, a quote and a line end")
    return delimiter


def check_encoding(encoding: str) -> str:
    """Return the name of an encoding.

    Raises:
        ValueError: if Python has no such encoding of texts, or the tables of text in it cannot be read.
    """
    try:
        codecs.lookup(encoding)
        "".encode(encoding)  # some codecs are not of texts
    except (LookupError, ValueError):
        raise ValueError(f"{encoding!r} is not an encoding such as latin-1, cp1252 or utf-16") from None
    if not is_utf8(encoding) and not is_wide(encoding) and not keeps_ascii(encoding):
        raise ValueError(f"{encoding!r} has other bytes than ASCII for its characters; convert the file to UTF-8")
    return encoding


def dialect_of(members: Mapping[str, Any]) -> Dialect:
    """Build a dialect from what `Dialect.as_members` returned, after its way through JSON.

    Raises:
        TypeError, ValueError: if that is not a dialect.
    """
    dialect = Dialect(**{**members, "null_values": tuple(map(str, members.get("null_values", ())))})
    if dialect.delimiter is not None:
        check_delimiter(dialect.delimiter)
    if dialect.encoding is not None:
        check_encoding(dialect.encoding)
    return dialect


def is_utf8(encoding: str | None) -> bool:
    """Return whether an encoding is UTF-8 by one of its names, with a byte-order mark or without."""
    return encoding is None or codecs.lookup(encoding).name in (UTF8, "utf-8-sig")


def is_wide(encoding: str | None) -> bool:
    """Return whether the characters of ASCII have several bytes in an encoding, so that lines are not found in it."""
    return encoding is not None and codecs.lookup(encoding).name.startswith(_WIDE)


def keeps_ascii(encoding: str) -> bool:
    """Return whether the bytes of ASCII stand for its characters in an encoding, and nowhere for others.

    The line ends, delimiters and quotes of such a text are found in its bytes.
    """
    try:
        ascii_bytes = bytes(set(range(128)) - set(b"\x0e\x0f\x1b~+"))  # without what shifts between characters
        if ascii_bytes.decode(encoding) != ascii_bytes.decode("ascii"):
            return False
        return all(text.decode(encoding) == text.decode("ascii") for text in (b"~{", b"+AGE-", b"\x1b$B0!"))
    except UnicodeDecodeError:
        return False


def record_encoding(dialect: Dialect) -> str:
    """Return the encoding in which the records of a table are kept: UTF-16 and UTF-32 are turned into UTF-8 before."""
    encoding = dialect.encoding
    return UTF8 if encoding is None or is_utf8(encoding) or is_wide(encoding) else encoding


def narrowed(file: BinaryIO, dialect: Dialect, source: Source) -> BinaryIO:
    """Return a file whose lines can be found in its bytes: a text of UTF-16 or UTF-32 is read as UTF-8.

    Args:
        file: open for reading.
        dialect: of the table.
        source: the table, for errors.
    """
    if not is_wide(dialect.encoding):
        return file
    return cast("BinaryIO", _NarrowedFile(file, cast("str", dialect.encoding), source))


class _NarrowedFile(io.RawIOBase):
    """Reads a text of UTF-16 or UTF-32 as UTF-8."""

    def __init__(self, file: BinaryIO, encoding: str, source: Source) -> None:
        self._file = file
        self._encoding = encoding
        self._source = source
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._pending = b""
        self._ended = False

    @override
    def read(self, size: int = -1) -> bytes:
        while not self._ended and (size < 0 or len(self._pending) < size):
            block = self._file.read(_BLOCK_BYTES)
            self._ended = not block
            self._pending += self._decoded(block)
        end = len(self._pending) if size < 0 else size
        data, self._pending = self._pending[:end], self._pending[end:]
        return data

    def _decoded(self, block: bytes) -> bytes:
        try:
            return self._decoder.decode(block, final=not block).encode()
        except UnicodeError as exc:
            raise DataError(
                f"cannot read {self._source.name} as {self._source.format} in {self._encoding}: {exc}",
                "Pass the --encoding that it was written in, or have it written or copied again, whole.",
            ) from exc


def as_utf8(text: bytes, encoding: str) -> bytes | None:
    """Return a text in UTF-8, or None if it is not in its encoding."""
    if encoding == UTF8 or text.isascii():
        return text
    try:
        return text.decode(encoding).encode()
    except UnicodeDecodeError:
        return None


def with_texts(batch: Batch, block: bytes, offset: int) -> Batch:
    """Return a batch that was read from a block in UTF-8, with the texts and offsets of the original block.

    Args:
        batch: the rows, each of which is a line.
        block: the rows in their own encoding.
        offset: of its first row.
    """
    end_bytes = 2 if block.endswith(b"\r") else 1
    texts = LineBlock(block[:-1].replace(b"\r\n", b"\n") if end_bytes > 1 else block, len(batch))
    return batch.replace(texts=texts, offsets=LineOffsets(offset, texts, end_bytes))


def refuse_byte_order_mark(source: Source, encoding: str, offset: int) -> None:
    """Check that a file for which another encoding is set does not start with the mark of UTF-8.

    Args:
        source: the file.
        encoding: of its records.
        offset: of its first line.

    Raises:
        DataError: if it does.
    """
    if encoding != UTF8 and offset == len(BOM):
        raise DataError(
            f"cannot read {source.name} as {source.format} in {encoding}: it starts with the byte-order mark of UTF-8",
            "Remove --encoding.",
        )


def cell_converter(
    convert: Callable[[str], str], name: str, field: Field | None, dialect: Dialect, absent: str
) -> Callable[[str], str]:
    """Return the function that converts a cell to JSON as its dialect has it.

    Args:
        convert: converts a cell of the format as it is.
        name: the name of the column.
        field: the field of the model, or None if it does not declare it.
        dialect: of the table.
        absent: what `convert` returns for a cell without a value.
    """
    nulls = frozenset(dialect.null_values)
    null = "null" if field is None or (field.required and field.nullable) else absent
    has_commas = dialect.decimal == "," and field is not None and field.type in ("number", "integer")

    def with_null(cell: str) -> str:
        return null if cell in nulls else convert(cell)

    def with_comma(cell: str) -> str:
        if cell in nulls:
            return null
        if "." in cell and convert(cell) == cell:
            raise RecordError("parse", "InvalidNumber", f"a number of {name!r} has a point, but --decimal is a comma")
        number = cell.replace(",", ".")
        return number if "," in cell and convert(number) == number else convert(cell)

    if has_commas:
        return with_comma
    return with_null if nulls else convert


def is_null(cell: str, dialect: Dialect) -> bool:
    """Return whether a cell has no value."""
    return not cell or cell in dialect.null_values


def names_of_columns(first: Sequence[str], fields: object, source: Source) -> list[str]:
    """Return the names of the columns of a table whose first row is a record.

    They are the fields of the model in the order of its schema. If it declares none, they are c1, c2 and so on.

    Args:
        first: the cells of the first row.
        fields: the model's input fields.
        source: the table, for errors.

    Raises:
        DataError: if the columns are not as many as the fields, or the first row has the names of fields.
    """
    declared = fields.in_order if isinstance(fields, Fields) else ()
    if not declared:
        return [f"c{number}" for number in range(1, len(first) + 1)]
    if isinstance(fields, Fields) and set(first) <= fields.keys():
        raise DataError(
            f"cannot read {source.name} as {source.format} without a row of names: its first row names the columns",
            "Remove --no_header.",
        )
    if len(first) != len(declared):
        separator = likely_separator(first[0], declared) if len(first) == 1 else None
        raise DataError(
            f"cannot read {source.name} as {source.format} without a row of names: it has {len(first)} columns, the"
            f" model has {len(declared)} fields: {', '.join(declared)}",
            f"Use --delimiter {shown_delimiter(separator)}."
            if separator
            else "Give it a first row that names its columns, and remove --no_header.",
        )
    return list(declared)


def row_of_names(names: Sequence[str], delimiter: str, *, quotes: bool) -> bytes:
    """Return names as the first row of a table in UTF-8, without a line end."""
    if not quotes:
        return delimiter.join(names).encode()
    row = io.StringIO()
    csv.writer(row, delimiter=delimiter, lineterminator="").writerow(names)
    return row.getvalue().encode()
