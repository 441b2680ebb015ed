"""JSON objects as columns, whose lines are joined when they are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from model_etl.records.lazy_sequences import LazySequence, LineBlock

if TYPE_CHECKING:
    import pyarrow as pa

    from model_etl.records.arrow_texts import Part


class JsonColumn:
    """The values of one member of JSON objects.

    Args:
        values: an Arrow array of int64, float64, bool or string, or None if only their JSON is known.
        texts: the JSON of each value, an Arrow array of string without nulls; made of the values if it is not given.
    """

    def __init__(self, values: pa.Array | None = None, texts: pa.Array | None = None) -> None:
        self.values = values
        self._texts = texts

    @classmethod
    def of_nulls(cls, count: int) -> JsonColumn:
        """Return a column without a value."""
        import pyarrow as pa  # noqa: PLC0415

        return cls(texts=pa.repeat("null", count))

    def __len__(self) -> int:
        return len(self.texts if self.values is None else self.values)

    @cached_property
    def texts(self) -> pa.Array:
        """The JSON of each value."""
        from model_etl.records.arrow_texts import json_of_array  # noqa: PLC0415

        return json_of_array(self.values) if self._texts is None else self._texts

    @cached_property
    def is_text(self) -> pa.Array:
        """Whether each value is a string."""
        import pyarrow.compute as pc  # noqa: PLC0415

        return pc.starts_with(self.texts, '"')

    @cached_property
    def cells(self) -> pa.Array:
        """The text of each value as a cell of a table: empty for null, the characters of a string, or JSON."""
        from model_etl.records.arrow_texts import cells_of_json  # noqa: PLC0415

        if self.values is not None and self.values.type == "string":
            return self.values.fill_null("")
        if self.values is not None and not self.values.null_count:
            return self.texts
        return cells_of_json(self.texts, self.is_text)

    def __reduce__(self) -> tuple[Any, ...]:
        return JsonColumn, (self.values, self._texts)


class JoinedLines(LineBlock):
    """Lines that are joined from parts.

    Args:
        parts: the parts of each line in their order; none holds a line feed.
        count: the number of lines, at least 1.
    """

    def __init__(self, parts: Sequence[Part], count: int) -> None:
        LazySequence.__init__(self, count)
        self._parts = parts

    @property
    def parts(self) -> Sequence[Part]:
        """The parts of each line."""
        return self._parts

    @cached_property
    def block(self) -> bytes:  # type: ignore[override]
        """The lines, with a line feed between any two and none at the end."""
        from model_etl.records.arrow_texts import joined  # noqa: PLC0415

        return joined([*self.parts, b"\n"], len(self))[:-1] if len(self) else b""

    @override
    def _build(self) -> list[bytes]:
        return self.block.split(b"\n") if len(self) else []


class JsonRows(JoinedLines):
    """JSON objects that all have the same members.

    Args:
        members: the values of each member by name, at least one member with at least one value.
    """

    def __init__(self, members: Mapping[str, JsonColumn]) -> None:
        LazySequence.__init__(self, len(next(iter(members.values()))))
        self.members = members

    @property
    @override
    def parts(self) -> Sequence[Part]:
        return self.parts_with(self.members)

    def parts_with(self, members: Mapping[str, JsonColumn | bytes]) -> Sequence[Part]:
        """Return the parts of the objects with other values, of which some are the same in all objects."""
        return object_parts({n: c if isinstance(c, bytes) else c.texts for n, c in members.items()})

    def __reduce__(self) -> tuple[Any, ...]:
        return JsonRows, (self.members,)


def object_parts(members: Mapping[str, Part]) -> Sequence[Part]:
    """Return the parts of JSON objects with the same members, of the JSON of their values."""
    from model_etl.records.strict_json import encode_json  # noqa: PLC0415

    parts: list[Part] = []
    start = b"{"
    for name, texts in members.items():
        parts += [start + encode_json(name) + b":", texts]
        start = b","
    return [*parts, b"}"] if parts else [b"{}"]
