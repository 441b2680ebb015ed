"""Bonobo 0.6.4 and fs 2.4.16 on today's Python. Import this before anything of theirs; it leaves nothing behind.

Five things stand in their way: `collections.Iterable` is gone since Python 3.10; `pkg_resources` is gone from
setuptools 82, and takes a tenth of a second before; graphviz 0.18 moved the class that Bonobo imports; and mondrian
0.8.1 loses every log record for want of an attribute, and looks into standard output when it is imported, which may be
closed, or no real file.
"""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import io
import sys
import types
from collections.abc import Iterator
from typing import Any


def _pkg_resources() -> types.ModuleType:
    """Make the little of `pkg_resources` that fs and bonobo call."""
    module = types.ModuleType("pkg_resources")

    def iter_entry_points(group: str, name: str | None = None) -> Iterator[Any]:
        from importlib.metadata import entry_points  # noqa: PLC0415  a local run needs no plugin of fs

        return (entry for entry in entry_points(group=group) if name in (None, entry.name))

    module.declare_namespace = lambda _name: None  # type: ignore[attr-defined]
    module.iter_entry_points = iter_entry_points  # type: ignore[attr-defined]
    module.working_set = ()  # type: ignore[attr-defined]
    return module


@contextlib.contextmanager
def _digraph() -> Iterator[None]:
    """Put `Digraph` where Bonobo looks for it."""
    from graphviz import Digraph, dot  # noqa: PLC0415

    if hasattr(dot, "Digraph"):
        yield
        return
    dot.Digraph = Digraph
    try:
        yield
    finally:
        del dot.Digraph


def _utf8() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


def _install() -> None:
    gone = [name for name in ("Iterable", "Sequence") if not hasattr(collections, name)]
    stand_in = "pkg_resources" not in sys.modules
    try:
        for name in gone:
            setattr(collections, name, getattr(collections.abc, name))
        if stand_in:
            sys.modules["pkg_resources"] = _pkg_resources()
        with contextlib.redirect_stdout(_utf8()), contextlib.redirect_stderr(_utf8()):
            import fs.osfs  # noqa: F401, PLC0415

            with contextlib.suppress(ModuleNotFoundError):  # another engine's environment has fs alone
                with _digraph():
                    import bonobo  # noqa: F401, PLC0415
                import mondrian.formatters  # noqa: F401, PLC0415
    finally:
        for name in gone:
            delattr(collections, name)
        if stand_in:
            del sys.modules["pkg_resources"]
    style = getattr(sys.modules.get("mondrian.formatters"), "_Style", None)
    if style is not None and not hasattr(style, "_defaults"):
        style._defaults = None  # noqa: SLF001  mondrian's constructor forgets it


_install()
