"""Files of loans of which some are damaged, and the same loans written in other ways; made once, from a fixed seed.

    python benchmarks/damaged_loans.py 300000      # makes all of them

A file is as long as the file that it is made from, but for what is damaged: its time against the time of that file is
the cost of the damage.
"""

from __future__ import annotations

import csv
import io
import random
import sys
from codecs import BOM_UTF8 as BOM
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import common
import loan_inputs

Row = list[str]
AGE, INCOME, AMOUNT, PURPOSE, EMPLOYMENT, REGION, OPENED = 1, 2, 3, 5, 6, 7, 8
REFUSED_OF_300_000 = 36
"""How many records the model refuses, of 300,000."""

_BAD_CELLS: Sequence[tuple[int, str]] = (
    (AGE, "x"),
    (AGE, "-5"),
    (AGE, " "),
    (INCOME, "abc"),
    (AMOUNT, "0"),
    (OPENED, "2024-13-01"),
    (OPENED, "2024-02-30"),
    (OPENED, "yesterday"),
)
"""Cells that the schema refuses."""


def _with(row: Row, column: int, cell: str) -> bytes:
    return _line([*row[:column], cell, *row[column + 1 :]])


def _line(row: Row) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue().encode()


_BAD_ROWS: Sequence[Callable[[Row], bytes]] = (
    lambda row: _line(row[:-2]),  # too few cells
    lambda row: _line([*row, "more"]),  # too many
    lambda row: _line(row).replace(b"," + row[PURPOSE].encode(), b',a 5" ' + row[PURPOSE].encode(), 1),  # no quoting
    lambda row: _line(row).replace(b"," + row[PURPOSE].encode(), b',"a "b' + row[PURPOSE].encode(), 1),  # not valid
    lambda row: _with(row, EMPLOYMENT, "self-\nemployed"),
    lambda row: b"\n" + _line(row),  # a blank line
    lambda row: _with(row, PURPOSE, "caf\xe9").replace("\xe9".encode(), b"\xe9"),  # Latin-1
    lambda row: _line(row).replace(b"," + row[PURPOSE].encode(), b",c\0r", 1),
    lambda row: _line(row).replace(b"," + row[PURPOSE].encode(), b",c\rr", 1),
    lambda row: _with(row, REGION, 'the "far" north, and east'),
    lambda row: _with(row, PURPOSE, "long " * 2000),
    lambda row: _line(row) + b"\r",  # another line end
)
"""Rows that are not plain."""


def _cells(rows: Iterator[Row], chance: random.Random) -> Iterator[bytes]:
    for row in rows:
        yield _with(row, *chance.choice(_BAD_CELLS)) if chance.random() < 0.01 else _line(row)


def _rows(rows: Iterator[Row], chance: random.Random) -> Iterator[bytes]:
    for row in rows:
        yield chance.choice(_BAD_ROWS)(row) if chance.random() < 0.01 else _line(row)


def _refused(rows: Iterator[Row], chance: random.Random) -> Iterator[bytes]:
    for row in rows:
        yield _with(row, INCOME, "inf") if chance.random() < REFUSED_OF_300_000 / 300_000 else _line(row)


def _all_quoted(rows: Iterator[Row], _: random.Random) -> Iterator[bytes]:
    for row in rows:
        yield b'"' + '","'.join(row).encode() + b'"'


def _cr_lf(rows: Iterator[Row], _: random.Random) -> Iterator[bytes]:
    for row in rows:
        yield _line(row) + b"\r"


def _semicolons(rows: Iterator[Row], _: random.Random) -> Iterator[bytes]:
    for row in rows:
        yield ";".join(row).encode()


def _commas(rows: Iterator[Row], _: random.Random) -> Iterator[bytes]:
    for row in rows:
        yield ";".join(
            [*row[:INCOME], *(cell.replace(".", ",") for cell in row[INCOME:PURPOSE]), *row[PURPOSE:]]
        ).encode()


def _nulls(rows: Iterator[Row], _: random.Random) -> Iterator[bytes]:
    for row in rows:
        yield _line([cell or "NA" for cell in row])


def _plain(rows: Iterator[Row], _: random.Random) -> Iterator[bytes]:
    yield from map(_line, rows)


def _tabs(rows: Iterator[Row], _: random.Random) -> Iterator[bytes]:
    for row in rows:
        yield "\t".join(row).encode()


Damage = Callable[[Iterator[Row], random.Random], Iterator[bytes]]
KINDS: dict[str, tuple[Damage, Sequence[str]]] = {
    "bad-cells": (_cells, ()),
    "bad-rows": (_rows, ()),
    "refused": (_refused, ()),
    "all-quoted": (_all_quoted, ()),
    "cr-lf": (_cr_lf, ()),
    "byte-order-mark": (_plain, ()),
    "semicolons": (_semicolons, ("--delimiter", ";")),
    "decimal-commas": (_commas, ("--delimiter", ";", "--decimal", ",")),
    "null-values": (_nulls, ("--null_values", "NA")),
    "tabs": (_tabs, ("--input_format", "tsv")),
}
"""How the rows of each kind of file are written, and the options with which it is read."""
_SEPARATORS = {"semicolons": ";", "decimal-commas": ";", "tabs": "\t"}
MOST = {"bad-cells": 1.1, "bad-rows": 1.3, "refused": 1.5}
"""How many times as long as the plain file each may take; 1.3 times for all others."""


def damaged(count: int, kind: str) -> tuple[Path, Sequence[str]]:
    """Return a file of loans of some kind, which is made on first use, and the options to read it with.

    Args:
        count: how many loans.
        kind: a name of `KINDS`.
    """
    damage, options = KINDS[kind]
    path = common.DATA / f"loans-{count}-{kind}.csv"
    if not path.exists():
        print(f"making {path.relative_to(common.ROOT)} ...", file=sys.stderr)
        chance = random.Random(common.SEED)
        with (
            loan_inputs.loans_file(count).open(encoding="utf-8", newline="") as plain,
            path.with_suffix(".part").open("wb") as file,
        ):
            rows = csv.reader(plain)
            header = _SEPARATORS.get(kind, ",").join(next(rows)).encode()
            file.write((BOM if kind == "byte-order-mark" else b"") + header + (b"\r\n" if kind == "cr-lf" else b"\n"))
            file.writelines(line + b"\n" for line in damage(rows, chance))
        path.with_suffix(".part").replace(path)
    return path, options


if __name__ == "__main__":
    for each in KINDS:
        damaged(int(sys.argv[1]), each)
