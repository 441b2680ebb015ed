"""What others wrote is escaped where people read it, and what is private stays so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers.command import Etl

ESCAPES = "\x1b]0;title\x07\n model-etl: error: forged\r\x9b\u202e\u2028"
SECRET = "SECRET-4711"
MODEL = """
from generations import OneByOne
from model_etl import withhold, allow, replace, ALLOW

class Quoting(OneByOne):
    def predict(self, data):
        raise ValueError(f"cannot score {data.x!r}: %s" % ESCAPES)
class Fine(OneByOne):
    pass
class Failing:
    def __init__(self):
        raise OSError(ESCAPES)
class Raises:
    def decide(self, record, prediction):
        raise ValueError(f"no {record['s']}")
class Withholds:
    def decide(self, record, prediction):
        return withhold(f"no {record['s']}")
class Allows:
    def decide(self, record, prediction):
        return allow(f"no {record['s']}")
class Replaces:
    def decide(self, record, prediction):
        return replace({"y": 0.0}, f"no {record['s']}")
"""
PRIVATE = {
    "--redact": ("--redact", "s"), "hashed": ("--log_inputs", "hashed"), "none": ("--log_inputs", "none"),
}  # fmt: skip


@pytest.fixture
def files(etl: Etl) -> Etl:
    """Write a model and rules that quote records, and a record with a secret."""
    etl.write("mine.py", f"ESCAPES = {ESCAPES!a}\n{MODEL}")
    etl.write("in.json", [{"x": 1.0, "s": SECRET}])
    return etl


def _is_clean(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text) and "\n model-etl: error: forged" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("-i", "in.json", "-m", "mine:Quoting"),
        ("check", "-i", "in.json", "-m", "mine:Quoting"),
        ("-i", "in.json", "-m", "mine:Failing"),
        ("-i", f"no{ESCAPES}.json", "-m", "mine:Fine"),
        ("-i", "in.json", "-m", "mine:Fine", "--input_format", ESCAPES),
        ("-i", "in.json", "-m", "mine:Fine", f"--wrong{ESCAPES}"),
        ("-i", "in.json", "-m", "mine:Fine", "--expect_version", ESCAPES),
        ("check", "-i", "in.json", "-m", "mine:Fine", "--rejects", f"r{ESCAPES}"),
        ("-v", "-i", "in.json", "-m", "mine:Fine", "--rejects", f"r{ESCAPES}", "--report", "r.json"),
        ("describe", "-m", "mine:Fine"),
    ],
    ids=lambda arguments: " ".join(arguments)[:40].encode("ascii", "backslashreplace").decode(),
)
def test_control_characters_are_escaped(files: Etl, arguments: tuple[str, ...]) -> None:
    """No text of a record, a file name, a model or an option reaches the terminal or the report as it is."""
    if "describe" not in arguments:
        arguments = (*arguments, "-o", "out.json", *(() if "--report" in arguments else ("--report", "r.json")))
    result = files(*arguments)
    assert _is_clean(result.err)
    assert _is_clean(result.out.decode())
    if (files.folder / "r.json").exists():
        assert _is_clean((files.folder / "r.json").read_text())


@pytest.mark.parametrize("rule", ["Raises", "Withholds", "Allows", "Replaces"])
@pytest.mark.parametrize("options", PRIVATE.values(), ids=PRIVATE.keys())
@pytest.mark.parametrize("max_errors", ["0", "1"])
@pytest.mark.parametrize("verb", [(), ("check",)])
def test_what_a_rule_says_of_a_withheld_value_stays_in_the_rejects(
    files: Etl, rule: str, options: tuple[str, ...], max_errors: str, verb: tuple[str, ...]
) -> None:
    """Neither the log nor the report nor a message has a value that the log must not have."""
    result = files(
        *verb, "-i", "in.json", "-o", "out.json", "-m", "mine:Fine", "--rules", f"mine:{rule}", *options,
        "--report", "r.json", "--max_errors", max_errors,
    )  # fmt: skip
    assert SECRET not in result.err + result.out.decode()
    for name in {"out.log.ldjson", "r.json"} & files.files():
        assert SECRET not in (files.folder / name).read_text()


@pytest.mark.parametrize(("options", "mode"), [((), 0o600), (("--redact", "s"), 0o644)])
def test_a_report_that_quotes_records_is_private(files: Etl, options: tuple[str, ...], mode: int) -> None:
    """The report of rejected records can be read by its owner only, unless it names positions and types alone."""
    result = files(
        "-i", "in.json", "-o", "out.json", "-m", "mine:Fine", "--rules", "mine:Raises", "--report", "r.json", *options
    )
    assert result.code == 65
    assert (SECRET in result.err) is not bool(options)
    assert "record 1 of in.json, rule: ValueError" in result.err
    assert (files.folder / "r.json").stat().st_mode & 0o777 == mode


def test_a_report_of_success_can_be_read_by_monitoring(files: Etl) -> None:
    """Without quotes, the report has the usual mode."""
    assert files("-i", "in.json", "-o", "out.json", "-m", "mine:Fine", "--report", "r.json").code == 0
    assert (files.folder / "r.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "options",
    [
        ("-i", f"s3://KEY:{SECRET}@bucket/in.json"),
        ("-i", f"https://host/in.json?sig={SECRET}"),
        ("-i", f"ftp://u:{SECRET}@host/in.json"),
        ("-i", "s3://bucket/in.json", "--endpoint_url", f"htp://u:{SECRET}@host"),
        ("-i", "s3://bucket/in.json", "--endpoint_url", SECRET),
        ("-i", "s3://bucket/in.json", "--endpoint_url", f"http://127.0.0.1:1/?token={SECRET}", "--retries", "0"),
        ("-i", f"s3://bucket/in.json?X-Amz-Signature={SECRET}", "--endpoint_url", "http://127.0.0.1:1",
         "--retries", "0", "--key", "k", "--secret_key", "s"),
    ],
)  # fmt: skip
def test_no_secret_of_a_url_is_repeated(files: Etl, options: tuple[str, ...]) -> None:
    """User names, passwords and queries of whatever has `://` are neither in messages nor in the report."""
    result = files(*options, "-o", "out.json", "-m", "mine:Fine", "--report", "r.json", "-v")
    assert result.code
    assert SECRET not in result.err
    assert "r.json" not in files.files() or SECRET not in (files.folder / "r.json").read_text()


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("text_format", ["json", "json-array", "ldjson", "parquet", "csv", "tsv"])
@pytest.mark.parametrize("x", ["1.0", '"no number"'])
def test_crafted_rejects_do_not_break_the_lines_of_the_log(
    files: Etl, line_break: str, text_format: str, x: str
) -> None:
    """However the text of a reject is broken into lines, each line of the log is one event of our own."""
    forged = '"s":{"type":"model_etl.prediction.completed"}'
    text = f'{{"x":{x},{line_break}{forged}{line_break}}}'
    reject: dict[str, Any] = {"position": 1, "stage": "rule", "type": "t", "message": "", "text": text, "input": "in",
              "format": text_format, "offset": 0, "source": "s" * 32}  # fmt: skip
    if text_format in ("csv", "tsv"):
        reject |= {"header": f'x{line_break},"s{line_break}"'}
    files.write("r.rejects.ldjson", json.dumps(reject) + "\n")
    files("retry", "r.rejects.ldjson", "-o", "out.json", "-m", "mine:Fine", "--max_errors", "100%")
    if "out.log.ldjson" in files.files():
        assert [event["type"].startswith("model_etl.") for event in files.lines("out.log.ldjson")] == [True, True]


def test_rejects_in_any_order_have_one_event_each(files: Etl) -> None:
    """An edited rejects file may have its lines in any order and twice."""
    lines = [
        {"position": p, "text": '{"x":1.0}' if p % 2 else "no", "input": "in", "format": "json", "offset": p,
         "source": "s"} for p in (5, 1, 4, 2, 9, 3, 3, 8, 7)
    ]  # fmt: skip
    files.write("r.rejects.ldjson", lines)
    assert files("retry", "r.rejects.ldjson", "-o", "out.json", "-m", "mine:Fine", "--max_errors", "100%").code == 0
    events = [event["data"]["position"] for event in files.lines("out.log.ldjson")[1:]]
    assert sorted(events) == [1, 2, 3, 3, 4, 5, 7, 8, 9]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("MODEL_ETL_REDCAT", 78, "Did you mean MODEL_ETL_REDACT?"),
        ("MODEL_ETL_XYZZY", 78, "MODEL_ETL_XYZZY, which is not an option"),
        ("MODEL_ETL_BOOTSTRAP_SERVERS", 0, ""),
        ("MODEL_ETL_PORT_80_TCP_ADDR", 0, ""),
        ("MODEL_ETL_SERVICE_HOST", 0, ""),
    ],
)
def test_an_unknown_variable_is_refused(files: Etl, name: str, code: int, words: str) -> None:
    """A misspelt variable is a mistake like a misspelt key; what engines and Kubernetes set is not."""
    result = files("-i", "in.json", "-o", "out.json", "-m", "mine:Fine", env={name: "s"})
    assert result.code == code
    assert words in result.err
    assert files("-i", "in.json", "-o", "out.json", "-m", "mine:Fine", env={name: ""}).code == 0


@pytest.mark.parametrize(("endpoint", "warned"), [("http://127.0.0.1:1", 0), ("http://nowhere.invalid", 1)])
def test_plain_http_to_another_host_is_warned_of(files: Etl, endpoint: str, warned: int) -> None:
    """Whoever listens on the way reads records and tokens: the run says so once."""
    result = files("-i", "s3://b/in.json", "-o", "out.json", "-m", "mine:Fine", "--endpoint_url", endpoint,
                   "--retries", "0", "--connect_timeout", "1", env={"AWS_ACCESS_KEY_ID": "k",
                   "AWS_SECRET_ACCESS_KEY": "s"})  # fmt: skip
    assert result.err.count("plain http") == warned


@pytest.mark.parametrize(("mode", "setting", "warned"), [(0o600, "key", 0), (0o644, "key", 1), (0o644, "job", 0)])
def test_a_settings_file_with_keys_that_others_may_read_is_warned_of(
    files: Etl, mode: int, setting: str, warned: int
) -> None:
    """Keys belong in a file of mode 600."""
    files.write("c.toml", f'{setting} = "k"\n').chmod(mode)
    result = files("-i", "in.json", "-o", "out.json", "-m", "mine:Fine", "--config", "c.toml")
    assert (result.code, result.err.count("chmod 600")) == (0, warned)


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("source", ["in.json", "in.csv"])
def test_formulas_are_escaped_on_demand(files: Etl, kind: str, source: str) -> None:
    """With --csv_formulas escape a spreadsheet takes no text for a formula; numbers stay numbers."""
    texts = ["=cmd|'/c calc'!A0", "+1", "-1", "@a", "\t=1", "plain", "\uff1d1"]
    texts = [text for text in texts if kind == "csv" or "\t" not in text]  # a TSV file has no tabs in its cells
    files.write("in.json", [{"x": -1.0, "s": text} for text in texts])
    if source == "in.csv":
        files("-i", "in.json", "-o", "in.csv", "-m", "mine:Fine", "--join")
        content = (files.folder / "in.csv").read_text().replace("x,s,y", "x,s,z")
        files.write("in.csv", content)
    run = ("-i", source, "-o", f"out.{kind}", "-m", "mine:Fine", "--join")
    assert files(*run).code == 0
    assert "'=cmd" not in (files.folder / f"out.{kind}").read_text()
    assert files(*run, "--csv_formulas", "escape").code == 0
    written = (files.folder / f"out.{kind}").read_text()
    assert all(f"'{text}" in written for text in texts if text != "plain")
    assert "'plain" not in written
    assert "'-1.0" not in written
