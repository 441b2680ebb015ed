"""A decorator that completes records by key from a table in SQLite, before the model predicts them.

See README.md beside this file.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ml_base import MLModelDecorator
from pydantic import create_model

_KEYS_OF_A_QUERY = 500
"""SQLite before 3.32 permits 999 parameters in a query."""


class SQLiteEnrichment(MLModelDecorator):
    """Looks up fields of the model in a table, a batch of records at a time.

    Records have the key instead of these fields, and so has the input schema.

    Args:
        database: the path of the database, which is only read.
        table: the name of the table.
        key: the name of the column, and of the field of a record, that identifies its row.
        fields: the columns that become fields of the same names.
        missing: what becomes of a record whose key has no row: "reject", or "null" for fields without values.

    Raises:
        FileNotFoundError, sqlite3.Error: if there is no such database, table or column.
        ValueError: if `missing` is neither "reject" nor "null".
    """

    def __init__(
        self, database: str, table: str, key: str, fields: Sequence[str], missing: Literal["reject", "null"] = "reject"
    ) -> None:
        super().__init__(database=database, table=table, key=key, fields=fields, missing=missing)
        if missing not in ("reject", "null"):
            raise ValueError(f"missing is {missing!r}, neither 'reject' nor 'null'")
        if not Path(database).is_file():
            raise FileNotFoundError(f"there is no database {database}")
        # SQLite takes an unknown name in quotes for a text, unless the name of a table is before it.
        columns = ", ".join(f"{_quoted(table)}.{_quoted(column)}" for column in [key, *fields])
        # A decorator sets its own attributes in __dict__: those of other names would be set at the model.
        self.__dict__["_query"] = f"SELECT {columns} FROM {_quoted(table)} WHERE {_quoted(table)}.{_quoted(key)} IN "  # noqa: S608
        # It is called by one thread at a time, which need not be the thread that made the connection.
        uri = f"{Path(database).resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        self.__dict__["_connection"] = connection
        weakref.finalize(self, connection.close)  # Python 3.13 warns of a connection that nobody closes
        self._rows([None])  # a wrong name is found now

    @property
    def input_schema(self) -> Any:
        """The model's input schema with the key instead of the fields that are looked up."""
        if "_schema" not in self.__dict__:
            configuration, model_fields = self._configuration, self._model.input_schema.model_fields
            kept = {
                name: (info.annotation, info)
                for name, info in model_fields.items()
                if name not in configuration["fields"]
            }
            kept.setdefault(configuration["key"], (int | str, ...))
            self.__dict__["_schema"] = create_model("EnrichedInput", **kept)
        return self.__dict__["_schema"]

    def predict(self, data: Any) -> Any:
        """Return the prediction of one record."""
        return self.predict_batch([data])[0]

    def predict_batch(self, records: Sequence[Any]) -> Any:
        """Return the predictions of records.

        Raises:
            LookupError: if a key has no row. model_etl then calls this with parts of the batch, and rejects the record.
        """
        configuration, schema = self._configuration, self._model.input_schema
        rows = self._rows(list({getattr(record, configuration["key"]) for record in records}))
        nulls = dict.fromkeys(configuration["fields"])
        names = [name for name in schema.model_fields if name not in nulls]
        complete = []
        for record in records:
            key = getattr(record, configuration["key"])
            row = rows.get(str(key), nulls if configuration["missing"] == "null" else None)
            if row is None:
                raise LookupError(f"{configuration['table']} has no row with {configuration['key']} {key!r}")
            complete.append(schema(**{name: getattr(record, name) for name in names}, **row))
        return self._model.predict_batch(complete)

    def _rows(self, keys: Sequence[Any]) -> dict[str, dict[str, Any]]:
        """Return the values of the fields by key."""
        rows = {}
        for start in range(0, len(keys), _KEYS_OF_A_QUERY):
            part = keys[start : start + _KEYS_OF_A_QUERY]
            query = f"{self.__dict__['_query']}({', '.join('?' * len(part))})"
            for key, *values in self.__dict__["_connection"].execute(query, part):
                rows[str(key)] = dict(zip(self._configuration["fields"], values, strict=True))
        return rows


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
