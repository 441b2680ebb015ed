"""Texts of the command line and the environment that are not UTF-8, for every option."""

from __future__ import annotations

import os

import pytest
from helpers.command import Etl

from model_etl.cli.parser import build_parser
from model_etl.errors import ConfigurationError
from model_etl.settings.option import Option
from model_etl.settings.options import OPTIONS
from model_etl.settings.sources import merge_settings
from model_etl.settings.verb_options import COMMAND_OPTIONS

LATIN_1 = os.fsdecode("größe".encode("latin-1"))
FILE_NAMES = {
    "input_file", "output_file", "prediction_log", "rejects", "report", "config", "model_python", "self_test", "schema",
}  # fmt: skip
TEXTS = [option for option in OPTIONS.values() if not option.switch and not option.file]


def test_only_names_of_files_may_be_other_bytes() -> None:
    """All options but those that name a file are UTF-8."""
    options = (*OPTIONS.values(), *COMMAND_OPTIONS.values())
    assert {option.name for option in options if option.file} == FILE_NAMES


@pytest.mark.parametrize("option", TEXTS, ids=lambda option: option.name)
def test_a_flag_that_is_not_utf_8(option: Option, capsys: pytest.CaptureFixture[str]) -> None:
    """A flag whose value is not UTF-8 is a usage error that names the flag and hides the value."""
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(["run", option.flag, LATIN_1])
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert f"argument {option.flag}" in err
    assert "not valid UTF-8" in err
    assert LATIN_1 not in err


@pytest.mark.parametrize("option", TEXTS, ids=lambda option: option.name)
def test_a_variable_that_is_not_utf_8(option: Option) -> None:
    """A variable whose value is not UTF-8 is named, without the value."""
    with pytest.raises(ConfigurationError, match=f"the variable {option.variable} is not valid UTF-8"):
        merge_settings({}, environment={option.variable: LATIN_1})


@pytest.mark.parametrize(
    ("flags", "env", "code"),
    [
        (("--keep", LATIN_1), {}, 2),
        (("--job", LATIN_1), {}, 2),
        (("--redact", f"a,{LATIN_1}"), {}, 2),
        (("--rules", LATIN_1), {}, 2),
        ((), {"MODEL_ETL_KEEP": LATIN_1}, 78),
        ((), {"MODEL_ETL_RULES": f"a:B,{LATIN_1}"}, 78),
    ],
)
def test_a_run_with_a_text_that_is_not_utf_8(etl: Etl, flags: tuple[str, ...], env: dict[str, str], code: int) -> None:
    """A run with such a text ends before anything is written, and not as a bug."""
    etl.write("in.json", b'{"x":1}\n')
    done = etl("run", "-i", "in.json", "-o", "out.json", "-m", "failing_models:Good", *flags, env=env)
    assert (done.code, "UTF-8" in done.err, "bug" in done.err) == (code, True, False)
    assert etl.files() == {"in.json"}


def test_a_null_character_in_a_file_of_settings(etl: Etl) -> None:
    """TOML can write a null character, which no name may have."""
    etl.write("in.json", b'{"x":1}\n')
    for name in ("input_file", "job", "rules"):
        value = r'["a\u0000"]' if name == "rules" else r'"a\u0000"'
        etl.write("c.toml", f"{name} = {value}\n")
        arguments = (
            "-o",
            "out.json",
            "-m",
            "failing_models:Good",
            *(() if name == "input_file" else ("-i", "in.json")),
        )
        done = etl("run", "--config", "c.toml", *arguments)
        assert (done.code, "null character" in done.err) == (78, True)


@pytest.mark.parametrize("verb", ["run", "check", "describe"])
def test_a_file_of_settings_with_a_byte_order_mark(etl: Etl, verb: str) -> None:
    """A TOML file that an editor of Windows has saved is read."""
    etl.write("in.json", b'{"x":1}\n')
    etl.write("c.toml", b'\xef\xbb\xbfmodel = "failing_models:Good"\r\n')
    files = () if verb == "describe" else ("-i", "in.json", "-o", "out.json")
    assert etl(verb, "--config", "c.toml", *files).code == 0


def test_a_file_of_settings_in_utf_16(etl: Etl) -> None:
    """A TOML file in UTF-16, as PowerShell writes it, is refused with the reason."""
    etl.write("c.toml", 'model = "a:B"\r\n'.encode("utf-16"))
    done = etl("describe", "--config", "c.toml")
    assert (done.code, "c.toml is not UTF-8" in done.err, "Save it as UTF-8" in done.err) == (78, True, True)
