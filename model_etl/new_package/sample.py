"""The sample of records that a package is drafted from."""

from __future__ import annotations

import csv
import importlib.resources
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from model_etl.formats.csv_cells import Cells
from model_etl.job.sample_file import read_sample_file
from model_etl.records.dialect import DecimalSeparator
from model_etl.schema.draft import draft_schema, types_of
from model_etl.schema.fields import fields_of

_KEPT_RECORDS = 20
"""How many records of the sample lie in the package, for its test."""


@dataclass(frozen=True)
class Sample:
    """The first records of a file.

    Attributes:
        name: of the file; empty for the sample of this program.
        records: the fields of each record by name; in tables of texts, all values are texts.
        texts: whether the file is a table of texts, whose types nothing tells.
        decimal: the character before the decimals of its numbers; None for a point.
    """

    name: str
    records: Sequence[Mapping[str, Any]]
    texts: bool
    decimal: DecimalSeparator | None = None

    @property
    def names(self) -> list[str]:
        """The names of all fields, in the order in which they come."""
        return list(dict.fromkeys(name for record in self.records for name in record))

    def schema(self, names: Collection[str]) -> dict[str, Any]:
        """Draft the JSON Schema of some fields, in the order of the names."""
        columns = {name: [record.get(name) for record in self.records] for name in names}
        return draft_schema(columns, texts=self.texts, decimal=self.decimal)

    def column(self, name: str) -> list[Any]:
        """Return the value of each record of a field, None if it has none; numbers have a point before decimals."""
        values = [record.get(name) for record in self.records]
        if self.decimal != "," or "number" not in types_of(self.schema([name])["properties"][name]):
            return values
        return [value and value.replace(",", ".") for value in values]

    def file(self, names: Sequence[str]) -> tuple[str, bytes]:
        """Return the name and the content of a file with some fields of the first records."""
        if not self.texts:
            kept = [{name: record[name] for name in names if name in record} for record in self.records[:_KEPT_RECORDS]]
            return "sample.jsonl", b"".join(msgspec.json.encode(record) + b"\n" for record in kept)
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows([names, *self._rows(names)[:_KEPT_RECORDS]])
        return "sample.csv", out.getvalue().encode()

    def record(self, schema: Mapping[str, Any]) -> bytes:
        """Return the first record that is complete, or else the first one, as JSON with the types of a schema."""
        names = list(schema["properties"])
        if not self.texts:
            complete = (r for r in self.records if all(r.get(name) not in (None, "") for name in names))
            record = next(complete, self.records[0])
            return msgspec.json.encode({name: record[name] for name in names if name in record})
        rows = self._rows(names)
        return Cells(names, fields_of(schema), ",").document(next(filter(all, rows), rows[0]))

    def _rows(self, names: Sequence[str]) -> list[list[str]]:
        """Return the cells of some columns of each record."""
        columns = [self.column(name) for name in names]
        return [[column[number] or "" for column in columns] for number in range(len(self.records))]


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
    sample = read_sample_file(name, options)
    sample.require_readable()
    return Sample(name, sample.records, sample.texts, sample.decimal)
