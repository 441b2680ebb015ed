"""Sequences that are made when somebody asks for an item: lines that stay one block of bytes, and their offsets."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, overload


class LazySequence(Sequence[Any]):
    """A sequence whose items are made all at once when the first is asked for; most runs ask for none.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def _made(self) -> list[Any]:
        """Make the items."""
        raise NotImplementedError

    @cached_property
    def _all(self) -> list[Any]:
        return self._made()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        return iter(self._all)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        return self._all[index]

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self._all,)


class SelectedItems(LazySequence):
    """Some items of a sequence.

    Args:
        some: picks them.
        column: the sequence.
        count: how many it picks.
    """

    def __init__(self, some: Callable[[Sequence[Any]], list[Any]], column: Sequence[Any], count: int) -> None:
        super().__init__(count)
        self._some = some
        self._column = column

    def _made(self) -> list[Any]:
        return self._some(self._column)


class LineBlock(LazySequence):
    """Lines of bytes.

    Args:
        block: the lines, with a line feed between each two and none at the end.
        count: how many there are, at least 1.
    """

    def __init__(self, block: bytes, count: int) -> None:
        super().__init__(count)
        self.block = block

    def _made(self) -> list[bytes]:
        return self.block.split(b"\n")

    def __reduce__(self) -> tuple[Any, ...]:
        return LineBlock, (self.block, len(self))


class LineOffsets(LazySequence):
    """Where each of some lines starts.

    Args:
        first: offset of the first line.
        lines: the lines.
        gap: how many bytes follow each.
    """

    def __init__(self, first: int, lines: Sequence[bytes], gap: int = 1) -> None:
        super().__init__(len(lines))
        self._first = first
        self._lines = lines
        self._gap = gap
        self._known = (0, first)

    def _made(self) -> list[int]:
        before = accumulate(map(len, self._lines[:-1]), initial=self._first)
        return list(map(operator.add, before, range(0, len(self._lines) * self._gap, self._gap)))

    def at(self, index: int) -> int:
        """Give one; cheap for a few in rising order, as for records that fail."""
        start, offset = self._known if self._known[0] <= index else (0, self._first)
        offset += sum(map(len, self._lines[start:index])) + (index - start) * self._gap
        self._known = index, offset
        return offset

    def __reduce__(self) -> tuple[Any, ...]:
        return LineOffsets, (self._first, self._lines, self._gap)
