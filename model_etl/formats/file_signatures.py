"""Files that are not what their names say, by their first bytes."""

from __future__ import annotations

import io
import re
from typing import BinaryIO, NamedTuple

from model_etl.errors import DataError
from model_etl.records.batch import Source

BOM = b"\xef\xbb\xbf"
"""The byte-order mark of UTF-8."""

START_BYTES = 1024
"""How much of a file shows what it is."""

_PAIRS = 16
"""How many characters of UTF-16 or UTF-32 without a byte-order mark have to look alike."""


class FileKind(NamedTuple):
    """A kind of file that is not the text of records.

    Attributes:
        description: completes the sentence "it is ...".
        remedy: what to do with such a file.
        encoding: of a text that is not UTF-8, in which tables can be read; otherwise empty.
    """

    description: str
    remedy: str
    encoding: str = ""


_TO_UTF8 = "Convert it to UTF-8, for example with iconv."
_UNPACK = "Unpack it first."
_EXPORT = "Export the sheet as CSV in UTF-8."
_READ_PARQUET = "Use --input_format parquet, or a name that ends in .parquet."
_CONVERT = "Convert it to Parquet, CSV or JSON Lines."
_DOWNLOAD = "The download gave a page instead of the data: look at its text, then fetch the file again."
_FETCH_LFS = "Fetch the file itself: git lfs pull."
_COPY_AGAIN = "Have the file written or copied again, whole."

_SPREADSHEET = FileKind("a spreadsheet of Excel (.xlsx)", _EXPORT)
_UTF16, _UTF32 = FileKind("in UTF-16", _TO_UTF8, "utf-16"), FileKind("in UTF-32", _TO_UTF8, "utf-32")

_BINARY = {
    b"\xff\xfe\0\0": _UTF32,
    b"\0\0\xfe\xff": _UTF32,
    b"\xff\xfe": _UTF16,
    b"\xfe\xff": _UTF16,
    b"\x1f\x8b": FileKind("compressed with gzip", "Let its name end in .gz, or pass --input_compression gzip."),
    b"\x28\xb5\x2f\xfd": FileKind(
        "compressed with zstd", "Let its name end in .zst, or pass --input_compression zstd."
    ),
    b"\xfd7zXZ\0": FileKind("compressed with xz", _UNPACK),
    b"\x04\x22\x4d\x18": FileKind("compressed with lz4", _UNPACK),
    b"\xff\x06\0\0sNaPpY": FileKind("compressed with snappy", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": FileKind("a 7z archive", _UNPACK),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": FileKind("a spreadsheet or document of Office (.xls, .doc)", _EXPORT),
    b"Obj\x01": FileKind("an Avro file", _CONVERT),
    b"ARROW1\0\0": FileKind("an Arrow or Feather file", _CONVERT),
    b"SQLite format 3\0": FileKind("an SQLite database", "Export the table as CSV or JSON Lines."),
    b"\x89HDF\r\n\x1a\n": FileKind("an HDF5 file", _CONVERT),
    b"\x93NUMPY": FileKind("an array of numpy (.npy)", _CONVERT),
    b"BZh91AY&SY": FileKind("compressed with bzip2", _UNPACK),
    b"%PDF-": FileKind("a PDF document", "Fetch the data, not a report of it."),
    b"version https://git-lfs.github.com/": FileKind("a pointer of Git LFS, not the file itself", _FETCH_LFS),
}
"""Kinds of files by the bytes that they start with; text does not start with any of them."""

_BINARY_BEHIND_LETTERS = {
    b"PAR1": FileKind("a Parquet file", _READ_PARQUET),
    b"PARE": FileKind("an encrypted Parquet file", "Decrypt it first."),
    b"ORC": FileKind("an ORC file", _CONVERT),
    b"FEA1": FileKind("a Feather file", _CONVERT),
    b"PK\x03\x04": FileKind("a ZIP archive", _UNPACK),
    b"BZh": FileKind("compressed with bzip2", _UNPACK),
}
"""Kinds of files by the letters that they start with; text may start with them too, but has no control characters."""

_MARKUP = (
    (
        (b"<!doctype html", b"<html", b"<head", b"<body", b"<title", b"<script", b"<meta", b"<!--"),
        FileKind("an HTML page", _DOWNLOAD),
    ),
    ((b"<?xml",), FileKind("an XML document, such as an error message of a server", _DOWNLOAD)),
)
_IN_ZIP = {b"[Content_Types].xml": _SPREADSHEET, b"xl/": _SPREADSHEET, b"_rels/.rels": _SPREADSHEET}
_OPEN_DOCUMENT = b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet"
_JSON_LINES = FileKind("JSON Lines", "Use --input_format ldjson.")
_JSON_ARRAY = FileKind("a JSON array", "Use --input_format json.")
_TEXT = FileKind("text", "Use --input_format with the name of its format, such as csv or ldjson.")
_STARTS_OF_JSON = ((re.compile(rb'\s*\{\s*["}]'), _JSON_LINES), (re.compile(rb'\s*\[\s*[{"\[]'), _JSON_ARRAY))
_TEXT_CONTROLS = b"\t\n\r\x0b\x0c\x1b"


def file_kind(start: bytes) -> FileKind | None:
    """Return what a file is that does not hold the text of records, or None if it may hold that.

    Args:
        start: its first bytes; a thousand are enough.
    """
    if start and not start.strip(b"\0"):
        return FileKind("empty space: it starts with bytes of zero, as after a crash or a failed copy", _COPY_AGAIN)
    for signature, found in _BINARY.items():
        if start.startswith(signature):
            return found
    for signature, found in _BINARY_BEHIND_LETTERS.items():
        if start.startswith(signature) and _has_control_characters(start):
            return _kind_in_zip(start) if signature.startswith(b"PK") else found
    text = start.removeprefix(BOM).lstrip().lower()
    for beginnings, found in _MARKUP:
        if text.startswith(beginnings):
            return found
    return _wide_characters(start)


def json_kind(start: bytes) -> FileKind | None:
    """Return what a file is that should be a table of text, but starts as JSON does; None if it does not."""
    return next((found for pattern, found in _STARTS_OF_JSON if pattern.match(start)), None)


def check_parquet(start: bytes, source: Source) -> None:
    """Check the first bytes of a file that should be Parquet.

    Raises:
        DataError: if the file is of another kind.
    """
    if start.startswith(b"PAR1"):
        return
    found = file_kind(start) or json_kind(start.removeprefix(BOM))
    if found is None and not _has_control_characters(start):
        found = _TEXT
    if found is not None:
        raise wrong_kind(source, found)


def _has_control_characters(start: bytes) -> bool:
    return any(byte < ord(" ") and byte not in _TEXT_CONTROLS for byte in start)


def _kind_in_zip(start: bytes) -> FileKind:
    if _OPEN_DOCUMENT in start:
        return FileKind("a spreadsheet of LibreOffice (.ods)", _EXPORT)
    return next((found for name, found in _IN_ZIP.items() if name in start), _BINARY_BEHIND_LETTERS[b"PK\x03\x04"])


def _wide_characters(start: bytes) -> FileKind | None:
    """Return the encoding of text whose characters take two or four bytes each, and that has no byte-order mark."""
    for width, found in ((4, _UTF32), (2, _UTF16)):
        text = start[: width * _PAIRS]
        text = text[: len(text) // width * width]
        columns = [text[i::width] for i in range(width)]
        for ascii_column in (0, width - 1):
            others = [column for i, column in enumerate(columns) if i != ascii_column]
            if len(text) >= 4 and all(columns[ascii_column]) and not any(map(any, others)):  # noqa: PLR2004
                return found._replace(encoding=f"{found.encoding}-{'be' if ascii_column else 'le'}")
    return None


class StartedFile:
    """A text file from which the first bytes were taken to see what it is; they are read again.

    Args:
        file: open for reading, at its start.
        source: the input, for the error.

    Attributes:
        skipped: the length of the byte-order mark, which is not read again: 3 or 0.

    Raises:
        DataError: if the file is not UTF-8 text.
    """

    def __init__(self, file: BinaryIO, source: Source) -> None:
        start = file.read(START_BYTES)
        if (found := file_kind(start)) is not None:
            raise wrong_kind(source, found)
        self.skipped = len(BOM) if start.startswith(BOM) else 0
        self._start = io.BytesIO(start[self.skipped :])
        self._file = file

    def read(self, size: int) -> bytes:
        """Return the next bytes: as many as asked for, if the file gives them."""
        data = self._start.read(size)
        return data + self._file.read(size - len(data)) if len(data) < size else data


def wrong_kind(source: Source, found: FileKind) -> DataError:
    """Return the error for a file that is not in the format of its source."""
    is_table = found.encoding and source.format in ("csv", "tsv", "quoted_tsv")
    remedy = f"Use --encoding {found.encoding}." if is_table else found.remedy
    return DataError(f"cannot read {source.name} as {source.format}: it is {found.description}", remedy)
