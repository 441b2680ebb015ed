"""Where the values of options come from: flags, environment variables, a TOML file, defaults."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Mapping
from typing import Any

from model_etl.errors import ConfigurationError, printable
from model_etl.settings.configurations import CONFIGURATIONS
from model_etl.settings.option import ENVIRONMENT_PREFIX, Option, did_you_mean, is_utf8
from model_etl.settings.options import CONFIG, OPTIONS, OTHER_VARIABLES
from model_etl.settings.values import parse_names

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


_SERVICE_VARIABLE = re.compile(rf"{ENVIRONMENT_PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?)")
"""What Kubernetes sets in each container if a service has a name such as `model-etl`."""


def merge_settings(
    flags: Mapping[str, Any],
    file: str | None = None,
    environment: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
    options: Mapping[str, Option] = OPTIONS,
) -> dict[str, Any]:
    """Return the values of options: flags over environment variables over a TOML file over defaults.

    Args:
        flags: values from the command line, by name; None if a flag is not given. Other names are ignored.
        file: path of a TOML file with the options' names as keys, or None.
        environment: of the process, by default this one's.
        defaults: values for options that are given nowhere.
        options: the known options, by name.

    Returns:
        Values by name, without the options that are given nowhere.

    Raises:
        ConfigurationError: if the file or a variable has a value that its option does not take.
    """
    merged = dict(defaults or {})
    if file is not None:
        table = read_toml(file, (*options, CONFIGURATIONS), CONFIG.flag)
        if configurations := _configurations(file, table.pop(CONFIGURATIONS, {})):
            merged |= {"decorator": tuple(configurations), CONFIGURATIONS: configurations}
        for name, value in table.items():
            merged[name] = convert_value(f"the setting {name!r} in {file}", options[name], value)
    environment = os.environ if environment is None else environment
    _refuse_unknown_variables(environment, options)
    for name, option in options.items():
        text = environment.get(option.variable)
        if text:
            merged[name] = convert_value(f"the variable {option.variable}", option, text)
    for name in options:
        value = flags.get(name)
        if value is not None:
            merged[name] = tuple(value) if isinstance(value, list) else value
    return merged


def _configurations(file: str, table: object) -> dict[str, dict[str, Any]]:
    """Return the configurations of decorators in a TOML file, in its order.

    Raises:
        ConfigurationError: if it is not a table of tables.
    """
    if not isinstance(table, dict) or not all(isinstance(value, dict) for value in table.values()):
        raise ConfigurationError(
            f"the setting {CONFIGURATIONS!r} in {file} must be a table with a table for each decorator",
            f'Write [{CONFIGURATIONS}."package.module:Class"], and the configuration below it.',
        )
    return table


def _refuse_unknown_variables(environment: Mapping[str, str], options: Mapping[str, Option]) -> None:
    """Check that each variable with our prefix is an option; an empty variable counts as not set.

    Raises:
        ConfigurationError: if one is not, because a misspelt `MODEL_ETL_REDACT` must not be ignored.
    """
    known = {option.variable for option in (*OPTIONS.values(), *options.values())}
    for name, value in environment.items():
        if not value or not name.startswith(ENVIRONMENT_PREFIX) or name in known | OTHER_VARIABLES:
            continue
        if not _SERVICE_VARIABLE.fullmatch(name):
            close = did_you_mean(name, known)
            raise ConfigurationError(
                f"the environment has a variable {printable(name)}, which is not an option",
                f"Did you mean {close}?" if close else "Unset it; docs/options.md lists the variables.",
            )


def read_toml(path: str, known: Collection[str], flag: str) -> dict[str, Any]:
    """Read a TOML file of settings.

    Args:
        path: of the file.
        known: the permitted keys.
        flag: the option that names the file, for the remedy.

    Returns:
        The values by key, as TOML types them.

    Raises:
        ConfigurationError: if the file cannot be read, is not valid TOML, or has another key.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            table: dict[str, Any] = tomllib.loads(file.read().decode("utf-8-sig"))  # editors may write a BOM
    except OSError as exc:
        raise ConfigurationError(f"cannot read the settings in {path}: {exc.strerror}", f"Check {flag}.") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{path} is not UTF-8, as TOML must be: {exc.reason}", "Save it as UTF-8.") from exc
    except tomllib.TOMLDecodeError as exc:
        raise ConfigurationError(f"{path} is not valid TOML: {exc}", "See https://toml.io.") from exc
    for name in table:
        if name not in known:
            close = did_you_mean(name, known)
            raise ConfigurationError(
                f"{path} has a setting {name!r}, which does not exist",
                f"Did you mean {close!r}?" if close else f"The settings are: {', '.join(known)}.",
            )
    return table


def convert_value(location: str, option: Option, value: object) -> Any:
    """Return the value of an option from a text, or from what TOML has beside texts: numbers, booleans and lists.

    Args:
        location: what holds the value, for errors.
        option: the option.
        value: its value as given; a secret must be a text.

    Raises:
        ConfigurationError: if the option does not take the value.
    """
    if option.secret and not isinstance(value, str):
        raise ConfigurationError(f"{location} must be a string", "Put the value in quotes.")
    meaning = f"{option.name}: {option.help}."
    texts = value if isinstance(value, (list, tuple)) else (value,)
    if any(isinstance(text, str) and "\0" in text for text in texts):
        raise ConfigurationError(f"{location} contains a null character", meaning)
    if not option.file and not all(is_utf8(text) for text in texts if isinstance(text, str)):
        raise ConfigurationError(f"{location} is not valid UTF-8", "Save what sets it as UTF-8, or correct the value.")
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        if option.repeatable or option.parse is parse_names:
            return tuple(value)
    elif isinstance(value, (str, int, float)):
        text = str(value)
        if option.choices and text not in option.choices:
            raise ConfigurationError(f"{location} is {text!r}", f"It must be one of: {', '.join(option.choices)}.")
        try:
            return parse_names(text) if option.repeatable else option.parse(text)
        except ValueError as exc:
            raise ConfigurationError(f"{location} is {text!r}: {exc}", meaning) from exc
    raise ConfigurationError(f"{location} must not be a {type(value).__name__}", meaning)
