"""gzip and zstd around a text format, told from the file's name."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any, BinaryIO, Literal, cast

from model_etl.errors import DataError

Compression = Literal["", "gz", "zst"]
_CHUNK = 256 * 1024
_ZSTD_CHUNK = 8 * 1024  # a few bytes of zstd can stand for 128 KB of text


def compression_of(name: str) -> Compression:
    """Tell from a file's name how it is compressed."""
    return "gz" if name.endswith(".gz") else "zst" if name.endswith(".zst") else ""


def decompressed(file: BinaryIO, kind: Compression, name: str) -> BinaryIO:
    """Give the plain bytes of a file to read.

    Args:
        file: open for reading.
        kind: how it is compressed.
        name: the file's name, for errors, which are raised while reading.

    Raises:
        DataError: if the file is damaged, cut off, or not compressed in that way.
    """
    if not kind:
        return file
    raw = _GzipSource(file) if kind == "gz" else _ZstdSource(file)
    return cast("BinaryIO", io.BufferedReader(_Guarded(raw, kind, name), _CHUNK))


def compressed(file: BinaryIO, kind: Compression) -> BinaryIO:
    """Give a file to write plain bytes to; closing it ends the compressed stream and leaves `file` open."""
    if kind == "gz":
        # No name and no time in the header: the same records give the same bytes.
        return cast("BinaryIO", gzip.GzipFile("", "wb", 6, file, mtime=0))
    if kind == "zst":
        import zstandard  # noqa: PLC0415  imported by runs that need it

        return cast("BinaryIO", zstandard.ZstdCompressor().stream_writer(file, closefd=False))
    return file


class _GzipSource:
    def __init__(self, file: BinaryIO) -> None:
        self._file = gzip.GzipFile(fileobj=file, mode="rb")

    def read(self, size: int) -> bytes:
        return self._file.read(size)


class _ZstdSource:
    """Reads frame after frame. The library's own reader takes a cut-off frame for the end of the data."""

    def __init__(self, file: BinaryIO) -> None:
        import zstandard  # noqa: PLC0415

        self._new = zstandard.ZstdDecompressor().decompressobj
        self._file = file
        self._frame: Any = None
        self._compressed = b""
        self._plain = io.BytesIO()

    def read(self, size: int) -> bytes:
        while not (taken := self._plain.read(size)):
            if not self._compressed:
                self._compressed = self._file.read(_ZSTD_CHUNK)
            if not self._compressed:
                if self._frame is not None:
                    raise EOFError("it is cut off")
                return b""
            if self._frame is None:
                self._frame = self._new()
            self._plain = io.BytesIO(self._frame.decompress(self._compressed))
            self._compressed = b""
            if self._frame.eof:
                self._compressed = self._frame.unused_data
                self._frame = None
        return taken


class _Guarded(io.RawIOBase):
    """Turns what a decompressor raises about the data into an error that names the file."""

    def __init__(self, source: _GzipSource | _ZstdSource, kind: Compression, name: str) -> None:
        self._source = source
        self._kind = kind
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            data = self._source.read(len(buffer))
        except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
            raise self._broken(exc) from exc
        except Exception as exc:
            if type(exc).__name__ == "ZstdError":
                raise self._broken(exc) from exc
            raise
        buffer[: len(data)] = data
        return len(data)

    def _broken(self, exc: BaseException) -> DataError:
        return DataError(
            f"cannot decompress {self._name} as .{self._kind}: {exc}",
            "Have it written or copied again, whole; its name must tell how it is compressed.",
        )
