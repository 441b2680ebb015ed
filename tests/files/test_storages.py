"""The registry of storages: which module a name belongs to, and what a module with `locate` alone can do."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from model_etl import services
from model_etl.errors import UsageError
from model_etl.services.common.storage import Storage


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Register a storage module with `locate` alone."""
    module = ModuleType("memory_storage")
    module.locate = lambda name, **options: SimpleNamespace(name=name, options=options)
    monkeypatch.setitem(sys.modules, "memory_storage", module)
    monkeypatch.setattr(services, "SCHEMES", dict(services.SCHEMES))
    services.register_storage("memory", "memory_storage")
    return module


@pytest.mark.parametrize("module", sorted(set(services.SCHEMES.values())))
def test_our_own_storages_have_all_functions(module: str) -> None:
    """Local files and buckets know folders and patterns."""
    assert isinstance(importlib.import_module(module), Storage)


def test_a_module_with_locate_alone_has_single_files(memory: ModuleType) -> None:
    """A name is one file, whatever is in it; only a slash at the end makes a folder."""
    location: Any = services.locate("memory://a*", retries=1, bucket="ignored")
    assert (location.name, location.options) == ("memory://a*", {"retries": 1})
    (file,) = services.find_files("memory://in/a*")
    assert (file.location.name, file.relative) == ("memory://in/a*", "a*")
    assert services.locate_in_folder("memory://out/", "b/c").name == "memory://out/b/c"
    assert (services.is_folder("memory://out"), services.is_folder("memory://out/")) == (False, True)


def test_a_module_with_all_functions_is_asked(memory: ModuleType) -> None:
    """Files come in the order of their names."""
    memory.find_files = lambda name, **_: [services.FoundFile(memory.locate(f"{name}/{n}"), n) for n in ("b", "a")]
    memory.locate_in_folder = lambda folder, relative, **_: SimpleNamespace(name=f"{folder}|{relative}")
    memory.is_folder = lambda name, **_: name.endswith("out")
    assert [file.relative for file in services.find_files("memory://in")] == ["a", "b"]
    assert services.locate_in_folder("memory://out", "b").name == "memory://out/|b"
    assert services.is_folder("memory://out")


@pytest.mark.parametrize("name", ["ftp://x/a.json", "S3://x/a.json", "s3n://x"])
def test_an_unsupported_scheme(name: str) -> None:
    """The message names the scheme, the name and the schemes that are supported."""
    with pytest.raises(UsageError, match="unsupported scheme") as caught:
        services.locate(name)
    assert repr(name) in caught.value.message
    assert caught.value.remedy == "Use a local path, or one of: file://, s3://."


@pytest.mark.parametrize("relative", ["../x", "a/../x", "", "a//b", "./a", "."])
def test_no_output_leads_out_of_its_folder(relative: str) -> None:
    """Names that do not simply go down are refused."""
    with pytest.raises(UsageError, match="is not a valid name for a file in the folder out/"):
        services.locate_in_folder("out/", relative)
