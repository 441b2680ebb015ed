"""Settings come from flags, variables, a TOML file and defaults, and refuse what makes no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model_etl.errors import ConfigurationError
from model_etl.settings.job_config import JobConfig, ScoringSettings
from model_etl.settings.sources import merge_settings, read_toml
from model_etl.settings.values import MaxErrors

REQUIRED: dict[str, Any] = {"input_file": "in.json", "output_file": "out.json", "model": "a:B"}


def test_flags_win_over_variables_over_a_file_over_defaults(tmp_path: Path) -> None:
    """Each source of settings wins over the ones after it: flags, variables, the TOML file, defaults."""
    file = tmp_path / "job.toml"
    file.write_text('job = "file"\nlimit = 1\nmax_errors = "1%"\nrules = ["a:A", "b:B"]\n')
    environment = {"MODEL_ETL_JOB": "variable", "MODEL_ETL_LIMIT": "2", "MODEL_ETL_KEEP": "", "OTHER": "x"}
    merged = merge_settings({"job": "flag", "limit": None}, str(file), environment, {"retries": 9})
    assert merged == {
        "job": "flag",
        "limit": 2,
        "max_errors": MaxErrors(1, percent=True),
        "rules": ("a:A", "b:B"),
        "retries": 9,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("max_error = 1", "has a setting 'max_error', which does not exist"),
        ("limit = 0", "less than 1"),
        ("limit = [1]", "must not be a list"),
        ('if_exists = "perhaps"', "is 'perhaps'"),
        ("secret_key = 1", "must be a string"),
        ("model = ", "not valid TOML"),
    ],
)
def test_a_wrong_setting_in_a_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    """A setting that a TOML file must not have is refused with its name."""
    file = tmp_path / "job.toml"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        merge_settings({}, str(file), {})


def test_a_file_of_settings_that_is_missing(tmp_path: Path) -> None:
    """A TOML file that cannot be read is named, with the flag that named it."""
    with pytest.raises(ConfigurationError, match=r"no\.toml") as caught:
        read_toml(str(tmp_path / "no.toml"), (), "--config")
    assert "--config" in caught.value.remedy


def test_a_config_is_built_from_texts_as_on_the_command_line() -> None:
    """Options are texts or values of their own types; what is None or not given has its default."""
    config = JobConfig.from_options(**REQUIRED, max_errors="2%", limit="3", keep=("id",), retries=1, dry_run=None)
    assert (config.max_errors, config.limit, config.dry_run) == (MaxErrors(2, percent=True), 3, False)
    assert config.scoring == ScoringSettings("a:B", keep=("id",))
    assert config.storage.retries == 1


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_option_is_missed(name: str) -> None:
    """Input, output and model must be named."""
    with pytest.raises(ConfigurationError, match=name):
        JobConfig.from_options(**{**REQUIRED, name: None})


def test_an_option_that_does_not_exist() -> None:
    """A mistyped option is an error that suggests the right one."""
    with pytest.raises(TypeError, match="did you mean 'max_errors'"):
        JobConfig.from_options(**REQUIRED, max_error="1")


def test_join_and_keep_exclude_each_other() -> None:
    """The original record is joined whole or by fields, not both."""
    with pytest.raises(ConfigurationError, match="--join and --keep exclude each other"):
        JobConfig.from_options(**REQUIRED, join=True, keep=("a",))


@pytest.mark.parametrize(
    ("options", "stream", "log", "rejects"),
    [
        ({}, False, "out.log.ldjson", "out.rejects.ldjson"),
        ({}, True, None, None),
        ({"prediction_log": "none"}, False, None, "out.rejects.ldjson"),
        ({"prediction_log": "l.json", "rejects": "r.json"}, True, "l.json", "r.json"),
    ],
)
def test_names_of_log_and_rejects(
    options: dict[str, Any], *, stream: bool, log: str | None, rejects: str | None
) -> None:
    """Log and rejects lie beside the output unless they are named; a stream has nothing beside it."""
    config = JobConfig.from_options(**REQUIRED, **options)
    assert (config.log_name(stream=stream), config.rejects_name(stream=stream)) == (log, rejects)


def test_secrets_are_masked() -> None:
    """Neither the options of a report nor the text of a config show keys or passwords."""
    config = JobConfig.from_options(**REQUIRED, key="hidden-a", secret_key="hidden-b", endpoint_url="http://hidden@h:1")
    assert "hidden" not in str(config.masked_options())
    assert "hidden-" not in repr(config)
