"""The settings of a run as objects: what scores, how to reach the storage, and the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from model_etl.artefacts.options import ArtefactOptions
from model_etl.errors import ConfigurationError
from model_etl.evidence.prediction_log import LogInputs
from model_etl.formats import FORMATS
from model_etl.formats.compression import without_compression
from model_etl.formats.output_layout import CsvFormulas
from model_etl.publishing.names import beside
from model_etl.publishing.publication import IfExists
from model_etl.records.batch import MAX_RECORD_BYTES
from model_etl.records.dialect import FIELD_NAMES, DecimalSeparator, Dialect
from model_etl.settings.configurations import CONFIGURATIONS, mask_configuration
from model_etl.settings.option import did_you_mean
from model_etl.settings.options import OPTIONS, mask_secrets
from model_etl.settings.sources import convert_value
from model_etl.settings.values import MaxErrors

OnEmpty = Literal["ok", "fail"]
_REQUIRED = ("input_file", "output_file", "model")


@dataclass(frozen=True)
class ScoringSettings:
    """What every engine needs to score records; small and picklable, so that it can travel to workers.

    Attributes:
        model: reference of the model: its class, `package.module:ClassName`, or the name of an artefact.
        decorator: references of the classes of the decorators around the model, the innermost first.
        decorators: configurations of decorators by their references.
        self_test: name of a file with known records and their predictions, or None for no self-test.
        rules: references of the business rules' classes, in the order in which they are applied.
        expect_version: the only version of the model to accept, or None for any.
        job: name of the job, part of the prediction ids.
        join: whether the original record comes first in each output record.
        keep: fields of the original record that come first in each output record.
        log_inputs: how the prediction log holds the input records.
        redact: fields whose values the prediction log must not hold.
        csv_formulas: what CSV and TSV outputs do with texts that a spreadsheet would take for formulas.
        schema: path of a JSON Schema of the records of an artefact.
        outputs: what an artefact returns: prediction, probability.
        trust: types that an artefact of skops may contain.
        trust_pickle: the SHA-256 of the artefact whose code may run.

    Raises:
        ConfigurationError: if both `join` and `keep` are given, or a decorator twice.
    """

    model: str
    rules: tuple[str, ...] = ()
    decorator: tuple[str, ...] = ()
    decorators: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    self_test: str | None = None
    expect_version: str | None = None
    job: str = "model_etl"
    join: bool = False
    keep: tuple[str, ...] = ()
    log_inputs: LogInputs = "full"
    redact: tuple[str, ...] = ()
    csv_formulas: CsvFormulas = "keep"
    schema: str | None = None
    outputs: tuple[str, ...] = ("prediction",)
    trust: tuple[str, ...] = ()
    trust_pickle: str | None = None

    def __post_init__(self) -> None:
        if self.join and self.keep:
            raise ConfigurationError("--join and --keep exclude each other", "Give one of them.")
        if len(set(self.decorator)) < len(self.decorator):
            raise ConfigurationError("a --decorator is given twice", "Derive a class for the second, or remove it.")

    @property
    def configured_decorators(self) -> dict[str, Mapping[str, Any]]:
        """The decorators around the model with their configurations, the innermost first."""
        return {name: self.decorators.get(name, {}) for name in self.decorator}

    @property
    def artefact(self) -> ArtefactOptions:
        """What the user says about an artefact."""
        return ArtefactOptions(self.trust, self.trust_pickle, self.schema, self.outputs)

    @property
    def may_quote(self) -> bool:
        """Whether messages and the prediction log may quote records: `redact` and `log_inputs` withhold nothing."""
        return self.log_inputs == "full" and not self.redact

    @property
    def published(self) -> tuple[str, ...] | None:
        """The fields of the original record that are published; None for all."""
        return None if self.join else self.keep


@dataclass(frozen=True)
class StorageSettings:
    """How to reach files that are not local.

    Attributes:
        bucket: the bucket of all files that are named without a scheme; None if these are local.
        key: access key; None to look it up in the environment, the profile and the instance role.
        secret_key: secret key that belongs to `key`.
        endpoint_url: URL of the server; None for Amazon's.
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for the next bytes of a response.
        retries: how often to repeat a failed request.
    """

    bucket: str | None = None
    key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    endpoint_url: str | None = None
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    retries: int = 4

    def as_options(self) -> dict[str, Any]:
        """Return the settings by name, as `model_etl.services.locate` takes them."""
        return dict(vars(self))


@dataclass(frozen=True)
class JobConfig:
    """All settings of a run; `from_options` builds it from the options of the command line.

    Attributes:
        input_file: name of the input: a file, a folder, a pattern, or `-` for standard input.
        output_file: name of the output: a file, a folder, or `-` for standard output.
        scoring: what scores the records.
        storage: how to reach files that are not local.
        input_format: name of the input's format; None if its name shows it.
        output_format: name of the output's format; None if its name shows it.
        input_compression: name of the input's compression; None if its name shows it.
        output_compression: name of the output's compression; None if its name shows it.
        tsv_quotes: whether cells of TSV may have quotes around them.
        delimiter: the character between the cells of a table of text; None for that of its format.
        encoding: the encoding of a table of text; None for UTF-8.
        null_values: texts that mean null in such a table, besides the empty text.
        decimal: the character before the decimals of its numbers; None for a point.
        no_header: whether its first row is a record.
        prediction_log: name of the prediction log, `none` for no log, or None for a file beside the output.
        rejects: name of the rejects file, or None for a file beside the output.
        max_errors: how many rejects are tolerated.
        if_exists: what to do if the output exists.
        on_empty: what to do if the input has no records.
        max_record_size: the most bytes of a record; a longer one is rejected.
        limit: read only this many records, or None for all.
        dry_run: whether to do everything except publish.
        workers: number of processes that score.
        model_python: the interpreter of the environment of the model and the rules; None for that of this process.
        report: name of the run report, or None for no report.
        model_timeout: seconds that a call of the model or a rule may take, or None for any time.
        lock_wait: seconds to wait for another run with the same output.
        max_runtime: seconds that the run may take, or None for any time.
    """

    input_file: str
    output_file: str
    scoring: ScoringSettings
    storage: StorageSettings = StorageSettings()
    input_format: str | None = None
    output_format: str | None = None
    input_compression: str | None = None
    output_compression: str | None = None
    tsv_quotes: bool = False
    delimiter: str | None = None
    encoding: str | None = None
    null_values: tuple[str, ...] = ()
    decimal: DecimalSeparator | None = None
    no_header: bool = False
    prediction_log: str | None = None
    rejects: str | None = None
    max_errors: MaxErrors = field(default=MaxErrors())
    if_exists: IfExists = "replace"
    on_empty: OnEmpty = "ok"
    max_record_size: int = MAX_RECORD_BYTES
    limit: int | None = None
    dry_run: bool = False
    workers: int = 1
    model_python: str | None = None
    report: str | None = None
    model_timeout: float | None = None
    lock_wait: float = 0.0
    max_runtime: float | None = None

    @classmethod
    def from_options(cls, **options: Any) -> JobConfig:
        """Build the configuration from options by name, as the command line has them.

        Args:
            options: `input_file`, `output_file`, `model`, and any other option of docs/options.md. A value is a text as
                on the command line, or of the field's own type; None stands for the default.

        Raises:
            ConfigurationError: if a required option is missing, a value is not permitted, or options exclude each
                other.
            TypeError: if there is no such option.
        """
        values = {}
        for name, value in options.items():
            if name not in (*OPTIONS, CONFIGURATIONS):
                close = did_you_mean(name, OPTIONS)
                raise TypeError(f"there is no option {name!r}" + (f"; did you mean {close!r}?" if close else ""))
            if isinstance(value, (str, int, float, list)):
                values[name] = convert_value(f"the option {name!r}", OPTIONS[name], value)
            elif value is not None:
                values[name] = value
        require_options(values, _REQUIRED)
        scoring = ScoringSettings(**fields_from(ScoringSettings, values))
        storage = StorageSettings(**fields_from(StorageSettings, values))
        return cls(scoring=scoring, storage=storage, **fields_from(cls, values))

    @property
    def dialect(self) -> Dialect:
        """How the tables of the input are written."""
        return Dialect(**{name: getattr(self, name) for name in FIELD_NAMES})

    def masked_options(self) -> dict[str, Any]:
        """Return all options by name as plain values for the report and the prediction log, with secrets masked."""
        values = {**vars(self.scoring), **vars(self.storage), **vars(self), "max_errors": str(self.max_errors)}
        masked = mask_secrets({name: values[name] for name in OPTIONS})
        configured = self.scoring.configured_decorators
        return {**masked, **({CONFIGURATIONS: mask_configuration(configured)} if configured else {})}

    def log_name(self, *, stream: bool) -> str | None:
        """Return the name of the prediction log, or None for no log.

        Args:
            stream: whether the output is a stream, which has no files beside it.
        """
        if self.prediction_log == "none" or (self.prediction_log is None and stream):
            return None
        return self.prediction_log or sibling_name(self.output_file, ".log.ldjson")

    def rejects_name(self, *, stream: bool) -> str | None:
        """Return the name of the rejects file, or None for no file.

        Args:
            stream: whether the output is a stream, which has no files beside it.
        """
        if self.rejects is None and stream:
            return None
        return self.rejects or sibling_name(self.output_file, ".rejects.ldjson")


def fields_from(settings: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those values that are fields of a dataclass of settings, by name; None stands for the default."""
    names = {item.name for item in dataclasses.fields(settings)}
    return {name: value for name, value in values.items() if name in names and value is not None}


def defaults_of(*settings: type[Any]) -> dict[str, Any]:
    """Return the defaults of the fields of dataclasses, by name, without the fields that have none."""
    return {
        item.name: item.default
        for cls in settings
        for item in dataclasses.fields(cls)
        if item.default is not dataclasses.MISSING
    }


DEFAULTS = {
    name: value for name, value in defaults_of(JobConfig, ScoringSettings, StorageSettings).items() if name in OPTIONS
}
"""The defaults of `OPTIONS`, by name."""


def require_options(values: Mapping[str, Any], names: Iterable[str]) -> None:
    """Check that required options are given.

    Args:
        values: of options, by name.
        names: the required options.

    Raises:
        ConfigurationError: if one of them has no value.
    """
    missing = [OPTIONS[name] for name in names if not values.get(name)]
    if missing:
        flags = ", ".join(option.flag for option in missing)
        raise ConfigurationError(
            f"{flags} {'is' if len(missing) == 1 else 'are'} not given",
            f"Set {missing[0].flag}, the variable {missing[0].variable}, or {missing[0].name} in the --config file.",
        )


def sibling_name(name: str, ending: str) -> str:
    """Return the name of a file beside another: "data/output.csv.gz" and ".log.ldjson" give "data/output.log.ldjson".

    Args:
        name: of a file or a folder.
        ending: of the file beside it.

    Raises:
        ConfigurationError: if no file can lie beside it, because it is the root of a file system or of a bucket.
    """
    folder, slash, base = without_compression(name.rstrip("/")).rpartition("/")
    if base in ("", ".", "..") or (name.endswith("/") and folder.endswith(":/")):
        raise ConfigurationError(
            f"cannot derive the name of a file *{ending} from {name}", "Name the files: --prediction_log and --rejects."
        )
    suffixes = (suffix for file_format in FORMATS.values() for suffix in file_format.suffixes)
    suffix = next((suffix for suffix in suffixes if base.lower().endswith(suffix)), "")
    return folder + slash + beside(base[: -len(suffix)] if suffix and len(base) > len(suffix) else base, ending)
