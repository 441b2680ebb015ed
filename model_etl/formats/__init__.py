"""The formats of input and output. To add one, write a module like `ldjson` and add its object to `FORMATS`."""

from __future__ import annotations

from model_etl.errors import UsageError
from model_etl.formats.base import Format
from model_etl.formats.compression import Compression, compression_of
from model_etl.formats.csv_tsv import CSV, TSV
from model_etl.formats.json_array import JSON_ARRAY
from model_etl.formats.json_lines import LDJSON
from model_etl.formats.parquet import PARQUET
from model_etl.formats.rejects_file import RejectsFile

_ALL: tuple[Format, ...] = (LDJSON, JSON_ARRAY, CSV, TSV, PARQUET)

FORMATS: dict[str, Format] = {form.name: form for form in _ALL}
"""By the name given to --input_format and --output_format."""

INPUT_FORMATS: dict[str, Format] = {**FORMATS, "rejects": RejectsFile(FORMATS)}
"""By the name given to --input_format: also what only we write."""


_COMPRESSED: dict[Compression, str] = {"gz": "application/gzip", "zst": "application/zstd"}


def media_type(form: Format, kind: Compression) -> str:
    """Give the content type of a file, for storages that keep one."""
    return _COMPRESSED.get(kind, form.media_type)


def format_for(name: str, wanted: str | None, option: str) -> tuple[Format, Compression]:
    """Choose the format of a file.

    Args:
        name: the file's name; `-` for a standard stream, which is JSON Lines unless said otherwise.
        wanted: name of a format, or None to tell it from the file's name.
        option: the option that says it, for the error's remedy.

    Raises:
        UsageError: if the name tells no format, or compression does not go with it.
    """
    kind = compression_of(name)
    bare = name.removesuffix(f".{kind}") if kind else name
    if wanted is not None:
        found: Format | None = INPUT_FORMATS[wanted]
    elif name == "-":
        found = LDJSON
    else:
        found = next((f for f in FORMATS.values() if bare.lower().endswith(f.suffixes)), None)
    if found is None:
        raise UsageError(f"the name {name} does not tell its format", f"Add {option}, one of: {', '.join(FORMATS)}.")
    if kind and not found.compressible:
        raise UsageError(f"{name}: {found.name} files have compression of their own", f"Leave .{kind} out of the name.")
    return found, kind
