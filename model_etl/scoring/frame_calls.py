"""Finds out whether the code of a model makes frames of the records that it gets, which are then decoded to columns."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

_MODULES = ("model_etl", "model_etl.frames", "model_etl.frames.frame_builder")


def makes_frames(predict_batch: Any) -> bool:
    """Return whether a method calls `model_etl.frames.to_frame`, itself or in the functions and methods that it names.

    It decides only how records are decoded: a call that it does not find costs time, and nothing else.

    Args:
        predict_batch: the method of a model.
    """
    first = getattr(predict_batch, "__func__", predict_batch)
    methods: dict[str, Any] = {}
    for part in reversed(type(getattr(predict_batch, "__self__", None)).__mro__):
        methods.update(vars(part))
    pending, seen = [first], set[Any]()
    while pending:
        function = pending.pop()
        function = getattr(function, "__func__", function)  # of a static method
        if not isinstance(function, types.FunctionType) or function in seen or _package(function) != _package(first):
            continue
        seen.add(function)
        names = set(_names(function.__code__))
        known = [function.__globals__.get(name) for name in names]
        if any(map(_is_to_frame, known)) or ("to_frame" in names and _names_module(names, known)):
            return True
        pending += known
        pending += [methods.get(name) for name in names]
    return False


def _package(function: types.FunctionType) -> str:
    """Return the name of the package that a function is defined in; what a library calls is not followed."""
    return function.__module__.partition(".")[0]


def _names(code: types.CodeType) -> Iterator[str]:
    """Yield the names of globals, attributes and imports in a function, and in the functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _is_to_frame(value: Any) -> bool:
    return getattr(value, "__name__", "") == "to_frame" and getattr(value, "__module__", "") in _MODULES


def _names_module(names: set[str], known: list[Any]) -> bool:
    """Return whether a function names a module that has `to_frame`: pandas has methods of that name."""
    modules = {value.__name__ for value in known if isinstance(value, types.ModuleType)}
    return bool((names | modules).intersection(_MODULES))
