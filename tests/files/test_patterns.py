"""Names with wildcards: what each stands for, and that the local disk is searched accordingly."""

from __future__ import annotations

import glob
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from model_etl.errors import InputMissing
from model_etl.services import find_files, local
from model_etl.services.common.patterns import fits, is_pattern, matches, split

# Patterns


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.json", False), ("", False), ("a*.json", True), ("a?", True), ("data[1].json", True), ("data[1", True),
        ("data]1.json", False), ("*/a.json", True), ("{a,b}.json", False), ("!a", False),
    ],
)  # fmt: skip
def test_what_is_a_pattern(name: str, expected: bool) -> None:
    """Only `*`, `?` and `[` make a name a pattern."""
    assert is_pattern(name) is expected


@pytest.mark.parametrize(
    ("pattern", "folder", "parts"),
    [
        ("*.json", "", ["*.json"]),
        ("in/*.json", "in/", ["*.json"]),
        ("/a/b/*.json", "/a/b/", ["*.json"]),
        ("/*.json", "/", ["*.json"]),
        ("./*.json", "./", ["*.json"]),
        ("in/day=*/part.csv", "in/", ["day=*", "part.csv"]),
        ("in/a[1]/b/c.csv", "in/", ["a[1]", "b", "c.csv"]),
        ("in/**/x", "in/", ["**", "x"]),
        ("**", "", ["**", "*"]),
        ("in/**", "in/", ["**", "*"]),
        ("in/a**", "in/", ["a**"]),
        ("in//*.json", "in//", ["*.json"]),
    ],
)
def test_where_a_pattern_is_looked_for(pattern: str, folder: str, parts: list[str]) -> None:
    """In the folder before its first wildcard; `**` at the end means all files below."""
    assert split(pattern) == (folder, parts)


@pytest.mark.parametrize(
    ("part", "name", "expected"),
    [
        ("*", "a", True), ("*", ".a", False), ("*", "_a", False), (".*", ".a", True), ("_*", "_a", True),
        (".*", "_a", False), ("_*", ".a", False), ("?a", ".a", False), ("?a", "_a", False), ("[._]a", "_a", False),
        ("[!b]a", ".a", False), ("_SUCCESS", "_SUCCESS", True), (".a", ".a", True), ("*_", "a_", True),
        ("*.json", "a.json", True), ("*.json", "a.JSON", False), ("*.json", "a.json.gz", False),
        ("*.json*", "a.json.gz", True), ("?", "ä", True), ("?", "ab", False), ("?", "", False),
        ("[ab]", "b", True), ("[!ab]", "b", False), ("[a-c]", "b", True), ("[]]", "]", True), ("[", "[", True),
        ("a[1]", "a1", True), ("a[1]", "a[1]", False), ("a[[]1]", "a[1]", True), ("a\\*", "a*", False),
        ("a*", "a\nb", True), ("*", "\udcff", True), ("a.b", "acb", False), ("(a|b)", "a", False),
        ("**", "a", True), ("**", "_a", False), ("a**b", "axyb", True),
    ],
)  # fmt: skip
def test_what_a_part_stands_for(part: str, name: str, expected: bool) -> None:
    """What is not done yet (`.` and `_`) only if that is spelled; case counts; nothing else is special."""
    assert fits(part, name) is expected


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*", "a", True), ("*", "a/b", False), ("*/b", "a/b", True), ("*/b", "b", False), ("*/b", "a/c/b", False),
        ("a*", "a/b", False), ("a?b*", "a/b", False), ("a[/]b*", "a/b", False),
        ("**/b*", "b", True), ("**/b*", "a/b", True), ("**/b*", "a/c/d/b", True), ("**/b*", "a/b/c", False),
        ("**/b*", "_a/b", False), ("**/b*", "a/.c/b", False), ("**/_a/b*", "_a/b", True), ("**/_*", "a/_b", True),
        ("**", "a", True), ("**", "a/b/c", True), ("**", "a/_b", False), ("**", ".a/b", False),
        ("a*/**/b", "a/b", True), ("a*/**/b", "a/x/y/b", True), ("a*/**/b", "b", False),
        ("**/a*/**/b", "a/a/b/b", True), ("**/**", "a", True), ("**/**", "a/b/c", True),
    ],
)  # fmt: skip
def test_what_a_pattern_stands_for(pattern: str, path: str, expected: bool) -> None:
    """No wildcard but `**` crosses a slash, and `**` stands for no folder, too."""
    folder, parts = split(pattern)
    assert folder == ""
    assert matches(parts, path.split("/")) is expected


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        (["**", "*"], ["a"] * 512),  # the longest key has 1024 bytes
        (["**", "x"], ["a"] * 511 + ["x"]),
        (["**", "*"], [""] * 1023 + ["x"]),  # and may have nothing between its slashes
    ],
    ids=["deep", "named", "slashes"],
)
def test_the_deepest_key(parts: list[str], names: list[str]) -> None:
    """As deep as a storage can have them."""
    assert matches(parts, names)


def test_many_wildcards_for_folders_take_no_time() -> None:
    """Nobody waits for hours for a pattern that was put together by a careless script."""
    start = time.process_time()
    assert not matches(["**"] * 8 + ["x"], ["a"] * 25)
    assert time.process_time() - start < 1


# The local disk


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make files below the current folder."""
    monkeypatch.chdir(tmp_path)

    def make(*names: str) -> Path:
        for name in names:
            os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
            Path(name).touch()
        return tmp_path

    return make


def names(pattern: str) -> list[str]:
    """Name what the user sees of the files that are found."""
    return [file.location.name for file in find_files(pattern)]


TREE = (
    "in/b.json", "in/a.json", "in/10.json", "in/9.json", "in/B.json", "in/.c.json", "in/_d.json", "in/a b.json",
    "in/sub/a.json", "in/sub/sub/a.json", "in/_sub/a.json", "in/.sub/a.json", "in/sub/_a.json", "in/a.csv",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("in", "10.json 9.json B.json a|b.json a.csv a.json b.json"),
        ("in/", "10.json 9.json B.json a|b.json a.csv a.json b.json"),
        ("./in", "10.json 9.json B.json a|b.json a.csv a.json b.json"),
        ("in//", "10.json 9.json B.json a|b.json a.csv a.json b.json"),
        ("in/*.json", "10.json 9.json B.json a|b.json a.json b.json"),
        ("in/[ab].json", "a.json b.json"),
        ("in/?.json", "9.json B.json a.json b.json"),
        ("in/.*", ".c.json"),
        ("in/_*", "_d.json"),
        ("in/_d.json", "_d.json"),
        ("in/**/a.json", "a.json sub/a.json sub/sub/a.json"),
        ("in/**/_*.json", "_d.json sub/_a.json"),
        ("in/_*/*", "_sub/a.json"),
        ("in/.sub/*", "a.json"),
        ("in/s*/a.json", "sub/a.json"),
        ("in/*/*/a.json", "sub/sub/a.json"),
        ("i[n]/a.json", "in/a.json"),
        ("**/sub/*", "in/sub/a.json in/sub/sub/a.json"),
    ],
)
def test_what_a_name_finds(here: Callable[..., Path], name: str, expected: str) -> None:
    """The files in the order of their names, each with its name below the folder that was named."""
    here(*TREE)
    found = [file.relative for file in find_files(name)]
    assert found == [part.replace("|", " ") for part in expected.split(" ")]
    for file in find_files(name):
        assert file.location.name.endswith(file.relative)
        assert os.path.isfile(file.location.name)


@pytest.mark.parametrize("pattern", ["{0}/in/[ab].json", "file://{0}/in/[ab].json", "file://{0}/in/%5Bab%5D.json"])
def test_absolute_names(here: Callable[..., Path], pattern: str) -> None:
    """Absolute paths and URIs may hold wildcards, too."""
    folder = here(*TREE)
    assert [file.location.uri for file in find_files(pattern.format(folder))] == [
        f"file://{folder}/in/{name}.json" for name in "ab"
    ]


@pytest.mark.parametrize("name", ["data[1].json", "a*b.json", "what?.json", "[", "**"])
def test_a_name_that_exists_is_that_file(here: Callable[..., Path], name: str) -> None:
    """Whatever is in it; what the pattern would find is left alone."""
    here(name, "data1.json", "axb.json", "whatx.json", "sub/x.json")
    assert names(name) == [name]


def test_a_broken_link_with_wildcards_in_its_name_is_that_file(here: Callable[..., Path]) -> None:
    """So that reading it says that it is broken."""
    here("data1.json")
    Path("data[1].json").symlink_to("gone")
    assert names("data[1].json") == ["data[1].json"]


def test_a_folder_with_wildcards_in_its_name_is_that_folder(here: Callable[..., Path]) -> None:
    """With and without a slash."""
    here("day[1]/a.json", "day1/b.json")
    assert names("day[1]") == names("day[1]/") == ["day[1]/a.json"]


@pytest.mark.parametrize(
    "name",
    ["empty", "empty/", "unfinished", "folders", "*.csv", "gone/*.json", "in/[z].json", "in/**/z", "empty/**", "a[b/*"],
)
def test_nothing_is_found(here: Callable[..., Path], name: str) -> None:
    """An error that names what was looked for."""
    here("in/a.json", "unfinished/.a.json", "unfinished/_SUCCESS", "folders/sub/a.json")
    Path("empty").mkdir()
    with pytest.raises(InputMissing, match=re.escape(split(name)[0] if is_pattern(name) else name)):
        find_files(name)


def test_a_file_that_does_not_exist_is_found_missing_when_it_is_read(here: Callable[..., Path]) -> None:
    """A plain name stands for itself."""
    here()
    assert names("gone.json") == ["gone.json"]


def test_links(here: Callable[..., Path]) -> None:
    """Links to files and folders are followed where they are named, but `**` does not: it could never end."""
    here("in/a.json", "real/b.json", "real/sub/c.json")
    Path("in/link.json").symlink_to("../real/b.json")
    Path("in/folder").symlink_to("../real")
    Path("in/loop").symlink_to(".")
    Path("linked").symlink_to("in")
    assert names("in") == ["in/a.json", "in/link.json"]
    assert names("linked") == ["linked/a.json", "linked/link.json"]
    assert names("in/f*/*.json") == ["in/folder/b.json"]
    assert names("in/**") == ["in/a.json", "in/link.json"]
    assert names("in/**/f*/*.json") == ["in/folder/b.json"]


def test_many_wildcards_for_folders_search_the_disk_once(here: Callable[..., Path]) -> None:
    """Twenty levels of folders and six `**` are still a matter of no time."""
    here("a/" * 20 + "x.json")
    start = time.process_time()
    assert names("**/**/**/**/**/**/*.json") == ["a/" * 20 + "x.json"]
    assert time.process_time() - start < 1


# All trees and all patterns

PLAIN = st.text("ab1-", min_size=1, max_size=2)
ANY = st.text("ab1-._[]!*?\n\udcff", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
WILD = st.sampled_from(["*", "**", "?", "a*", "*b", "[ab]", "[!a]*", "[a-b]?", "*[1-]", "[", "]", "[]]", "a**"])


def paths(name: st.SearchStrategy[str]) -> st.SearchStrategy[set[str]]:
    """Give sets of paths up to three folders deep."""
    return st.sets(st.lists(name, min_size=1, max_size=4).map("/".join), max_size=12)


def patterns(name: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Give patterns of literal names and of parts with wildcards."""
    return st.lists(WILD | name, min_size=1, max_size=4).map("/".join).filter(is_pattern)


def _grown(folder: str, tree: set[str]) -> list[str]:
    """Make the files of a tree, and give those for which there was a place."""
    made = []
    for path in sorted(tree):
        full = f"{folder}/{path}"
        try:
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "xb"):
                made.append(path)
        except OSError:  # a file is where a folder should be, or the reverse
            continue
    return made


def _found(folder: str, pattern: str) -> list[str]:
    try:
        return [f"{split(pattern)[0]}{file.relative}" for file in local.find_files(f"{folder}/{pattern}")]
    except InputMissing:
        return []


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(paths(ANY), patterns(ANY))
@example({"a/b", "b"}, "**/b*")
@example({"_a/b", "_b"}, "_*/b")
def test_the_disk_is_searched_as_the_pattern_says(tree: set[str], pattern: str) -> None:
    """A file is found if and only if the pattern stands for its name; each once."""
    with tempfile.TemporaryDirectory() as folder:
        made = _grown(folder, tree)
        assume(not os.path.lexists(f"{folder}/{pattern}"))
        base, parts = split(pattern)
        expected = [p for p in made if p.startswith(base) and matches(parts, p[len(base) :].split("/"))]
        assert sorted(_found(folder, pattern)) == sorted(expected)


@settings(max_examples=300, deadline=None)
@given(paths(PLAIN), patterns(PLAIN))
@example({"a/b/b", "b"}, "**/b/**")
def test_a_pattern_means_what_it_means_elsewhere(tree: set[str], pattern: str) -> None:
    """As in Python's own glob, where no name is of the kind that is left out."""
    with tempfile.TemporaryDirectory() as folder:
        _grown(folder, tree)
        assume(not os.path.lexists(f"{folder}/{pattern}"))
        globbed = {path for path in glob.glob(f"{folder}/{pattern}", recursive=True) if os.path.isfile(path)}
        assert {f"{folder}/{path}" for path in _found(folder, pattern)} == globbed
