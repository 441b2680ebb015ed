"""The sample of records that a package is drafted from."""

from __future__ import annotations

import csv
import importlib.resources
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from model_etl.errors import DataError, printable
from model_etl.formats.csv_cells import Cells
from model_etl.pipeline.build import GraphInput, input_file
from model_etl.records.batch import Batch
from model_etl.records.run_counts import FileCounts
from model_etl.records.strict_json import decode_document
from model_etl.schema.draft import draft_schema
from model_etl.schema.fields import fields_of
from model_etl.services import locate
from model_etl.settings.job_config import JobConfig, ScoringSettings, StorageSettings, fields_from

_MOST_RECORDS = 10_000
_KEPT_RECORDS = 20
"""How many records of the sample lie in the package, for its test."""
_TABLES = ("csv", "tsv")


@dataclass(frozen=True)
class Sample:
    """The first records of a file.

    Attributes:
        name: of the file; empty for the sample of this program.
        records: the fields of each record by name; in tables of texts, all values are texts.
        texts: whether the file is a table of texts, whose types nothing tells.
    """

    name: str
    records: Sequence[Mapping[str, Any]]
    texts: bool

    @property
    def names(self) -> list[str]:
        """The names of all fields, in the order in which they come."""
        return list(dict.fromkeys(name for record in self.records for name in record))

    def schema(self, names: Collection[str]) -> dict[str, Any]:
        """Draft the JSON Schema of some fields, in the order of the names."""
        columns = {name: [record.get(name) for record in self.records] for name in names}
        return draft_schema(columns, texts=self.texts)

    def file(self, names: Sequence[str]) -> tuple[str, bytes]:
        """Return the name and the content of a file with some fields of the first records."""
        kept = [{name: record[name] for name in names if name in record} for record in self.records[:_KEPT_RECORDS]]
        if not self.texts:
            return "sample.jsonl", b"".join(msgspec.json.encode(record) + b"\n" for record in kept)
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows([names, *([record.get(name, "") for name in names] for record in kept)])
        return "sample.csv", out.getvalue().encode()

    def record(self, schema: Mapping[str, Any]) -> bytes:
        """Return the first record that is complete, or else the first one, as JSON with the types of a schema."""
        names = list(schema["properties"])
        complete = (r for r in self.records if all(r.get(name) not in (None, "") for name in names))
        record = next(complete, self.records[0])
        if not self.texts:
            return msgspec.json.encode({name: record[name] for name in names if name in record})
        return Cells(names, fields_of(schema), ",").document([record.get(name, "") for name in names])


def own_sample() -> Sample:
    """Return the sample that is used if the user has none: customers, some of whom have left."""
    file = importlib.resources.files("model_etl.new_package.templates") / "sample.csv"
    rows = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))
    return Sample("", list(rows), texts=True)


OWN_TARGET = "churned"
"""The field of that sample that is predicted."""


def read_sample(name: str, options: Mapping[str, Any]) -> Sample:
    """Read the first records of a file.

    Args:
        name: the file, local or in a storage.
        options: options of a run that say how it is read, by name.

    Raises:
        DataError: if it has no records, or one of them cannot be read.
        ModelEtlError: if it cannot be read.
    """
    # All fields of the records are wanted, as if they were to be published.
    settings = ScoringSettings(model="", join=True)
    storage = StorageSettings(**fields_from(StorageSettings, options))
    others = {key: value for key, value in fields_from(JobConfig, options).items() if key not in _NOT_OF_A_SAMPLE}
    config = JobConfig(input_file=name, output_file="-", scoring=settings, storage=storage, **others)
    location = locate(name, **storage.as_options())
    file = input_file(config, GraphInput(name, location.path, location.identity()), FileCounts())
    records: list[dict[str, Any]] = []
    with file.opened(location.fs) as stream:
        for batch in file.read(stream, {}):
            records += _records(batch.first(_MOST_RECORDS - len(records)))
            if len(records) >= _MOST_RECORDS:
                break
    if not records:
        raise DataError(f"{printable(name)} has no records", "Give a file with some records of the kind to be scored.")
    return Sample(name, records, file.file_format.name in _TABLES)


_NOT_OF_A_SAMPLE = ("input_file", "output_file", "scoring", "storage")


def _records(batch: Batch) -> Iterator[dict[str, Any]]:
    for rejection in batch.rejected:
        place = f"record {rejection.position} of {printable(batch.source.name)}"
        raise DataError(f"{place} cannot be read: {printable(rejection.message)}", "Correct the sample.")
    for position, document in zip(batch.positions, batch.documents, strict=True):
        try:
            record = decode_document(document)
        except (ValueError, RecursionError) as exc:
            place = f"record {position} of {printable(batch.source.name)}"
            raise DataError(f"{place} is not JSON: {printable(str(exc))}", "Correct the sample.") from exc
        if not isinstance(record, dict):
            raise DataError(f"record {position} of {printable(batch.source.name)} is no object", "Correct the sample.")
        yield record
