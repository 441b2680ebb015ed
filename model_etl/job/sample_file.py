"""The first records of a file, from which a schema or a package is drafted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_etl.errors import DataError, printable
from model_etl.formats.table_remedies import SEPARATORS, TABLES, remedy_for_rejects, shown_delimiter
from model_etl.pipeline.build import GraphInput, input_file, require_table
from model_etl.records.batch import Batch, Rejection
from model_etl.records.dialect import DecimalSeparator
from model_etl.records.run_counts import FileCounts
from model_etl.records.strict_json import decode_document
from model_etl.services import locate
from model_etl.settings.job_config import JobConfig, ScoringSettings, StorageSettings, fields_from

SAMPLE_RECORDS = 10_000
"""How many records are read unless the user says otherwise."""
_MOST_REJECTED = 10
_NOT_OF_A_SAMPLE = ("input_file", "output_file", "scoring", "storage")


@dataclass(frozen=True)
class SampleFile:
    """The first records of a file.

    Attributes:
        name: of the file.
        records: the fields of each record by name; in tables of text, all values are texts, or None for those of
            `--null_values`.
        texts: whether the file is a table of text, which does not give its types.
        decimal: the character before the decimals of its numbers; None for a point.
        unreadable: which of its first records cannot be read, and why.
        remedy: the options that probably cure that, as a sentence; empty if none does.
    """

    name: str
    records: Sequence[Mapping[str, Any]]
    texts: bool
    decimal: DecimalSeparator | None = None
    unreadable: Sequence[str] = ()
    remedy: str = ""

    def require_readable(self) -> None:
        """Check that all records can be read.

        Raises:
            DataError: if one of them cannot.
        """
        if self.unreadable:
            raise DataError(self.unreadable[0], self.remedy or "Correct the sample.")


def read_sample_file(name: str, options: Mapping[str, Any], limit: int = SAMPLE_RECORDS) -> SampleFile:
    """Read the first records of a file, as a run reads its input.

    Args:
        name: the file, local or in a storage.
        options: options of a run that say how it is read, by name.
        limit: the most records to read.

    Raises:
        DataError: if it has no records, or none of them can be read.
        ModelEtlError: if it cannot be read.
    """
    config = _config(name, options)
    location = locate(name, **config.storage.as_options())
    file = input_file(config, GraphInput(name, location.path, location.identity()), FileCounts())
    require_table(config.dialect, [file])
    records: list[dict[str, Any]] = []
    unreadable: list[str] = []
    rejected: list[Rejection] = []
    formats: set[str] = set()
    with file.opened(location.fs) as stream:
        for batch in file.read(stream, {}):
            formats.add(batch.source.format)
            first = batch.first(limit - len(records) - len(unreadable))
            records += _records(first, unreadable)
            rejected += first.rejected[: _MOST_REJECTED - len(rejected)]
            if len(records) + len(unreadable) >= limit:
                break
    if "parquet" in formats:
        _drop_nan(records)
    texts = not formats.isdisjoint(TABLES)
    decimal = config.decimal if texts else None
    sample = SampleFile(name, records, texts, decimal, unreadable, remedy_for_rejects(rejected, {}))
    if not records:
        sample.require_readable()
        raise DataError(f"{printable(name)} has no records", "Give a file with some records of the kind to be scored.")
    if texts and config.delimiter is None:
        _refuse_joined_names(name, list(records[0]), "," if "csv" in formats else "\t")
    return sample


def _config(name: str, options: Mapping[str, Any]) -> JobConfig:
    # All fields of the records are wanted, as if they were to be published.
    settings = ScoringSettings(model="", join=True)
    storage = StorageSettings(**fields_from(StorageSettings, options))
    others = {key: value for key, value in fields_from(JobConfig, options).items() if key not in _NOT_OF_A_SAMPLE}
    return JobConfig(input_file=name, output_file="-", scoring=settings, storage=storage, **others)


def _records(batch: Batch, unreadable: list[str]) -> Iterator[dict[str, Any]]:
    name = printable(batch.source.name)
    unreadable += [f"record {r.position} of {name} cannot be read: {printable(r.message)}" for r in batch.rejected]
    for position, document in zip(batch.positions, batch.documents, strict=True):
        try:
            record = decode_document(document)
        except (ValueError, RecursionError) as exc:
            unreadable.append(f"record {position} of {name} is not JSON: {printable(str(exc))}")
            continue
        if isinstance(record, dict):
            yield record
        else:
            unreadable.append(f"record {position} of {name} is not an object")


def _refuse_joined_names(name: str, columns: Sequence[str], delimiter: str) -> None:
    """Check that the only column of a table is not likely to be several.

    Raises:
        DataError: if its name has another character that separates columns.
    """
    likely = next((s for s in SEPARATORS if s in columns[0] and s != delimiter), None)
    if len(columns) == 1 and likely is not None:
        other = f"if that is its name, --delimiter {shown_delimiter(delimiter)}"
        raise DataError(
            f"the only column of {printable(name)} is {printable(columns[0])!r}",
            f"Use --delimiter {shown_delimiter(likely)}; {other}.",
        )


def _drop_nan(records: Sequence[dict[str, Any]]) -> None:
    """Take NaN out of columns of numbers, where it means no value; JSON has it as a text."""
    for name in dict.fromkeys(name for record in records for name in record):
        values = [record[name] for record in records if name in record]
        if "NaN" in values and all(value is None or value == "NaN" or _is_number(value) for value in values):
            for record in records:
                if record.get(name) == "NaN":
                    record[name] = None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
