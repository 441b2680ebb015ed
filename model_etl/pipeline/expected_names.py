"""Whether --keep and --redact name fields that the inputs of a run can have."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from model_etl.errors import ConfigurationError
from model_etl.records.batch import Source

_SHOWN_COLUMNS = 20


@dataclass(frozen=True)
class ExpectedNames:
    """The names of fields that options name, which are often mistyped.

    Attributes:
        keep: names of fields of the record; a table must have columns of these names.
        redact: names of fields of the record or the output.
        model_fields: fields that a record or an output may have, whatever the columns of a table are; None if any.
    """

    keep: Collection[str] = ()
    redact: Collection[str] = ()
    model_fields: Collection[str] | None = ()

    def check(self, sources: Collection[Source]) -> None:
        """Check the names, once all inputs have been opened.

        One input with a column of that name is enough: in the records of the others, the field is null. Nothing is
        known of inputs whose records are objects.

        Args:
            sources: of all inputs.

        Raises:
            ConfigurationError: if a name is that of no field.
        """
        if not sources or any(source.columns is None for source in sources):
            return
        columns = list(dict.fromkeys(name for source in sources for name in source.column_names))
        where = next(iter(sources)).name if len(sources) == 1 else f"any of the {len(sources)} inputs"
        _require(self.keep, columns, f"--keep names {{}}, which is not a column of {where}", columns)
        if self.model_fields is not None:
            known = [*columns, *self.model_fields]
            message = f"--redact names {{}}, which is neither a column of {where} nor a field of the model"
            _require(self.redact, known, message, columns)


def _require(names: Iterable[str], known: Collection[str], message: str, columns: Collection[str]) -> None:
    missing = [name for name in names if name not in known]
    if not missing:
        return
    by_lower_case = {name.lower(): name for name in known}
    close = [by_lower_case[name] for name in difflib.get_close_matches(missing[0].lower(), by_lower_case, 3)]
    hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    shown = ", ".join(map(repr, list(columns)[:_SHOWN_COLUMNS])) + (", ..." if len(columns) > _SHOWN_COLUMNS else "")
    raise ConfigurationError(
        message.format(", ".join(map(repr, missing))), f"{hint}The columns are: {shown}." if shown else hint
    )
