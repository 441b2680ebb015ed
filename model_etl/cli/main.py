"""The command line: from arguments to settings, to the function of a verb, to an exit code."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from model_etl.cli.exposed_secrets import print_warnings
from model_etl.cli.parser import add_default_verb, build_parser
from model_etl.cli.standard_output import write_json, write_lines
from model_etl.errors import ConfigurationError, DataError, Interrupted, ModelEtlError, printable
from model_etl.runtime.failure import print_to_stderr, report_failure
from model_etl.runtime.library_defaults import set_library_defaults
from model_etl.runtime.shutdown import end_process
from model_etl.runtime.signals import Interrupts, signals_deferred
from model_etl.runtime.standard_streams import prints_to_stderr, read_at_most, stdin_fd
from model_etl.runtime.supervision import finish_supervised, supervise
from model_etl.runtime.system_errors import translate_storage_errors
from model_etl.settings.job_config import (
    DEFAULTS,
    JobConfig,
    ScoringSettings,
    StorageSettings,
    fields_from,
    require_options,
    sibling_name,
)
from model_etl.settings.options import OPTIONS
from model_etl.settings.sources import merge_settings
from model_etl.settings.verb_options import SAMPLE_OPTIONS

if TYPE_CHECKING:
    from model_etl.job.loaded_model import LoadedModel


def command(defaults: Mapping[str, Any] | None = None) -> NoReturn:
    """Run the command line and end the process.

    Args:
        defaults: values of options that are given nowhere.
    """
    set_library_defaults()
    if not {"-h", "--help", "--version"}.intersection(sys.argv[1:]):
        try:
            supervise()
        except OSError as exc:  # no more processes are permitted
            sys.exit(report_failure(exc))
    interrupts = Interrupts(before_end=finish_supervised)
    interrupts.handle_until_exit()
    exit_code = 0
    try:
        exit_code = _main(sys.argv[1:], defaults, interrupts)
    except SystemExit as exc:  # of argparse
        exit_code = exc.code if isinstance(exc.code, int) else 0
    except Interrupted as exc:
        exit_code = report_failure(exc)
    interrupts.report(exit_code)
    end_process(exit_code)


def main(argv: Sequence[str] | None = None, defaults: Mapping[str, Any] | None = None) -> int:
    """Run the command line in a process that does not end with it.

    Args:
        argv: the arguments, by default the process's.
        defaults: values of options that are given nowhere.

    Returns:
        The exit code.
    """
    interrupts = Interrupts()
    try:
        with interrupts.handled():
            return _main(sys.argv[1:] if argv is None else argv, defaults, interrupts)
    except Interrupted as exc:
        return report_failure(exc)


def _main(argv: Sequence[str], defaults: Mapping[str, Any] | None, interrupts: Interrupts) -> int:
    arguments = list(argv)
    with signals_deferred():  # what argparse has printed is not changed to another exit code
        try:
            if _asks_for_versions(arguments):
                from model_etl.cli.versions import describe_versions  # noqa: PLC0415  a run needs no metadata of packages

                write_lines(describe_versions())
                return 0
            # The scripts of the original, which have defaults, had no verbs: their help is that of a run.
            flags = vars(build_parser().parse_args(add_default_verb(arguments, help_of_all_verbs=not defaults)))
        except SystemExit:
            interrupts.decide()
            raise
        except ModelEtlError as exc:  # the help cannot be written
            interrupts.decide(exc)
            return report_failure(exc)
    with prints_to_stderr():
        return _exit_code(flags, defaults or {}, interrupts)


def _asks_for_versions(arguments: Sequence[str]) -> bool:
    others = set(arguments) - {"--version"}
    return "--version" in arguments and bool(arguments[1:]) and {"-v", "--verbose"}.issuperset(others)


def _exit_code(flags: Mapping[str, Any], defaults: Mapping[str, Any], interrupts: Interrupts) -> int:
    try:
        return _run_verb(flags, defaults, interrupts)
    except (Exception, Interrupted) as exc:  # noqa: BLE001  the last resort
        failure: BaseException = interrupts.raised or exc
        interrupts.decide(failure)
        return report_failure(failure)


def _run_verb(flags: Mapping[str, Any], defaults: Mapping[str, Any], interrupts: Interrupts) -> int:
    values = merge_settings(flags, flags["config"], defaults=defaults)
    if flags["verb"] == "describe":
        return _describe(values)
    if flags["verb"] == "try":
        return _try(values, flags["record"])
    if flags["verb"] == "init":
        return _init(flags, values, interrupts)
    if flags["verb"] == "schema":
        return _draft_schema(flags["from_file"], values)
    if flags["verb"] == "retry":
        rejects = flags["rejects_file"]
        values |= {"input_file": rejects, "input_format": "rejects", "input_compression": None}
        values.setdefault("output_file", sibling_name(rejects.replace(".rejects.ldjson", ".json"), ".retry.ldjson"))
    if not flags["quiet"]:
        _warn_about_secrets(flags)
        print_warnings(values, flags["config"])
    return _run_or_check(flags, values, interrupts)


def _run_or_check(flags: Mapping[str, Any], values: Mapping[str, Any], interrupts: Interrupts) -> int:
    with signals_deferred(), _missing_module_explained():  # not every module survives an interrupted import
        from model_etl.cli.progress import Progress  # noqa: PLC0415
        from model_etl.job.check import check_job  # noqa: PLC0415  --help must not wait for Bonobo
        from model_etl.job.run import run_job  # noqa: PLC0415

    config = JobConfig.from_options(**values)
    if flags["verb"] == "check":
        write_lines(check_job(config))
        return 0
    with Progress(shown=_stderr_is_terminal() and not flags["quiet"]) as progress:
        report, failure = run_job(config, interrupts, progress.show)
    if failure is not None:
        report_failure(failure)
    elif not flags["quiet"] and (flags["verbose"] or _stderr_is_terminal()):
        print_to_stderr(report.summary())
    return report.exit_code


@contextlib.contextmanager
def _missing_module_explained() -> Iterator[None]:
    """Translate what an import in the block raises if only the package without extras is installed.

    Raises:
        ConfigurationError: instead of the ModuleNotFoundError.
    """
    try:
        yield
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            f"{exc.name} is not installed, which a run on this machine needs",
            "Install everything: pip install 'model-etl[job]', or make run in a checkout.",
        ) from exc


def _init(flags: Mapping[str, Any], values: Mapping[str, Any], interrupts: Interrupts) -> int:
    with signals_deferred(), _missing_module_explained():
        from model_etl.new_package.artefact import load_artefact  # noqa: PLC0415  --help must not wait for Bonobo
        from model_etl.new_package.package import NewPackage  # noqa: PLC0415
        from model_etl.new_package.sample import OWN_TARGET, own_sample, read_sample  # noqa: PLC0415

    data, file = flags["data"], flags["from"]
    if file and not data:
        raise ConfigurationError(
            "--from is given without --data", "Add --data FILE: records that the pipeline predicts."
        )
    artefact = load_artefact(file, values.get("trust_pickle"), values) if file else None
    sample = read_sample(data, values) if data else own_sample()
    target = flags["target"] or (None if data else OWN_TARGET)
    given = [OPTIONS[name] for name in SAMPLE_OPTIONS if flags.get(name)]
    words = [word for option in given if not option.secret for word in option.words(flags[option.name])]
    package = NewPackage(flags["folder"], sample, target, artefact, bool(flags["frame"]), tuple(words))
    next_steps = package.write(interrupts.uninterruptible)
    write_lines(next_steps, f"the package was written to {printable(flags['folder'])}")
    return 0


def _describe(values: Mapping[str, Any]) -> int:
    with _loaded_model(values) as loaded:
        description = loaded.ask("describe")
    write_json(json.dumps(description, indent=2, ensure_ascii=False))
    return 0


@contextlib.contextmanager
def _loaded_model(values: Mapping[str, Any]) -> Iterator[LoadedModel]:
    """Load the model and the rules for `describe` and `try`."""
    from model_etl.job.loaded_model import loaded_model  # noqa: PLC0415  --help must not wait for pydantic

    require_options(values, ["model"])
    scoring = ScoringSettings(**fields_from(ScoringSettings, values))
    storage = StorageSettings(**fields_from(StorageSettings, values))
    with loaded_model(scoring, storage, values.get("model_python")) as loaded:
        yield loaded


def _try(values: Mapping[str, Any], words: Sequence[str]) -> int:
    from model_etl.job.try_record import try_record  # noqa: PLC0415  --help must not wait for pydantic

    text = None if words else _piped_record(values.get("max_record_size", DEFAULTS["max_record_size"]))
    with _loaded_model(values) as loaded:
        tried = try_record(loaded, words, text)
    for note in tried.notes:
        print_to_stderr(f"model-etl: {note}")
    if tried.prediction is not None:
        write_json(tried.prediction)
    return 0


def _piped_record(max_bytes: int) -> bytes | None:
    """Return the record that is piped into standard input, or None if that is a terminal.

    Raises:
        DataError: if it is longer than a record may be; no more is read.
        ModelEtlError: if standard input cannot be read.
    """
    with translate_storage_errors("read", "standard input"):
        if os.isatty(stdin_fd()):
            return None
        text = read_at_most(stdin_fd(), max_bytes + 1)
    if len(text) > max_bytes:
        raise DataError(
            f"the record on standard input is longer than the {max_bytes:,} bytes of --max_record_size",
            "Give one record, or a larger --max_record_size.",
        )
    return text


def _draft_schema(name: str, values: Mapping[str, Any]) -> int:
    from model_etl.job.schema_draft import draft_schema_file  # noqa: PLC0415  --help must not wait for Bonobo

    text, notices = draft_schema_file(name, values)
    write_json(text)
    for notice in notices:
        print_to_stderr(f"model-etl: warning: {notice}")
    return 0


def _warn_about_secrets(flags: Mapping[str, Any]) -> None:
    secrets = [option.flag for option in OPTIONS.values() if option.secret and flags.get(option.name)]
    if secrets:
        print_to_stderr(
            f"model-etl: warning: {' and '.join(secrets)} can be seen in the list of processes\n"
            "  Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, instead."
        )


def _stderr_is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
