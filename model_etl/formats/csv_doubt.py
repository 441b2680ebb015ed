"""Which lines of a block of CSV or TSV are surely a row each, as Arrow and Python's csv module read it alike."""

from __future__ import annotations

import codecs
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from model_etl.formats.file_signatures import BOM

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_LINE_FEED, _CARRIAGE_RETURN, _QUOTE = b'\n\r"'


class LinesOfBlock(NamedTuple):
    """The lines of a block.

    Attributes:
        starts: the indexes of their first bytes.
        ends: the indexes after their last bytes, without line ends.
        doubtful: whether each needs a closer look. All others are rows by themselves, if a row begins there; only the
            number of their cells is not known.
    """

    starts: Array
    ends: Array
    doubtful: Array


def lines_of(block: bytes, delimiter: str, longest: int, *, quotes: bool) -> LinesOfBlock:
    """Return the lines of a block.

    Args:
        block: whole lines, without the line feed of the last one.
        delimiter: the character between two cells, of one byte.
        longest: the most bytes of a row.
        quotes: whether a cell may have quotes around it.
    """
    codes = np.frombuffer(block, np.uint8)
    feeds = np.flatnonzero(codes == _LINE_FEED)
    starts, stops = np.append(0, feeds + 1), np.append(feeds, len(codes))
    ends = stops - ((stops > starts) & (codes[stops - 1] == _CARRIAGE_RETURN))
    doubtful = (starts == ends) | (ends - starts > longest)
    for places in (_odd_bytes(block, codes), _outside_utf8(block, feeds)):
        doubtful[np.searchsorted(feeds, places)] = True
    if quotes and b'"' in block:
        doubtful |= _with_odd_quotes(codes, feeds, delimiter)
    return LinesOfBlock(starts, ends, doubtful)


def _odd_bytes(block: bytes, codes: Array) -> Array:
    """Return the indexes of NUL, of carriage returns within lines, and of byte-order marks."""
    found = [np.flatnonzero(codes == 0)] if b"\0" in block else []
    if b"\r" in block:
        returns = np.flatnonzero(codes == _CARRIAGE_RETURN)
        following = np.append(codes, _LINE_FEED)[returns + 1]
        found.append(returns[following != _LINE_FEED])
    place = block.find(BOM)
    while place >= 0:
        found.append(np.array([place]))
        place = block.find(BOM, place + 1)
    return np.concatenate(found) if found else np.array([], np.int64)


def _outside_utf8(block: bytes, feeds: Array) -> list[int]:
    """Return the indexes of bytes that are not UTF-8, one for each line that has such bytes."""
    found: list[int] = []
    if block.isascii():
        return found
    start, view = 0, memoryview(block)
    while start < len(block):
        try:
            codecs.utf_8_decode(view[start:], "strict", True)
        except UnicodeDecodeError as exc:
            found.append(start + exc.start)
            line = int(np.searchsorted(feeds, found[-1]))
            start = int(feeds[line]) + 1 if line < len(feeds) else len(block)
        else:
            break
    return found


def _with_odd_quotes(codes: Array, feeds: Array, delimiter: str) -> Array:
    """Return which lines have a quote elsewhere than RFC 4180 has them, or an open cell at their end."""
    quotes = np.flatnonzero(codes == _QUOTE)
    before_line = np.append(0, np.searchsorted(quotes, feeds))
    counts = np.diff(before_line, append=len(quotes))
    doubtful: Array = counts % 2 == 1
    # The first quote of a line opens a cell, the second closes it or is doubled, and so on.
    closes = (np.arange(len(quotes)) - np.repeat(before_line, counts)) % 2 == 1
    around = np.zeros(256, bool)
    around[[_QUOTE, _LINE_FEED, _CARRIAGE_RETURN, ord(delimiter)]] = True
    before = np.append(_LINE_FEED, codes)[quotes]
    after = np.append(codes, _LINE_FEED)[quotes + 1]
    odd = quotes[~around[np.where(closes, after, before)]]
    doubtful[np.searchsorted(feeds, odd)] = True
    return doubtful
