"""--keep and --redact with names that no input has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import Etl, Result

TABLES: dict[str, Callable[[Path], object]] = {
    "in.csv": lambda path: path.write_bytes(b"cust_id,x,phone\n7,1,555\n"),
    "in.tsv": lambda path: path.write_bytes(b"cust_id\tx\tphone\n7\t1\t555\n"),
    "in.parquet": lambda path: pq.write_table(pa.table({"cust_id": [7], "x": [1], "phone": ["555"]}), path),
}


@pytest.fixture
def scored(etl: Etl, score: Callable[..., Result]) -> Callable[..., Result]:
    """Return a function that scores a table with the columns cust_id, x and phone."""

    def run(table: str, *flags: str, **options: str) -> Result:
        TABLES[table](etl.folder / table)
        return score("-i", table, "-o", "out.json", *flags, **options)

    return run


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("flags", "message", "hint"),
    [
        (("--keep", "custid"), "--keep names 'custid', which is not a column of in.", "Did you mean 'cust_id'?"),
        (("--keep", "phone,CUST_ID"), "--keep names 'CUST_ID'", "Did you mean 'cust_id'?"),
        (("--keep", "nothing_like_it"), "--keep names 'nothing_like_it'", "The columns are: 'cust_id', 'x', 'phone'."),
        (("--redact", "Phone"), "--redact names 'Phone', which is neither a column", "Did you mean 'phone'?"),
    ],
)
def test_a_name_that_the_table_has_not(
    etl: Etl, scored: Callable[..., Result], table: str, flags: tuple[str, ...], message: str, hint: str
) -> None:
    """A name that is that of no column ends the run with 78; the message has the names that resemble it."""
    for verb_flags in ((), ("--workers", "2")):
        done = scored(table, *flags, *verb_flags)
        assert (done.code, message in done.err, hint in done.err) == (78, True, True), done.err
        assert etl.files() == {table}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("flags", [("--keep", "cust_id"), ("--redact", "phone"), ("--redact", "y,x")])
def test_a_name_that_the_table_or_the_model_has(
    scored: Callable[..., Result], table: str, flags: tuple[str, ...]
) -> None:
    """Columns can be kept and redacted, fields of the prediction redacted."""
    assert scored(table, *flags).err == ""


def test_records_that_are_objects_may_have_any_field(etl: Etl, score: Callable[..., Result]) -> None:
    """Of JSON Lines the fields are not known beforehand: what is kept is null where a record lacks it."""
    etl.write("in.json", [{"x": 1}])
    assert score("-i", "in.json", "-o", "out.json", "--keep", "id", "--redact", "phone").err == ""
    assert etl.lines("out.json") == [{"id": None, "y": 1.0}]


@pytest.mark.parametrize(("name", "code"), [("a", 0), ("b", 0), ("c", 78)])
def test_one_of_many_tables_has_the_column(etl: Etl, score: Callable[..., Result], name: str, code: int) -> None:
    """Of several inputs one has to have the column; in the records of the others, it is null."""
    (etl.folder / "in").mkdir()
    etl.write("in/1.csv", b"x,a\n1,2\n")
    etl.write("in/2.csv", b"x,b\n1,2\n")
    etl.write("in/3.csv", b"")
    done = score("-i", "in", "-o", "out.json", "--keep", name)
    assert (done.code, "any of the" in done.err) == (code, bool(code)), done.err


def test_internals_of_a_model_may_have_any_name(etl: Etl, score: Callable[..., Result]) -> None:
    """A model that exposes internals can have any name in them, so none is refused for --redact."""
    etl.write("in.csv", b"x\n1\n")
    (etl.folder / "inner.py").write_text(
        "from failing_models import Good\n\n\nclass Inner(Good):\n"
        "    def predict_batch(self, records):\n        return [self.predict(r) for r in records]\n\n"
        "    def predict_batch_with_internals(self, records):\n"
        "        return self.predict_batch(records), [{'score': 1}] * len(records)\n"
    )
    assert score("-i", "in.csv", "-o", "out.json", "--redact", "score", model="inner:Inner").err == ""
    assert b"[redacted]" in (etl.folder / "out.log.ldjson").read_bytes()
