"""The verbs of `model-etl` and their options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from typing_extensions import override

from model_etl import __version__
from model_etl.cli.standard_output import write_lines
from model_etl.runtime.failure import print_to_stderr
from model_etl.settings.arguments import Parser, add_grouped_options
from model_etl.settings.option import did_you_mean
from model_etl.settings.options import OPTIONS
from model_etl.settings.verb_options import COMMAND_OPTIONS, INIT_OPTIONS, SAMPLE_OPTIONS

VERBS = {
    "run": "score a file (the default)",
    "check": "try the settings, the model and the first records, and write nothing",
    "describe": "print a model's names, version and schemas as JSON",
    "retry": "score the records of a rejects file again",
    "init": "write the package of a model of your own",
    "try": "score one record and print its prediction, or why there is none",
    "schema": "draft a JSON Schema of records from a sample, for a model that is a file",
}
"""What each verb does."""

_USAGES = {
    "run": "-i FILE -o FILE -m PACKAGE.MODULE:CLASS",
    "check": "-i FILE -o FILE -m PACKAGE.MODULE:CLASS",
    "describe": "-m PACKAGE.MODULE:CLASS",
    "retry": "REJECTS -m PACKAGE.MODULE:CLASS",
    "init": "FOLDER [--data FILE] [--target NAME] [--from PIPELINE.joblib]",
    "try": "-m PACKAGE.MODULE:CLASS ['{\"NAME\": VALUE}' | NAME=VALUE ...]",
    "schema": "--from FILE",
}
_DESCRIBE_OPTIONS = (
    "model",
    "model_python",
    "expect_version",
    "decorator",
    "schema",
    "outputs",
    "trust",
    "trust_pickle",
)
_TRY_OPTIONS = (*_DESCRIBE_OPTIONS, "rules", "max_record_size")
_NOT_FOR_RETRY = ("input_file", "input_format", "input_compression")
_EXIT_CODES = """exit codes: 0 success, 1 a bug in model-etl, 2 usage, 65 too many rejects or no records,
66 input not found, 69 model not available, 73 output refused, 74 reading or writing failed, 75 try again later,
77 permission denied, 78 configuration, 129, 130 and 143 stopped by a signal. Unless the code is 0 or the message says
otherwise, nothing was published."""


class CommandParser(Parser):
    """A parser whose help is written completely, or raises a StorageFailure, and whose errors need no standard error.

    argparse ignores that the help cannot be written, and takes standard output if standard error is closed.
    """

    @override
    def print_help(self, file: Any = None) -> None:
        write_lines(self.format_help().splitlines())

    @override
    def print_usage(self, file: Any = None) -> None:
        print_to_stderr(self.format_usage().rstrip())

    @override
    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        if message:
            print_to_stderr(message.rstrip())
        sys.exit(status)


class PrintVersion(argparse.Action):
    """Writes the version and ends the command."""

    @override
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        write_lines([f"model-etl {__version__}"])
        parser.exit()


class VerbParser(CommandParser):
    """The parser of one verb, which refuses unknown arguments itself, because it knows the options."""

    @override
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._refuse_mistyped(args)
        known, unknown = super().parse_known_args(args, namespace)
        if (words := getattr(known, "record", None)) is not None:  # options may stand between them
            words += [text for text in unknown if not text.startswith("-")]
            unknown = [text for text in unknown if text.startswith("-")]
        if unknown:
            self.error(self.describe_unknown(unknown))
        return known, unknown

    @override
    def describe_unknown(self, unknown: Sequence[str]) -> str:
        verb = next((text for text in unknown if text in VERBS), None)
        return f"the verb {verb} must come first" if verb else super().describe_unknown(unknown)


def build_parser() -> Parser:
    """Build the parser of all verbs."""
    parser = CommandParser(
        prog="model-etl",
        description="Score a file with a model: every record is predicted, rejected or withheld, and logged.",
        epilog=f"Without a verb, run is meant. {_EXIT_CODES}",
    )
    parser.add_argument(
        "--version", action=PrintVersion, nargs=0, help="print the version; with -v those of its dependencies"
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=VerbParser)
    for verb, meaning in VERBS.items():
        verb_parser = verbs.add_parser(
            verb,
            usage=f"%(prog)s {_USAGES[verb]} [OPTIONS]",
            help=meaning,
            description=f"{meaning[0].upper()}{meaning[1:]}.",
            epilog=f"Options may have hyphens: --input-file is --input_file. {_EXIT_CODES}",
            add_help=False,
        )
        if verb == "retry":
            verb_parser.add_argument("rejects_file", metavar="REJECTS", help="rejects file of an earlier run")
        if verb == "init":
            verb_parser.add_argument("folder", metavar="FOLDER", help="the folder to make, which names the package")
            add_grouped_options(verb_parser, list(INIT_OPTIONS.values()), {})
        if verb == "try":
            words = "the record in JSON, or its fields; without them, JSON on standard input"
            verb_parser.add_argument("record", metavar="RECORD", nargs="*", help=words)
        if verb == "schema":
            verb_parser.add_argument(
                "--from", dest="from_file", metavar="FILE", required=True, help="sample of records"
            )
        options = [option for option in OPTIONS.values() if _takes(verb, option.name)]
        add_grouped_options(verb_parser, [*options, *COMMAND_OPTIONS.values()])
        help_group = verb_parser.add_argument_group("help")
        help_group.add_argument("-h", "--help", action="help", help="print this help and exit")
    return parser


def add_default_verb(arguments: Sequence[str], *, help_of_all_verbs: bool) -> list[str]:
    """Return the arguments with `run` before them, unless they start with a verb.

    Args:
        arguments: of the command.
        help_of_all_verbs: whether `--help` without a verb is the help of all verbs, not that of `run`.

    Raises:
        SystemExit: with code 2, if the first argument is neither a verb nor an option.
    """
    first = arguments[0] if arguments else ""
    without_verb = ("-h", "--help", "--version") if help_of_all_verbs else ("--version",)
    if first in VERBS or first in without_verb:
        return list(arguments)
    if first and not first.startswith("-"):
        close = did_you_mean(first, VERBS)
        # The argument is not repeated: it may be a secret whose flag was forgotten.
        hint = f"did you mean {close}?" if close else f"verbs: {', '.join(VERBS)}"
        build_parser().error(f"the first argument is neither a verb nor an option ({hint})")
    return ["run", *arguments]


def _takes(verb: str, name: str) -> bool:
    if verb == "describe":
        return name in _DESCRIBE_OPTIONS
    if verb == "init":
        return name in (*SAMPLE_OPTIONS, "trust_pickle")
    if verb == "schema":
        return name in (*SAMPLE_OPTIONS, "limit")
    if verb == "try":
        return name in _TRY_OPTIONS
    return verb != "retry" or name not in _NOT_FOR_RETRY
