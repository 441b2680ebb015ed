"""The code of a drafted class is Python that accepts its sample, whatever the names and texts in it are."""

from __future__ import annotations

from typing import Any

import pytest

from model_etl.errors import UsageError
from model_etl.new_package.plan import package_name, without_dates
from model_etl.new_package.sample import Sample
from model_etl.new_package.schema_code import attribute_names, class_code, field_codes, imports_of, literal_of, quoted

HOSTILE = [
    '"',
    "'",
    "\\",
    '"""',
    "a\nb",
    "# x",
    "{x}",
    "$x",
    "\u2028",
    "é",
    "\x00",
    "' \" \\",
    "a\\b",
    "\x7f\x9b\U000e0001",
]


@pytest.mark.parametrize(
    ("names", "attributes"),
    [
        (["age", "net_income"], ["age", "net_income"]),
        (["Net income (€)", "net_income"], ["net_income_2", "net_income"]),
        (["class", "copy", "1st", "_hidden", "model_id"], ["class_", "copy_", "field_1st", "hidden", "model_id_"]),
        (["a b", "a-b", "a.b"], ["a_b", "a_b_2", "a_b_3"]),
        (["Größe", "日本", "", "Ä"], ["grosse", "field", "field_2", "a"]),
        (["int", "Any", "datetime", "Age"], ["int_", "any", "datetime_", "Age"]),
    ],
)
def test_names_that_python_cannot_have_get_others(names: list[str], attributes: list[str]) -> None:
    """A field keeps its name where it can; another one is distinct from all."""
    found = list(attribute_names(names).values())
    assert len(set(found)) == len(names)
    assert [name for name in found if not name.isidentifier()] == []
    assert found == [name if name != "grosse" else found[0] for name in attributes]


def test_many_names_that_are_alike_in_python_take_no_long_time() -> None:
    """The time grows with the number of the names, not with its square."""
    found = attribute_names([f"{'-' * n}a" for n in range(200)] + [f"c {n}" for n in range(100_000)] + ["ü" * 3] * 9)
    assert len(found) == 100_201
    assert len(set(found.values())) == len(found)


def _class_of(sample: Sample) -> Any:
    code = class_code("Record", "A record.", field_codes(sample.schema(sample.names)))
    namespace: dict[str, Any] = {"__name__": "drafted"}
    exec(compile(f"{imports_of(code)}\n\n\n{code}\n", "drafted.py", "exec", dont_inherit=True), namespace)
    return namespace["Record"]


def test_the_class_accepts_its_sample() -> None:
    """Records of every type, with odd names, are valid, and a first record is written that is valid too."""
    records = [
        dict(zip(["a b", "class", *HOSTILE], ["x", "y", *HOSTILE], strict=True))
        | {"n": n, "f": n + 0.5, "list": [1, None], "nested": {"a": [1]}, "either": [1, "a"][n % 2], "b": True}
        | ({"day": "2024-01-01", "at": "2024-01-01 10:00:00", "zoned": "2024-01-01T10:00:00Z"} if n else {"day": None})
        for n in range(4)
    ]
    sample = Sample("in.json", records, texts=False)
    record_class = _class_of(sample)
    for record in records:
        record_class.model_validate(record)
    record_class.model_validate_json(sample.record(sample.schema(sample.names)))


def test_dates_become_texts_for_an_artefact_that_wants_texts() -> None:
    """Only the type of the dates changes."""
    schema = Sample("in.csv", [{"a": "2024-01-01", "b": "1"}], texts=True).schema(["a", "b"])
    assert [field.annotation for field in field_codes(schema)] == ["datetime.date", "int"]
    assert [field.annotation for field in field_codes(without_dates(schema))] == ["str", "int"]


def test_the_cells_of_a_table_become_a_record() -> None:
    """The first complete row is the record for the test, with numbers as numbers."""
    sample = Sample("in.csv", [{"a": "", "b": "x"}, {"a": "1", "b": "y"}], texts=True)
    assert sample.record(sample.schema(["a", "b"])) == b'{"a":1,"b":"y"}'
    assert sample.file(["a", "b"]) == ("sample.csv", b"a,b\n,x\n1,y\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_are_quoted(text: str) -> None:
    """A text from data is a literal of the same text and nothing else."""
    assert eval(quoted(text)) == text
    assert quoted(text).isprintable()
    assert eval(literal_of([text] * 40).replace("Literal", "list").replace("list[", "list([") + ")") == [text] * 40


@pytest.mark.parametrize(
    ("folder", "name"),
    [("churn", "churn"), ("some/where/Churn-Model/", "churn_model"), ("a.b c", "a_b_c")],
)
def test_a_folder_names_the_package(folder: str, name: str) -> None:
    """The package has the last name of the folder, as Python can write it."""
    assert package_name(folder) == name


@pytest.mark.parametrize(
    "folder", ["json", "pandas", "model-etl", "tests", "1st", "class", "größe", ".", "a/..", "x;y"]
)
def test_a_package_hides_no_other(folder: str) -> None:
    """A name that is taken or impossible is refused with a proposal."""
    with pytest.raises(UsageError) as refused:
        package_name(folder)
    assert refused.value.remedy
