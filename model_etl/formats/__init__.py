"""The file formats of inputs and outputs. To add one, write a module like `json_lines` and register its format."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping

from model_etl.errors import UsageError
from model_etl.formats.base import Format
from model_etl.formats.compression import Compression, compression_of, without_compression
from model_etl.formats.csv_tsv import CSV, QUOTED_TSV, TSV
from model_etl.formats.json_array import JSON_ARRAY
from model_etl.formats.json_lines import LDJSON
from model_etl.formats.parquet import PARQUET
from model_etl.formats.rejects import RejectsFile

FORMATS: dict[str, Format] = {}
"""The formats of inputs and outputs, by their names for --input_format and --output_format. See `register_format`."""

INPUT_FORMATS: dict[str, Format] = {}
"""The formats of inputs by their names for --input_format: `FORMATS` and the rejects file."""


def register_format(file_format: Format) -> None:
    """Add a format for inputs and outputs, or replace the format of that name.

    Call it before `model_etl.cli` is imported, so that the command line offers the name.
    """
    FORMATS[file_format.name] = INPUT_FORMATS[file_format.name] = file_format


for _format in (LDJSON, JSON_ARRAY, CSV, TSV, PARQUET):
    register_format(_format)
_QUOTED: dict[str, Format] = {QUOTED_TSV.name: QUOTED_TSV}  # chosen by an option of its own
# Reads texts of all formats, also of those registered later.
INPUT_FORMATS["rejects"] = RejectsFile(ChainMap(FORMATS, _QUOTED))

NAMED_FORMATS: Mapping[str, Format] = ChainMap(INPUT_FORMATS, _QUOTED)
"""All formats by the names that sources have."""

_COMPRESSED_MEDIA_TYPES: dict[Compression, str] = {"gz": "application/gzip", "zst": "application/zstd"}


def media_type(file_format: Format, compression: Compression) -> str:
    """Return the content type of a file, for storages that keep content types."""
    return _COMPRESSED_MEDIA_TYPES.get(compression, file_format.media_type)


def format_for(name: str, wanted: str | None, option: str, *, tsv_quotes: bool = False) -> tuple[Format, Compression]:
    """Return the format and the compression of a file.

    Args:
        name: the file's name; `-` for a standard stream, which holds JSON Lines by default.
        wanted: the name of a format, or None to derive it from the file's name.
        option: the option that sets the format, for the remedy of the error.
        tsv_quotes: whether cells of TSV may have quotes around them.

    Raises:
        UsageError: if no format has the name's suffix, or the format cannot be compressed.
    """
    compression = compression_of(name)
    stem = without_compression(name)
    file_format: Format | None
    if wanted is not None:
        file_format = NAMED_FORMATS[wanted]
    elif name == "-":
        file_format = LDJSON
    else:
        file_format = next((f for f in FORMATS.values() if stem.lower().endswith(f.suffixes)), None)
    if file_format is None:
        raise UsageError(f"cannot derive the format of {name} from its name", f"Pass {option}: {', '.join(FORMATS)}.")
    if tsv_quotes and file_format is TSV:
        file_format = QUOTED_TSV
    if compression and not file_format.compressible:
        raise UsageError(
            f"{name}: {file_format.name} files have their own compression", f"Remove .{compression} from the name."
        )
    return file_format, compression
