"""Write docs/api.md from the docstrings of the public API: `python docs/generate_api.py`."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import model_etl

PAGE = Path(__file__).with_name("api.md")
_HEAD = """\
# The public API

What `import model_etl` offers. Every name is imported when it is first used, so the import is cheap. All else is
internal and may change, except for the modules that [extending.md](extending.md) names.
[score_in_python.py](../examples/python_api/score_in_python.py) shows its use. A program that imports Bonobo itself must
import `model_etl.compat` first: it makes Bonobo 0.6.4 importable on today's Python.

This page is written by `python docs/generate_api.py` from the docstrings; do not edit it.
"""
_SECTIONS = {
    "Run a job": ("run_job", "JobConfig", "ScoringSettings", "StorageSettings", "Report"),
    "Run a model": ("MLModelTransformer", "to_frame", "ReliableStrategy"),
    "Write a business rule": ("BusinessRule", "Prediction", "Decision", "ALLOW", "allow", "withhold", "replace"),
}
_ERRORS = """\
## Handle errors

Every error that ends a run is a `ModelEtlError` with `message`, `remedy` and `exit_code`, except for `Interrupted`:
that is a `BaseException`, so that no handler of a library swallows it, and its exit code is 128 + the signal's number.
A `RecordError` does not end a run: the record becomes a reject.

| error | exit code | meaning |
|---|---|---|
"""
_DOCSTRING_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example):$")
_ITEM = re.compile(r"^([\w*]+(?:, [\w*]+)*): (.*)", re.DOTALL)


def page() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD]
    for title, names in _SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += (_entry(name, getattr(model_etl, name)) for name in names)
    parts.append(_ERRORS + "".join(f"{row}\n" for row in _error_rows()))
    return "\n".join(parts)


def undocumented() -> Iterator[str]:
    """Yield each public name, and each public member of a public class, that lacks a docstring of its own."""
    for name in model_etl.__all__:
        value = getattr(model_etl, name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue  # a constant is documented as what it is an instance of
        if not value.__doc__ or value.__doc__.startswith(f"{name}("):  # dataclasses write such a docstring themselves
            yield name
        if inspect.isclass(value):
            yield from (f"{name}.{member}" for member, function in _members(value) if not inspect.getdoc(function))


def _members(value: type) -> Iterator[tuple[str, object]]:
    """Yield the public methods and properties that a class of this package defines or inherits within it."""
    for member, attribute in inspect.getmembers(value):
        static = inspect.getattr_static(value, member)
        if not (inspect.isfunction(attribute) or inspect.ismethod(attribute) or isinstance(static, property)):
            continue
        if member == "__call__" or not member.startswith("_"):
            function = static.fget if isinstance(static, property) else attribute
            if str(getattr(function, "__module__", "")).startswith("model_etl"):
                yield member, attribute


def _entry(name: str, value: object) -> str:
    if inspect.isclass(value):
        text = f"### `{name}`\n\n{_signature(name, value)}{_markdown(value)}"
        for member, function in _members(value):
            if isinstance(function, property):
                text += f"\n#### `{name}.{member}`\n\n{_markdown(function)}"
            else:
                shown = name if member == "__call__" else f"{name}.{member}"
                text += f"\n#### `{name}.{member}`\n\n{_signature(shown, function, of_class=True)}{_markdown(function)}"
        return text
    if inspect.isfunction(value):
        return f"### `{name}`\n\n{_signature(name, value)}{_markdown(value)}"
    return f"### `{name}`\n\nA `{type(value).__name__}`: `{value!r}`.\n"


def _signature(name: str, function: Any, *, of_class: bool = False) -> str:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if of_class and parameters and parameters[0].name == "self":
        signature = signature.replace(parameters=parameters[1:])
    if inspect.isclass(function):
        signature = signature.replace(return_annotation=inspect.Signature.empty)
    shown = re.sub(r"(: |-> )'([^']*)'", r"\1\2", f"{name}{signature}")  # annotations are strings
    return f"```python\n{_wrapped(shown)}\n```\n\n"


def _wrapped(signature: str) -> str:
    """Put one parameter on a line if the signature is long."""
    if len(signature) <= 100:  # noqa: PLR2004
        return signature
    opening, closing = signature.index("("), signature.rindex(")")
    parameters, depth, start = [], 0, opening + 1
    for index in range(start, closing):
        depth += {"[": 1, "(": 1, "]": -1, ")": -1}.get(signature[index], 0)
        if signature[index] == "," and not depth:
            parameters.append(signature[start:index].strip())
            start = index + 1
    parameters.append(signature[start:closing].strip())
    lines = "".join(f"    {parameter},\n" for parameter in parameters)
    return f"{signature[: opening + 1]}\n{lines}{signature[closing:]}"


def _markdown(value: object) -> str:
    """Return a docstring in Google's style as Markdown."""
    lines: list[str] = []
    for block in (inspect.getdoc(value) or "").split("\n\n"):
        head, _, rest = block.partition("\n")
        match = _DOCSTRING_SECTION.match(head)
        if not match:
            lines.append(f"```python\n{textwrap.dedent(block)}\n```" if block.startswith("    ") else block)
        elif match[1] == "Example":
            lines.append(f"```python\n{textwrap.dedent(rest)}\n```")
        elif match[1] in ("Returns", "Yields"):
            lines.append(f"**{match[1]}** {' '.join(rest.split())}")
        else:
            lines.append(f"**{match[1]}**\n\n{_items(rest)}")
    return "\n\n".join(lines) + "\n"


def _items(text: str) -> str:
    items = re.split(r"\n(?=\S)", textwrap.dedent(text))
    return "\n".join(_ITEM.sub(r"- `\1`: \2", " ".join(item.split())) for item in items)


def _error_rows() -> Iterator[str]:
    for name in model_etl.__all__:
        error = getattr(model_etl, name)
        if inspect.isclass(error) and issubclass(error, BaseException):
            summary = " ".join((inspect.getdoc(error) or "").partition("\n\n")[0].split())
            yield f"| `{name}` | {getattr(error, 'exit_code', '')} | {summary} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
