"""The modules that a user named, and the modules beside them: all that is imported from the current folder.

That folder is where data lies, and others may be able to write there. See
docs/decisions/0021-only-the-named-module-comes-from-the-current-folder.md.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import CodeType, FrameType, ModuleType

from typing_extensions import Self

_IMPORT_SYSTEM = ("importlib", "_frozen_importlib", "_frozen_importlib_external", "pickle", "pkgutil")
"""Modules that import what others name."""
_UNPICKLING = {"load", "loads", "find_class"}
"""Functions of pickle and of its relatives, such as joblib, which import what a pickle names."""


def import_named(name: str) -> ModuleType:
    """Import a module that the user named; its first package may lie in the current folder, which is searched last.

    Args:
        name: the module, with its packages.

    Raises:
        ImportError: if there is no such module.
        Exception: whatever the module raises when it is imported.
    """
    try:
        folder = os.getcwd()  # noqa: PTH109  finders take strings
    except FileNotFoundError:
        return importlib.import_module(name)
    first = name.partition(".")[0]
    siblings = _Siblings.of(folder)
    named = _Named(first, folder, siblings)
    sys.meta_path.insert(0, named)
    try:
        return importlib.import_module(name)
    finally:
        sys.meta_path.remove(named)


class _Named:
    """A finder of one package or module: as if the current folder were the last entry of `sys.path`."""

    def __init__(self, name: str, folder: str, siblings: _Siblings) -> None:
        self._name = name
        self._folder = folder
        self._siblings = siblings

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None or fullname != self._name or fullname in sys.builtin_module_names:
            return None
        spec = PathFinder.find_spec(fullname, [*sys.path, self._folder])
        if spec is not None and _lies_in(spec, self._folder):
            self._siblings.served.add(fullname)
        return spec


class _Siblings:
    """A finder of modules beside a named one, for the code of modules that come from that folder alone.

    Args:
        folder: the folder.

    Attributes:
        served: the first names of the modules that were loaded from it.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.served: set[str] = set()

    @classmethod
    def of(cls, folder: str) -> Self:
        """Return the finder for a folder; it comes after all others."""
        for finder in sys.meta_path:
            if isinstance(finder, cls) and finder.folder == folder:
                return finder
        finder = cls(folder)
        sys.meta_path.append(finder)
        return finder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None or not self.served or not self._asked_for(fullname):
            return None
        spec = PathFinder.find_spec(fullname, [self.folder])
        if spec is not None:
            self.served.add(fullname)
        return spec

    def _asked_for(self, name: str) -> bool:
        """Return whether code from the folder asks for a module, itself or by a pickle that it loads."""
        unpickling = ""  # the package whose function unpickles; its callers there only pass the file on
        for frame in _frames_from(sys._getframe(2)):  # noqa: SLF001
            module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
            if module in self.served:
                return True
            code = frame.f_code
            if not _UNPICKLING.isdisjoint(code.co_names):
                unpickling = module
            if (module not in _IMPORT_SYSTEM and module != unpickling) or _names(code, name):
                return False
        return False


def _frames_from(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _names(code: CodeType, name: str) -> bool:
    texts = [*code.co_names, *(constant for constant in code.co_consts if isinstance(constant, str))]
    return code.co_name == "<module>" or any(text.partition(".")[0] == name for text in texts)


def _lies_in(spec: ModuleSpec, folder: str) -> bool:
    """Return whether a top-level module, or a part of a namespace package, lies directly in a folder."""
    if spec.submodule_search_locations is None:
        return os.path.dirname(spec.origin or "") == folder  # noqa: PTH120
    return any(os.path.dirname(location) == folder for location in spec.submodule_search_locations)  # noqa: PTH120
