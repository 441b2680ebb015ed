"""The options of tables, through the real command: run, check and retry."""

from __future__ import annotations

import json

from helpers.command import IRIS, Etl

GERMAN = (
    "petal_length;petal_width;sepal_length;sepal_width;Größe\r\n"
    "1,4;0,2;4,4;2,9;ä\r\nNA;2,5;6,3;3,3;ö\r\n6,0;2,5;6,3;3,3;\r\n"
)
OPTIONS = ("--delimiter", ";", "--encoding", "cp1252", "--decimal", ",")


def test_a_table_of_another_country_is_scored_and_its_rejects_again(etl: Etl) -> None:
    """Rejects have the original bytes; retry reads them as the run did, and its own options go before."""
    original = GERMAN.encode("cp1252").replace(b";\r\n", b";\x81\r\n")
    etl.write("in.csv", original)
    run = etl("-i", "in.csv", "-o", "out.csv", "-m", IRIS, *OPTIONS, "--max_errors", "2", "--join")
    assert (run.code, run.err) == (0, "")
    lines = (etl.folder / "out.csv").read_text(encoding="utf-8").splitlines()
    assert lines == ["petal_length,petal_width,sepal_length,sepal_width,Größe,species", "1.4,0.2,4.4,2.9,ä,setosa"]
    settings = etl.lines("out.log.ldjson")[0]["data"]["settings"]
    assert [settings[name] for name in ("delimiter", "encoding", "decimal", "no_header")] == [";", "cp1252", ",", False]
    null, invalid = etl.lines("out.rejects.ldjson")
    assert (null["text"], null["stage"]) == ("NA;2,5;6,3;3,3;ö", "input_schema")
    assert (invalid["type"], null["dialect"]["delimiter"]) == ("InvalidEncoding", ";")
    assert original[null["offset"] :].startswith(null["text"].encode("cp1252"))

    fixed = etl(
        "retry", "out.rejects.ldjson", "-o", "again.json", "-m", IRIS, "--encoding", "latin-1", "--max_errors", "1"
    )
    assert (fixed.code, fixed.err) == (0, "")
    assert etl.lines("again.json") == [{"species": "virginica"}]
    (again,) = etl.lines("again.rejects.ldjson")
    assert (again["text"], again["dialect"]["encoding"]) == ("NA;2,5;6,3;3,3;ö", "latin-1")


def test_each_failure_names_the_next_option(etl: Etl) -> None:
    """Whoever follows the messages of check gets to a run: encoding, delimiter, decimals, null values, header."""
    rows = "4,4;2,9;1,4;0,2;é\n6,3;NA;6,0;2,5;ö\n"
    etl.write("in.csv", rows.encode("latin-1"))
    command = ["check", "-i", "in.csv", "-o", "out.json", "-m", IRIS]
    for message, more in (
        ("--encoding latin-1", ["--encoding", "latin-1"]),
        ("Use --delimiter ';'.", ["--delimiter", ";"]),
        ("Use --no_header", ["--no_header"]),
        ("5 columns, the model has 4 fields", []),
    ):
        run = etl(*command)
        assert run.code == 65
        assert message in run.err
        command += more
    etl.write("in.csv", rows.replace(";é", "").replace(";ö", ""))
    for message, more in (("--decimal ','", ["--decimal", ","]), ("--null_values NA", ["--null_values", "NA"])):
        run = etl(*command)
        assert run.code == 65
        assert message in run.err
        command += more
    run = etl(*command)
    assert "Field required" in run.err  # sepal_width is never missing in this model


def test_options_of_tables_are_refused_where_there_is_no_table(etl: Etl) -> None:
    """An option that would change nothing is an error, not ignored."""
    etl.write("in.json", [{"sepal_length": 1}])
    run = etl("-i", "in.json", "-o", "out.json", "-m", IRIS, "--delimiter", ";", "--no_header")
    assert run.code == 78
    assert "--delimiter, --no_header: no input is a table of text; in.json is read as ldjson" in run.err


def test_wrong_values_are_refused_with_their_option(etl: Etl) -> None:
    """A delimiter of two characters, an unknown encoding, another decimal separator: exit code 2."""
    for name, value, message in (
        ("delimiter", ";;", "not one character"),
        ("encoding", "klingon", "not an encoding such as latin-1"),
        ("decimal", ";", "invalid choice"),
    ):
        run = etl("-i", "in.csv", "-o", "out.json", "-m", IRIS, f"--{name}", value)
        assert run.code == 2
        assert message in run.err
    etl.write("score.toml", json.dumps(";;").join(["delimiter = ", "\n"]))
    assert etl("-i", "in.csv", "-o", "out.json", "-m", IRIS, "--config", "score.toml").code == 78
