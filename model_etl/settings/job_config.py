"""JobConfig: what a run is told. Flags win over environment variables, these over a file, that over the defaults."""

from __future__ import annotations

import dataclasses
import difflib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from model_etl.errors import ConfigurationError
from model_etl.evidence.prediction_log import LogInputs
from model_etl.formats import FORMATS, INPUT_FORMATS
from model_etl.formats.compression import compression_of
from model_etl.publishing.publication import IfExists

ENVIRONMENT = "MODEL_ETL_"
"""Every option can be given as an environment variable of its name in capitals after this prefix."""


@dataclass(frozen=True)
class MaxErrors:
    """How many rejects are tolerated.

    Attributes:
        limit: a number of records, or per cent of the records read.
        percent: whether it is per cent.
    """

    limit: float = 0
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> MaxErrors:
        """Read "100" or "2%".

        Raises:
            ValueError: if it is neither.
        """
        number = text.strip().removesuffix("%")
        percent = number != text.strip()
        limit = float(number) if percent else int(number)
        if not 0 <= limit <= (100 if percent else sys.maxsize):
            raise ValueError(f"{text!r} is out of range")
        return cls(limit, percent)

    def exceeded(self, rejected: int, read: int) -> bool:
        """Tell whether so many rejects are too many."""
        return rejected * 100 > self.limit * read if self.percent else rejected > self.limit

    def __str__(self) -> str:
        return f"{self.limit:g}%" if self.percent else f"{self.limit:g}"


def names_of(text: str) -> tuple[str, ...]:
    """Read names with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def switch(text: str) -> bool:
    """Read a yes or no.

    Raises:
        ValueError: if it is neither.
    """
    if text.strip().lower() in ("1", "true", "yes", "on"):
        return True
    if text.strip().lower() in ("0", "false", "no", "off", ""):
        return False
    raise ValueError(f"{text!r} is neither yes nor no")


def count(text: str) -> int:
    """Read a number from 1.

    Raises:
        ValueError: if it is none.
    """
    if int(text) < 1:
        raise ValueError(f"{text} is less than 1")
    return int(text)


def seconds(text: str) -> float:
    """Read a number of seconds.

    Raises:
        ValueError: if it is none.
    """
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError(f"{text} is no number of seconds")
    return number


def patience(text: str) -> float:
    """Read a number of seconds above 0.

    Raises:
        ValueError: if it is none.
    """
    if seconds(text) == 0:
        raise ValueError("0 seconds are no time to wait")
    return seconds(text)


def tries(text: str) -> int:
    """Read a number from 0 to 100.

    Raises:
        ValueError: if it is none.
    """
    if not 0 <= int(text) <= 100:  # noqa: PLR2004
        raise ValueError(f"{text} is not from 0 to 100")
    return int(text)


@dataclass(frozen=True)
class Setting:
    """One option: how it is written and read, whether as a flag, an environment variable or a line of a file.

    Attributes:
        help: what it does.
        flags: short forms.
        read: makes its value of a text.
        choices: the only values, or nothing.
        many: whether it may come several times.
        switch: whether it needs no value as a flag.
        metavar: what stands for its value in the help.
        secret: whether its value must not be shown.
    """

    help: str
    flags: tuple[str, ...] = ()
    read: Callable[[str], Any] = str
    choices: tuple[str, ...] = ()
    many: bool = False
    switch: bool = False
    metavar: str | None = None
    secret: bool = False


SETTINGS: dict[str, Setting] = {
    "input_file": Setting("records: a file, folder or quoted pattern; - is standard input", ("-i",), metavar="FILE"),
    "output_file": Setting("predictions: a file, or a folder for many; - is standard output", ("-o",), metavar="FILE"),
    "model": Setting("the model's class", ("-m",), metavar="PACKAGE.MODULE:CLASS"),
    "expect_version": Setting("refuse to run another version of the model", metavar="VERSION"),
    "rules": Setting("a business rule's class; may be given several times", many=True, metavar="PACKAGE.MODULE:CLASS"),
    "input_format": Setting("if the name does not tell it", choices=tuple(INPUT_FORMATS)),
    "output_format": Setting("if the name does not tell it", choices=tuple(FORMATS)),
    "join": Setting("write the original record with each prediction", read=switch, switch=True),
    "keep": Setting(
        "write these fields of the original record with each prediction", read=names_of, metavar="NAME,NAME"
    ),
    "prediction_log": Setting("file for the prediction log, or none; default: beside the output", metavar="FILE|none"),
    "log_inputs": Setting("how much of each record the log holds (full)", choices=get_args(LogInputs)),
    "redact": Setting("fields whose values the log must not hold", read=names_of, metavar="NAME,NAME"),
    "rejects": Setting("file for records that failed; default: beside the output", metavar="FILE"),
    "max_errors": Setting("how many rejects are tolerated (0)", read=MaxErrors.parse, metavar="N|N%"),
    "if_exists": Setting("what to do if the output exists (replace)", choices=get_args(IfExists)),
    "on_empty": Setting("what to do if there are no records (ok)", choices=("ok", "fail")),
    "limit": Setting("read only the first N records", read=count, metavar="N"),
    "dry_run": Setting("do everything but publish", read=switch, switch=True),
    "workers": Setting("processes that score, each with a model of its own (1)", read=count, metavar="N"),
    "report": Setting("file for a report that machines can read", metavar="FILE"),
    "lock_wait": Setting("wait so long for another run with the same output (0)", read=seconds, metavar="SECONDS"),
    "bucket": Setting("S3: the bucket in which all files lie that are named without s3:// or file://", ("-b",)),
    "key": Setting(
        "S3: access key; better AWS_ACCESS_KEY_ID: flags show in the list of processes", ("-k",), secret=True
    ),
    "secret_key": Setting("S3: secret key; better AWS_SECRET_ACCESS_KEY", ("-sk",), secret=True),
    "endpoint_url": Setting("S3: the server, for one that is not Amazon's", ("-ep",), metavar="URL"),
    "connect_timeout": Setting("S3: how long to wait for a connection (5)", read=patience, metavar="SECONDS"),
    "read_timeout": Setting("S3: how long to wait for an answer to go on (30)", read=patience, metavar="SECONDS"),
    "retries": Setting("S3: how often to repeat a request that failed (4)", read=tries, metavar="N"),
    "job": Setting("name of the job, part of the prediction ids (model_etl)", metavar="NAME"),
}


@dataclass(frozen=True)
class JobConfig:
    """Everything that a run is told; see `SETTINGS` for each option's meaning."""

    input_file: str
    output_file: str
    model: str
    expect_version: str | None = None
    rules: tuple[str, ...] = ()
    input_format: str | None = None
    output_format: str | None = None
    join: bool = False
    keep: tuple[str, ...] = ()
    prediction_log: str | None = None
    log_inputs: LogInputs = "full"
    redact: tuple[str, ...] = ()
    rejects: str | None = None
    max_errors: MaxErrors = MaxErrors()
    if_exists: IfExists = "replace"
    on_empty: str = "ok"
    limit: int | None = None
    dry_run: bool = False
    workers: int = 1
    report: str | None = None
    lock_wait: float = 0.0
    job: str = "model_etl"
    bucket: str | None = None
    key: str | None = dataclasses.field(default=None, repr=False)
    secret_key: str | None = dataclasses.field(default=None, repr=False)
    endpoint_url: str | None = None
    connect_timeout: float | None = None
    read_timeout: float | None = None
    retries: int | None = None

    def __post_init__(self) -> None:
        if self.join and self.keep:
            raise ConfigurationError("--join and --keep exclude each other", "Give one of them.")

    def settings(self) -> dict[str, Any]:
        """Give the options as plain values, for the report and the log."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**values, "max_errors": str(self.max_errors)}

    def storage(self) -> dict[str, Any]:
        """Give what says where and how to reach a storage; see `services.locate`."""
        names = ("bucket", "key", "secret_key", "endpoint_url", "connect_timeout", "read_timeout", "retries")
        return {name: getattr(self, name) for name in names}

    def log_name(self, *, stream: bool) -> str | None:
        """Give the name of the prediction log, or None for none; beside a stream there is no place for one."""
        if self.prediction_log == "none" or (self.prediction_log is None and stream):
            return None
        return self.prediction_log or sibling_name(self.output_file, ".log.ldjson")

    def rejects_name(self, *, stream: bool) -> str | None:
        """Give the name of the rejects file, or None for none."""
        if self.rejects is None and stream:
            return None
        return self.rejects or sibling_name(self.output_file, ".rejects.ldjson")


def sibling_name(name: str, ending: str) -> str:
    """Give the name of a file beside another: "data/output.csv.gz" and ".log.ldjson" make "data/output.log.ldjson".

    Raises:
        ConfigurationError: if the name is a folder that has nothing beside it.
    """
    kind = compression_of(name)
    folder, slash, base = (name.removesuffix(f".{kind}") if kind else name.rstrip("/")).rpartition("/")
    if base in ("", ".", "..") or (name.endswith("/") and folder.endswith(":/")):
        raise ConfigurationError(
            f"there is no place beside {name} for a file *{ending}", "Name the files: --prediction_log and --rejects."
        )
    suffix = next((s for form in FORMATS.values() for s in form.suffixes if base.lower().endswith(s)), "")
    return folder + slash + (base[: -len(suffix)] if suffix and len(base) > len(suffix) else base) + ending


def gather(
    flags: Mapping[str, Any],
    file: str | None = None,
    environment: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Put the settings together: flags over environment over file over defaults.

    Args:
        flags: values from the command line, by name; None stands for not given.
        file: a TOML file with the options' names as keys, or None.
        environment: the process's, unless given.
        defaults: values for what is given nowhere.

    Returns:
        Values by name; what is given nowhere is missing.

    Raises:
        ConfigurationError: if the file or a variable makes no sense.
    """
    gathered = dict(defaults or {})
    if file is not None:
        gathered.update(_from_file(file))
    gathered.update(_from_environment(os.environ if environment is None else environment))
    gathered.update({name: value for name, value in flags.items() if value is not None})
    return gathered


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for name, setting in SETTINGS.items():
        variable = ENVIRONMENT + name.upper()
        text = environment.get(variable)
        if text:
            values[name] = _value(f"the variable {variable}", setting, text)
    return values


def _from_file(path: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415
    else:
        import tomli as tomllib  # noqa: PLC0415
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            table = tomllib.load(file)
    except OSError as exc:
        raise ConfigurationError(f"cannot read the settings in {path}: {exc.strerror}", "Check --config.") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"{path} is no valid TOML: {exc}", "See https://toml.io.") from exc
    values = {}
    for name, value in table.items():
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, 1)
            raise ConfigurationError(
                f"{path} has a setting {name!r}, which does not exist",
                f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(SETTINGS)}.",
            )
        values[name] = _value(f"the setting {name!r} in {path}", SETTINGS[name], value)
    return values


def _value(place: str, setting: Setting, given: object) -> Any:
    """Read a value from a text, or from what TOML knows: numbers, booleans, lists of texts."""
    if setting.secret and not isinstance(given, str):
        raise ConfigurationError(f"{place} is no text", "Put it in quotes.")
    if isinstance(given, list) and all(isinstance(item, str) for item in given):
        if setting.many or setting.read is names_of:
            return tuple(given)
    elif isinstance(given, (str, int, float)):
        text = str(given)
        if setting.choices and text not in setting.choices:
            raise ConfigurationError(f"{place} is {text!r}", f"It must be one of: {', '.join(setting.choices)}.")
        try:
            return names_of(text) if setting.many else setting.read(text)
        except ValueError as exc:
            raise ConfigurationError(f"{place} is {text!r}: {exc}", f"It means: {setting.help}.") from exc
    raise ConfigurationError(f"{place} must not be a {type(given).__name__}", f"It means: {setting.help}.")


def job_config(values: Mapping[str, Any]) -> JobConfig:
    """Make the configuration of gathered values.

    Raises:
        ConfigurationError: if something that is needed was given nowhere.
    """
    missing = [name for name in ("input_file", "output_file", "model") if values.get(name) is None]
    if missing:
        raise ConfigurationError(
            f"{_listed(missing)} not given",
            "As a flag, as a variable "
            + ENVIRONMENT
            + missing[0].upper()
            + ", or in the file of --config; `model-etl run --help` lists them.",
        )
    return JobConfig(**values)


def _listed(names: Sequence[str]) -> str:
    flags = [f"--{name}" for name in names]
    return f"{', '.join(flags)} {'is' if len(flags) == 1 else 'are'}"
