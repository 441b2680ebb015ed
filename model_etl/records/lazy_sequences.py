"""Sequences whose items are built on first access: lines kept as one block of bytes, and the offsets of lines."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, overload

from typing_extensions import override


class LazySequence(Sequence[Any]):
    """A sequence that builds all its items when the first is accessed; most runs access none.

    Args:
        count: the number of items.

    Attributes:
        immutable: whether nobody to whom a part of it is passed can change the items of another part.
    """

    immutable = False

    def __init__(self, count: int) -> None:
        self._count = count

    def _build(self) -> list[Any]:
        """Return the items."""
        raise NotImplementedError

    @cached_property
    def _all(self) -> list[Any]:
        return self._build()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        return iter(self._all)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice) or "_all" in vars(self):
            return self._all[index]
        return self._item(range(len(self))[index])

    def _item(self, index: int) -> Any:
        """Return an item before all are built; the index is not negative."""
        return self._all[index]

    def selected(self, select: Callable[[Sequence[Any]], list[Any]], count: int) -> LazySequence:
        """Return some of the items.

        Args:
            select: takes them from a sequence of the same length.
            count: the number of items that it takes.
        """
        return SelectedItems(select, self, count)

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self._all,)


class SelectedItems(LazySequence):
    """Some items of another sequence.

    Args:
        select: takes the items from the sequence.
        column: the sequence.
        count: the number of items that it takes.
    """

    def __init__(self, select: Callable[[Sequence[Any]], list[Any]], column: Sequence[Any], count: int) -> None:
        super().__init__(count)
        self._select = select
        self._column = column

    @override
    def _build(self) -> list[Any]:
        return self._select(self._column)


class LineBlock(LazySequence):
    """Lines as one block of bytes.

    Args:
        block: the lines, with a line feed between any two and none at the end.
        count: the number of lines, at least 1.
    """

    def __init__(self, block: bytes, count: int) -> None:
        super().__init__(count)
        self.block = block

    @override
    def _build(self) -> list[bytes]:
        return self.block.split(b"\n")

    def __reduce__(self) -> tuple[Any, ...]:
        return LineBlock, (self.block, len(self))


class Slices(LazySequence):
    """Parts of a text, but for some items that are texts of their own.

    Args:
        text: the text.
        starts: the index of the first byte of each item.
        ends: the index after the last byte of each.
        others: the items that are not parts of the text, by their indexes.
    """

    def __init__(self, text: bytes, starts: Sequence[int], ends: Sequence[int], others: Mapping[int, bytes]) -> None:
        super().__init__(len(starts))
        self._text = text
        self._starts = starts
        self._ends = ends
        self._others = others

    @override
    def _build(self) -> list[bytes]:
        items = [self._text[start:end] for start, end in zip(self._starts, self._ends, strict=True)]
        for index, item in self._others.items():
            items[index] = item
        return items

    @override
    def _item(self, index: int) -> bytes:
        other = self._others.get(index)
        return self._text[self._starts[index] : self._ends[index]] if other is None else other


class LineOffsets(LazySequence):
    """The offsets of lines that follow each other in a file.

    Args:
        first: the offset of the first line.
        lines: the lines, without their ends.
        end_bytes: the bytes of each line end: 1 for LF, 2 for CR LF.
    """

    def __init__(self, first: int, lines: Sequence[bytes], end_bytes: int = 1) -> None:
        super().__init__(len(lines))
        self._first = first
        self._lines = lines
        self._end_bytes = end_bytes
        self._last = (0, first)  # index and offset of the last answer of `offset_of`

    @override
    def _build(self) -> list[int]:
        before = accumulate(map(len, self._lines[:-1]), initial=self._first)
        return list(map(operator.add, before, range(0, len(self._lines) * self._end_bytes, self._end_bytes)))

    def offset_of(self, index: int) -> int:
        """Return one offset without building all; fast for a few rising indexes, as those of records that fail."""
        start, offset = self._last if self._last[0] <= index else (0, self._first)
        offset += sum(map(len, self._lines[start:index])) + (index - start) * self._end_bytes
        self._last = index, offset
        return offset

    def __reduce__(self) -> tuple[Any, ...]:
        return LineOffsets, (self._first, self._lines, self._end_bytes)
