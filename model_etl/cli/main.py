"""The command line: options to JobConfig to run_job to an exit code. No logic lives here."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from model_etl import __version__
from model_etl.errors import ConfigurationError, Interrupted, ModelEtlError
from model_etl.runtime.garbage_collection import freeze_before_exit
from model_etl.runtime.signals import Interrupts, signals_deferred
from model_etl.runtime.standard_streams import prints_to_stderr, stdout_fd
from model_etl.settings.job_config import SETTINGS, gather, job_config, sibling_name

_GRACE = 5.0
"""Seconds that threads of a model get to end after the work is done."""

VERBS = ("run", "check", "describe", "retry")

_EXIT_CODES = """exit codes: 0 done, 1 a bug of ours, 2 usage, 65 too many rejects or no records, 66 no such input,
69 no such model, 73 output refused, 74 reading or writing failed, 75 try again later, 77 permission refused,
78 configuration, 130 and 143 stopped by a signal. Unless it is 0 or the message says otherwise,
nothing was published."""


class Parser(argparse.ArgumentParser):
    """Does not repeat values that it does not understand: they may be secrets after a mistyped flag."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See the base class."""
        known, unknown = self.parse_known_args(args, namespace)
        if unknown:
            shown = [text.partition("=")[0] for text in unknown if text.startswith("--") or text in VERBS]
            self.error(f"unrecognized arguments: {' '.join(shown) or 'a value that belongs to no option'}")
        return known


def parser() -> argparse.ArgumentParser:
    """Make the parser of all verbs."""
    top = Parser(
        prog="model-etl",
        description="Score a file with a model: every record is predicted, rejected or withheld, and logged.",
        epilog=f"Without a verb it runs. {_EXIT_CODES}",
    )
    top.add_argument("--version", action="version", version=f"model-etl {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    told = {
        "run": "score a file (the default)",
        "check": "try the settings, the model and the first records, and write nothing",
        "describe": "print a model's names, version and schemas as JSON",
        "retry": "score the records of a rejects file again",
    }
    for verb in VERBS:
        sub = verbs.add_parser(
            verb, help=told[verb], description=told[verb].capitalize() + ".", epilog=_EXIT_CODES, allow_abbrev=False
        )
        if verb == "retry":
            sub.add_argument("rejects_file", metavar="REJECTS", help="file that a run wrote")
        for name in SETTINGS:
            if verb == "describe" and name not in ("model", "expect_version"):
                continue
            if not (verb == "retry" and name in ("input_file", "input_format")):
                add_option(sub, name)
        sub.add_argument("--config", metavar="FILE", help="TOML file with these options as keys")
        sub.add_argument("--verbose", "-v", action="store_true", help="say what was done, also to a file or to cron")
        sub.add_argument("--quiet", "-q", action="store_true", help="say nothing but errors, also on a terminal")
    return top


def add_option(sub: argparse.ArgumentParser, name: str) -> None:
    """Let a parser know one of `SETTINGS`."""
    setting = SETTINGS[name]
    options: dict[str, Any] = {"help": setting.help, "default": None}
    if setting.switch:
        options["action"] = "store_true"
    else:
        options["type"] = setting.read
        options["choices"] = setting.choices or None
        options["metavar"] = setting.metavar
        options["action"] = "append" if setting.many else "store"
    sub.add_argument(f"--{name}", *setting.flags, **options)


def main(argv: Sequence[str] | None = None, defaults: Mapping[str, Any] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments, by default the process's.
        defaults: settings for what is given nowhere.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # The originals' scripts, which have defaults, had no verbs: their help is that of a run.
    others = ("--version",) if defaults else ("-h", "--help", "--version")
    if not arguments or (arguments[0] not in VERBS and arguments[0] not in others):
        arguments.insert(0, "run")
    options = vars(parser().parse_args(arguments))
    interrupts = Interrupts()
    try:
        with interrupts.handled(), prints_to_stderr():
            code = _act(options, defaults or {}, interrupts)
    except Interrupted as exc:
        code = fail(exc)
    return code


def command(defaults: Mapping[str, Any] | None = None) -> NoReturn:
    """Run the command line and end the process, whatever threads a model or a storage has left behind.

    Args:
        defaults: settings for what is given nowhere.
    """
    code = main(defaults=defaults)
    deadline = time.monotonic() + _GRACE
    for thread in threading.enumerate():
        # Parts on their way to a server had their time when the run was ended.
        if thread is not threading.current_thread() and not thread.daemon and not thread.name.startswith("upload"):
            thread.join(max(0.0, deadline - time.monotonic()))
    if any(
        not t.daemon or t.name.startswith("node ") for t in threading.enumerate() if t is not threading.main_thread()
    ):
        flush()
        os._exit(code)  # a thread hangs in foreign code: Python would wait for it for ever, or trip over it
    freeze_before_exit()
    flush()
    sys.exit(code)  # not os._exit: only this runs all that is to run at exit, in its order


def flush() -> None:
    """Flush what was printed; else Python finds out at exit that nobody can be told, and makes the exit code 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError):
            pass
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _act(options: dict[str, Any], defaults: Mapping[str, Any], interrupts: Interrupts) -> int:
    try:
        values = gather({name: options.get(name) for name in SETTINGS}, options["config"], defaults=defaults)
        if options["verb"] == "describe":
            return _describe(values)
        if options["verb"] == "retry":
            rejects = options["rejects_file"]
            values |= {"input_file": rejects, "input_format": "rejects"}
            values.setdefault("output_file", sibling_name(rejects.replace(".rejects.ldjson", ".json"), ".retry.ldjson"))
        values["rules"] = tuple(values.get("rules", ()))
        _warn(options)
        return _run(options, values, interrupts)
    except (ModelEtlError, Interrupted) as exc:
        return fail(exc)
    except Exception as exc:  # noqa: BLE001  the last resort
        return fail(exc)


def _run(options: Mapping[str, Any], values: Mapping[str, Any], interrupts: Interrupts) -> int:
    with signals_deferred():  # not everything that is imported stands being interrupted
        try:
            from model_etl.cli.progress import Progress  # noqa: PLC0415
            from model_etl.job.check import check_job  # noqa: PLC0415  --help must not wait for Bonobo
            from model_etl.job.run import run_job  # noqa: PLC0415
        except ModuleNotFoundError as exc:
            raise ConfigurationError(
                f"{exc.name} is not installed, which a run on this machine needs",
                "Install it all: pip install 'model-etl[job]', or -r requirements.txt of the checkout.",
            ) from exc

    config = job_config(values)
    if options["verb"] == "check":
        _print("\n".join(check_job(config)) + "\n")
        return 0
    with Progress(shown=_at_terminal() and not options["quiet"]) as progress:
        report, failure = run_job(config, interrupts, progress.show)
    if failure is not None:
        fail(failure)
    elif not options["quiet"] and (options["verbose"] or _at_terminal()):
        _print_to_stderr(report.summary())
    return report.exit_code


def _warn(options: Mapping[str, Any]) -> None:
    shown = [f"--{name}" for name in SETTINGS if SETTINGS[name].secret and options.get(name)]
    if shown and not options["quiet"]:
        _print_to_stderr(
            f"model-etl: warning: {' and '.join(shown)} can be seen in the list of processes\n"
            "  Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, instead."
        )


def _at_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _describe(values: Mapping[str, Any]) -> int:
    from model_etl.errors import UsageError  # noqa: PLC0415
    from model_etl.scoring.model_loading import load_model  # noqa: PLC0415

    if not values.get("model"):
        raise UsageError("--model is not given", "Write it as package.module:ClassName.")
    model = load_model(values["model"], expect_version=values.get("expect_version"))
    import json  # noqa: PLC0415

    _print(json.dumps(model.describe(), indent=2, ensure_ascii=False) + "\n")
    return 0


def _print(text: str) -> None:
    os.write(stdout_fd(), text.encode())


def fail(exc: BaseException) -> int:
    """Say what ended the command; a traceback only for what is a bug of ours.

    Returns:
        The exit code.
    """
    if isinstance(exc, Interrupted):
        _say(f"{exc}; {exc.remark}")
        return exc.exit_code
    if isinstance(exc, ModelEtlError):
        _say(str(exc))
        return exc.exit_code
    _print_to_stderr("".join(traceback.format_exception(type(exc), exc, exc.__traceback__)).rstrip())
    _say(
        f"{type(exc).__name__}: {exc}; nothing was published\n  This is a bug: please report it, with the lines above."
    )
    return 1


def _say(text: str) -> None:
    _print_to_stderr(f"model-etl: error: {text}")


def _print_to_stderr(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # if nobody can be told, the exit code still says it
        if sys.stderr is not None:  # print() would take None for standard output
            print(text, file=sys.stderr, flush=True)  # noqa: T201
