"""gzip and zstd around a text format, by the ending of the file's name, by an option, or by the storage."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from typing import BinaryIO, Literal, Protocol, cast

from typing_extensions import override

from model_etl.errors import DataError

Compression = Literal["", "gz", "zst"]
COMPRESSIONS: dict[str, Compression] = {"gzip": "gz", "zstd": "zst", "none": ""}
"""The compressions by their names for --input_compression and --output_compression."""
_FIRST_BYTES: dict[Compression, bytes] = {"gz": b"\x1f\x8b", "zst": b"\x28\xb5\x2f\xfd"}
"""The first bytes of compressed data. No text starts with them."""
_ENCODINGS: dict[str, Compression] = {"gzip": "gz", "x-gzip": "gz", "zstd": "zst"}
_OTHER_ENCODINGS = ("br", "deflate", "compress")
_BUFFER_BYTES = 256 * 1024


def compression_of(name: str) -> Compression:
    """Return the compression of a file by its name, in small letters or capitals."""
    suffix = name.lower()
    return "gz" if suffix.endswith(".gz") else "zst" if suffix.endswith(".zst") else ""


def without_compression(name: str) -> str:
    """Return the name of a file without the suffix of its compression."""
    compression = compression_of(name)
    return name[: -len(compression) - 1] if compression else name


def decompressed(file: BinaryIO, compression: Compression, name: str) -> BinaryIO:
    """Return a file object that reads the decompressed bytes of a file.

    Args:
        file: open for reading.
        compression: its compression.
        name: the file's name, for errors, which are raised by reading.

    Raises:
        DataError: if the file is damaged, cut off, or not compressed in that way.
    """
    if not compression:
        return file
    return cast("BinaryIO", io.BufferedReader(_DecompressingReader(file, compression, name), _BUFFER_BYTES))


def content_encoding(file: BinaryIO) -> str:
    """Return the Content-Encoding that the storage has of an open file, or "" if it has none, as the local disk."""
    return str(getattr(getattr(file, "raw", None), "content_encoding", ""))


def first_bytes(file: BinaryIO) -> bytes:
    """Return the first bytes of a buffered file that has just been opened; they stay to be read."""
    return cast("io.BufferedReader", file).peek(max(map(len, _FIRST_BYTES.values())))


def is_compressed(start: bytes) -> bool:
    """Return whether these are the first bytes of a compressed file."""
    return start.startswith(tuple(_FIRST_BYTES.values()))


def decoded(file: BinaryIO, start: bytes, encoding: str, compression: Compression, name: str) -> BinaryIO:
    """Return a file object that reads the plain bytes of a file that has a Content-Encoding.

    Name and storage often name the same compression, and a proxy may have undone it. So the bytes decide for each of
    the two whether it is present.

    Args:
        file: open for reading.
        start: its first bytes, which stay to be read.
        encoding: its Content-Encoding.
        compression: its compression by its name.
        name: the file's name, for errors.

    Raises:
        DataError: if the encoding is not supported.
    """
    codings = [coding.strip().lower() for coding in encoding.split(",")]
    for coding in codings:
        if coding in _OTHER_ENCODINGS:
            raise DataError(
                f"cannot read {name}: its Content-Encoding is {coding}",
                "Store it with gzip, zstd or without; if the header is wrong, pass --input_compression none.",
            )
    layers = [_ENCODINGS[coding] for coding in reversed(codings) if coding in _ENCODINGS]
    for layer in (*layers, compression):
        if layer and start.startswith(_FIRST_BYTES[layer]):
            file = decompressed(file, layer, name)
            start = first_bytes(file)
    return file


def compressed(file: BinaryIO, compression: Compression) -> BinaryIO:
    """Return a file object that compresses what is written to it; closing it leaves `file` open."""
    if compression == "gz":
        # No name and no time in the header: the same records give the same bytes.
        return cast("BinaryIO", gzip.GzipFile("", "wb", 6, file, mtime=0))
    if compression == "zst":
        return _open_zstd(file, "wb")
    return file


class _Input(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def _open_zstd(file: _Input | BinaryIO, mode: Literal["rb", "wb"]) -> BinaryIO:
    # Imported by runs that need it. Unlike zstandard, this module raises EOFError for a file that is cut off, and
    # decompresses no more than it is asked for: 37 KB that hold 400 MB need 15 MiB instead of 198.
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415
    else:
        from backports import zstd  # noqa: PLC0415
    return cast("BinaryIO", zstd.ZstdFile(cast("BinaryIO", file), mode))


class _NonemptyCheck:
    """Passes reads on, and knows whether there were any bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.is_empty = True

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self.is_empty = self.is_empty and not data
        return data


class _DecompressingReader(io.RawIOBase):
    """Decompresses a file; errors about its data name the file."""

    def __init__(self, file: BinaryIO, compression: Compression, name: str) -> None:
        self._input = _NonemptyCheck(file)
        self._decompressor = (
            gzip.GzipFile(fileobj=file, mode="rb") if compression == "gz" else _open_zstd(self._input, "rb")
        )
        self._compression = compression
        self._name = name

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            data = self._decompressor.read(len(buffer))
        except EOFError as exc:
            if self._compression == "zst" and self._input.is_empty:
                return 0  # an empty file has no records, in this compression as in gzip
            raise self._data_error(f"it is cut off ({exc})") from exc
        except (gzip.BadGzipFile, zlib.error) as exc:
            raise self._data_error(str(exc)) from exc
        except Exception as exc:
            if type(exc).__name__ == "ZstdError":  # its module is imported by runs that need it
                raise self._data_error(str(exc)) from exc
            raise
        buffer[: len(data)] = data
        return len(data)

    def _data_error(self, reason: str) -> DataError:
        return DataError(
            f"cannot decompress {self._name} as .{self._compression}: {reason}",
            "Have the file written or copied again, whole; its name or --input_compression must tell its compression.",
        )
