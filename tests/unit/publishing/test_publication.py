"""Files of a run are locked before the work, and what is not published is thrown away."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.storage import Storage

from model_etl.errors import OutputRefused, TryAgain
from model_etl.publishing.publication import Publication, StagedFileSystem, refuse_existing

A, B = "memory://a", "memory://b"


def test_staged_files_are_locked_in_order_and_discarded_in_the_opposite_order() -> None:
    """A run that ends without publishing discards its staged files, the last one first."""
    storage = Storage()
    with Publication() as publication:
        for name in (A, B):
            publication.stage(storage.locate(name))
    assert storage.events == [("lock", A), ("lock", B), ("discard", B), ("discard", A)]
    assert storage.files == {}


def test_what_is_published_stays() -> None:
    """A file that was published is not discarded at the end, also not if the run fails afterwards."""
    storage = Storage()
    with pytest.raises(ZeroDivisionError), Publication() as publication:  # noqa: PT012
        first, _ = publication.stage(storage.locate(A)), publication.stage(storage.locate(B))
        first.prepare()
        first.publish()
        raise ZeroDivisionError
    assert storage.done("publish") == ["a"]
    assert storage.done("discard") == ["b"]


def test_a_locked_file_is_refused_at_once() -> None:
    """Without a time to wait, a file that another run writes ends this run, and what it had staged is discarded."""
    storage = Storage(busy={B: 1})
    slept: list[float] = []
    with (  # noqa: PT012
        pytest.raises(TryAgain, match="another run is writing memory://b"),
        Publication(0, slept.append) as publication,
    ):
        for name in (A, B):
            publication.stage(storage.locate(name))
    assert slept == []
    assert storage.done("discard") == ["b", "a"]


def test_a_locked_file_is_waited_for() -> None:
    """With a time to wait, the lock is asked for again and again until the other run gives it back."""
    storage = Storage(busy={A: 3})
    slept: list[float] = []
    with Publication(60, slept.append) as publication:
        publication.stage(storage.locate(A))
    assert len(slept) == 3
    assert storage.done("lock") == ["a"]


def test_a_file_that_exists_is_refused() -> None:
    """`--if_exists fail` refuses the first file that exists, and names it."""
    storage = Storage({B: b""})
    refuse_existing([storage.locate(A)])
    with pytest.raises(OutputRefused, match="memory://b exists already"):
        refuse_existing([storage.locate(A), storage.locate(B)])


def test_staged_files_are_a_file_system_by_their_numbers() -> None:
    """The graph writes to staged files by number; each file gets what was written to its own number."""
    storage = Storage()
    with Publication() as publication:
        staged: list[Any] = [publication.stage(storage.locate(name)) for name in (A, B)]
        files = StagedFileSystem(staged)
        for number in (1, 0):
            with files.openbin(str(number), "w") as file:
                file.write(b"%d" % number)
        for one in staged:
            one.publish()
    assert storage.files == {A: b"0", B: b"1"}
