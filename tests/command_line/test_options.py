"""The table of options: its defaults, the page of documentation, the help, and mistyped names."""

from __future__ import annotations

import dataclasses
import runpy
from typing import Any

import pytest
from helpers.command import IRIS, ROOT, SETOSA, Etl

from model_etl import __version__
from model_etl.errors import ConfigurationError
from model_etl.services.s3.access import Access
from model_etl.settings.job_config import DEFAULTS, JobConfig, ScoringSettings, StorageSettings
from model_etl.settings.option import GROUPS
from model_etl.settings.options import OPTIONS
from model_etl.settings.verb_options import COMMAND_OPTIONS

NEEDED = {"input_file": "in.json", "output_file": "out.json", "model": "a:B"}
SECRET = "hunter2secret"


def test_the_page_of_options_is_generated() -> None:
    """docs/options.md has the tables that `python docs/generate_options.py` writes."""
    page = (ROOT / "docs/options.md").read_text(encoding="utf-8")
    generator = runpy.run_path(str(ROOT / "docs/generate_options.py"))
    assert generator["with_tables"](page) == page, "run: python docs/generate_options.py"


def test_each_option_is_one_field_of_the_settings() -> None:
    """The options are the fields of the three classes, without any twice; a table in a file configures decorators."""
    classes = (JobConfig, ScoringSettings, StorageSettings)
    fields = [item.name for cls in classes for item in dataclasses.fields(cls)]
    assert sorted(fields) == sorted([*OPTIONS, "decorators", "scoring", "storage"])
    assert {option.group for option in OPTIONS.values()} == set(GROUPS)


def test_the_service_has_the_defaults_of_the_settings() -> None:
    """Used by hand, the S3 service waits and retries as a run does."""
    for item in dataclasses.fields(Access):
        assert item.default == DEFAULTS[item.name]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": None}, "--model is not given"),
        ({"model": None, "output_file": ""}, "--output_file, --model are not given"),
        ({"join": True, "keep": ["x"]}, "exclude each other"),
        ({"limit": 0}, "'limit' is '0': 0 is less than 1"),
        ({"retries": 101}, "101 is not from 0 to 100"),
        ({"connect_timeout": 0}, "'0' is not greater than 0"),
        ({"lock_wait": "5x"}, "'5x' is not a valid number of seconds"),
        ({"workers": "many"}, "'many' is not a whole number"),
        ({"max_errors": "many"}, "neither a number of records nor a percentage"),
        ({"max_errors": "101%"}, "out of range"),
        ({"dry_run": "perhaps"}, "neither yes nor no"),
        ({"on_empty": "perhaps"}, "'perhaps'"),
        ({"key": 5}, "must be a string"),
        ({"limit": ["1"]}, "must not be a list"),
    ],
)
def test_values_that_an_option_does_not_take(options: dict[str, Any], message: str) -> None:
    """A missing or wrong value is a configuration error that names the option."""
    with pytest.raises(ConfigurationError, match=message):
        JobConfig.from_options(**{**NEEDED, **options})


def test_secrets_are_masked_by_their_options() -> None:
    """The report and the log have neither keys nor a URL with a password."""
    secrets = {"key": SECRET, "secret_key": SECRET, "endpoint_url": f"me:{SECRET}@host", "bucket": "data"}
    shown = JobConfig.from_options(**{**NEEDED, "output_file": f"s3://me:{SECRET}@b/x"}, **secrets).masked_options()
    assert SECRET not in str(shown)
    assert list(shown) == list(OPTIONS)
    assert (shown["key"], shown["output_file"], shown["bucket"]) == ("***", "s3://***@b/x", "data")


def test_options_may_have_hyphens(etl: Etl) -> None:
    """`--input-file` is `--input_file`, also with an equals sign; the help shows one form."""
    etl.write("in.json", [SETOSA])
    run = etl("--input-file=in.json", "--output-file", "out.json", "-m", IRIS, "--dry-run", "--max-errors", "2%")
    assert (run.code, run.err) == (0, "")
    assert b"--input-file" not in etl("run", "--help").out.replace(b"--input-file is --input_file", b"")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--inptu_file", SECRET], "--inptu_file (did you mean --input_file?)"),
        (["--max-erors=" + SECRET], "--max-erors (did you mean --max_errors?)"),
        (["check", "--modle", SECRET], "--modle (did you mean --model?)"),
        (["schema", "--fron", SECRET], "--fron (did you mean --from?)"),
        (["--input", SECRET], "--input (did you mean"),
        (["--zzz", SECRET], "unrecognized arguments: --zzz\n"),
        (["chek", "-i", SECRET], "did you mean check?"),
        ([SECRET], "neither a verb nor an option (verbs: run, check, describe, retry, init, try, schema)"),
        (["-i", "in.json", "check"], "the verb check must come first"),
        (["-i", "in.json", SECRET], "a value that belongs to no option"),
    ],
)
def test_mistyped_names_get_a_hint(etl: Etl, arguments: list[str], message: str) -> None:
    """The message has the option or verb that was meant, and no value, which may be a secret."""
    run = etl(*arguments)
    assert run.code == 2
    assert message in run.err
    assert SECRET not in run.err


def test_help_starts_with_everyday_options_and_has_groups(etl: Etl) -> None:
    """The six everyday options come first, then the groups of docs/options.md, with defaults."""
    shown = etl("run", "--help", env={"COLUMNS": "200"}).out.decode()
    everyday = [option.flag for option in OPTIONS.values() if option.everyday]
    titles = ["everyday options:", *(f"{group}:" for group in GROUPS), "help:"]
    places = [shown.index(f"\n{title}\n") for title in titles]
    assert places == sorted(places)
    assert len(everyday) == 6
    assert all(places[0] < shown.index(f"\n  {flag}") < places[1] for flag in everyday)
    assert all(f"--{name}" in shown for name in COMMAND_OPTIONS)
    for default in ("(default: replace)", "(default: 30)", "(default: model_etl)"):
        assert default in shown


@pytest.mark.parametrize("arguments", [["--version", "-v"], ["-v", "--version"], ["--version", "--verbose"]])
def test_version_names_what_it_stands_on(etl: Etl, arguments: list[str]) -> None:
    """With -v, the versions of Python and of the dependencies follow."""
    lines = etl(*arguments).out.decode().splitlines()
    assert lines[0] == f"model-etl {__version__}"
    assert {"Python", "bonobo", "fs", "fs-s3fs", "pyarrow", "pydantic", "msgspec", "ml-base", "boto3"} <= {
        line.split()[0] for line in lines
    }
    assert etl("--version").out.decode() == f"model-etl {__version__}\n"


def test_a_toml_file_may_start_with_a_byte_order_mark(etl: Etl) -> None:
    """A --config file that Notepad or PowerShell has saved is read like any other."""
    etl.write("in.json", [SETOSA])
    etl.write("job.toml", b"\xef\xbb\xbf" + f'input_file = "in.json"\nmodel = "{IRIS}"\n'.encode())
    run = etl("--config", "job.toml", "-o", "out.json")
    assert (run.code, run.err) == (0, "")
