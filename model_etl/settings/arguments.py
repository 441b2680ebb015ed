"""Command lines that are built from tables of options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from typing_extensions import override

from model_etl.errors import printable_message
from model_etl.settings.job_config import DEFAULTS
from model_etl.settings.option import GROUPS, Option, did_you_mean

EVERYDAY = "everyday options"


class AcceptsArguments(Protocol):
    """A parser, or a group of arguments of one."""

    def add_argument(self, *name_or_flags: str, **options: Any) -> Any:
        """Add an argument; see `argparse.ArgumentParser.add_argument`."""


class Parser(argparse.ArgumentParser):
    """A parser without abbreviations, whose flags may have hyphens, that suggests what a mistyped option resembles.

    It never repeats a value that it does not understand, because that may be a secret after a mistyped flag.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    @override
    def add_argument(self, *name_or_flags: str, **options: Any) -> argparse.Action:
        action: argparse.Action = super().add_argument(*name_or_flags, **options)
        if hyphenated := _hyphenated(name_or_flags):
            super().add_argument(*hyphenated, **{**options, "dest": action.dest, "help": argparse.SUPPRESS})
        return action

    @override
    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._refuse_mistyped(args)
        known, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(self.describe_unknown(unknown))
        return known

    def _refuse_mistyped(self, args: Any) -> None:
        """Name a mistyped option before an option that is missing because of it."""
        required = [action for action in self._actions if action.required]
        if not required:
            return
        for action in required:
            action.required = False
        try:
            _, unknown = argparse.ArgumentParser.parse_known_args(self, args)
        finally:
            for action in required:
                action.required = True
        if _flags_of(unknown):
            self.error(self.describe_unknown(unknown))

    @override
    def error(self, message: str) -> NoReturn:
        super().error(printable_message(message))

    def describe_unknown(self, unknown: Sequence[str]) -> str:
        """Return the message for arguments that no option takes, without their values."""
        return describe_unknown(self, unknown)

    def visible_flags(self) -> list[str]:
        """Return the long flags that the help shows."""
        return _visible_flags(self)


def describe_unknown(parser: argparse.ArgumentParser, unknown: Sequence[str]) -> str:
    """Return the message for arguments that a parser does not know: options with those that they resemble, no values.

    Args:
        parser: the parser.
        unknown: the arguments.
    """
    flags = _flags_of(unknown)
    if not flags:
        return "unrecognized arguments: a value that belongs to no option"
    visible = _visible_flags(parser)
    return "unrecognized arguments: " + ", ".join(f"{flag}{_suggestion(flag, visible)}" for flag in flags)


def _flags_of(arguments: Iterable[str]) -> list[str]:
    return [text.partition("=")[0] for text in arguments if text.startswith("--") and text != "--"]


def _suggestion(flag: str, visible: Collection[str]) -> str:
    close = did_you_mean(f"--{flag[2:].replace('-', '_')}", visible)
    return f" (did you mean {close}?)" if close else ""


def _visible_flags(parser: argparse.ArgumentParser) -> list[str]:
    return [
        flag
        for action in parser._actions  # noqa: SLF001  argparse has no other list of them
        if action.help is not argparse.SUPPRESS
        for flag in action.option_strings
        if flag.startswith("--")
    ]


def add_options(
    parser: AcceptsArguments,
    options: Iterable[Option],
    defaults: Mapping[str, Any] = DEFAULTS,
    *,
    apply_defaults: bool = False,
) -> None:
    """Add options to a parser or to a group of one, with hyphens as well as underscores in their flags.

    Args:
        parser: the parser, or the group.
        options: the options.
        defaults: the defaults by name, for the help.
        apply_defaults: whether parsed arguments have the defaults; else a flag that is not given is None.
    """
    for option in options:
        default = defaults.get(option.name)
        settings = {**_settings_of(option), "dest": option.name, "default": default if apply_defaults else None}
        flags = (option.flag, *option.short)
        parser.add_argument(*flags, help=_help(option, default), **settings)
        hyphenated = _hyphenated(flags)
        if hyphenated and not isinstance(parser, Parser):  # which adds them itself
            parser.add_argument(*hyphenated, help=argparse.SUPPRESS, **settings)


def add_grouped_options(
    parser: argparse.ArgumentParser, options: Collection[Option], defaults: Mapping[str, Any] = DEFAULTS
) -> None:
    """Add options in groups: the everyday options first, then those of each group.

    Args:
        parser: the parser.
        options: the options.
        defaults: the defaults by name, for the help.
    """
    everyday = [option for option in options if option.everyday]
    add_options(parser.add_argument_group(EVERYDAY), everyday, defaults)
    for title in dict.fromkeys((*GROUPS, *(option.group for option in options))):
        members = [option for option in options if option.group == title and not option.everyday]
        if members:
            add_options(parser.add_argument_group(title), members, defaults)


def _hyphenated(flags: Iterable[str]) -> list[str]:
    """Return those flags that have underscores, with hyphens instead."""
    return [f"--{flag[2:].replace('_', '-')}" for flag in flags if flag.startswith("--") and "_" in flag]


def _settings_of(option: Option) -> dict[str, Any]:
    if option.switch:
        return {"action": "store_true"}
    return {
        "action": "append" if option.repeatable else "store",
        "type": _argument_type(option.read),
        "choices": option.choices or None,
        "metavar": option.metavar,
    }


def _argument_type(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a parser of values whose ValueErrors argparse shows as they are."""

    def parse_argument(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from exc

    return parse_argument


def _help(option: Option, default: Any) -> str:
    text = option.help.replace("%", "%%")
    if default is None or default is False or default == ():
        return text
    if isinstance(default, tuple):
        default = ",".join(default)
    return f"{text} (default: {default:g})" if isinstance(default, float) else f"{text} (default: {default})"
