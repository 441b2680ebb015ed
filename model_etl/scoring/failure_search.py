"""Finds the records of a batch for which a model fails, in as few and as small calls as it can.

A call that fails says nothing but that one of its records is refused. Halving finds that record in some fifteen calls;
`KnownValues` often finds it at once, together with others of its sort in later batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from model_etl.records.batch import Batch
from model_etl.schema.columns import joined_in_order
from model_etl.scoring.known_values import KnownValues, Trait

Outputs = tuple[Sequence[Any], Sequence[Any]]
"""Outputs and internals of some records."""


class FailureSearch:
    """Remembers between batches which values a model refuses.

    Args:
        names: the fields of the records, as attributes; there may be none.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._known = KnownValues(names)
        self._refused: set[Trait] = set()

    def predict(self, batch: Batch, predict: Callable[[Sequence[int]], Outputs | None]) -> Outputs:
        """Return the outputs and internals of a decoded batch, without those of records that fail.

        Args:
            batch: the records.
            predict: returns the outputs of the records at some indexes, or None if the call fails.
        """
        search = _Search(batch.inputs, predict, self._known, self._refused)
        search.solve(range(len(batch)))
        search.finish()
        return search.outputs()


class _Search:
    def __init__(
        self,
        records: Sequence[Any],
        predict: Callable[[Sequence[int]], Outputs | None],
        known: KnownValues,
        refused: set[Trait],
    ) -> None:
        self._records = records
        self._predict = predict
        self._known = known
        self._refused = refused
        self._found: list[tuple[Sequence[int], Outputs]] = []
        self._failed: list[int] = []
        self._has_failed = False

    def solve(self, indexes: Sequence[int], *, fails: bool = False, screened: bool = False, odd: bool = True) -> bool:
        """Predict some records; return whether all of them were predicted.

        Args:
            indexes: their indexes, at least one.
            fails: whether a call with all of them surely fails.
            screened: whether none of them has a trait of refused records.
            odd: whether those with any trait may be set apart.
        """
        if not screened and self._refused and len(indexes) > 1:
            suspects = self._known.with_traits(self._records, indexes, self._refused)
            if 0 < len(suspects) <= len(indexes) // 2:
                self._set_apart(indexes, suspects, fails=False)
                return False
        if not fails or len(indexes) == 1:
            outputs = self._predict(indexes)
            if outputs is not None:
                self._note_predicted(indexes, outputs)
                return True
            self._has_failed = True
            if len(indexes) == 1:
                self._failed += indexes
                return False
        suspects = self._known.traits(self._records, indexes) if odd else {}
        if 0 < len(suspects) <= len(indexes) // 2:
            self._set_apart(indexes, suspects, fails=True)
            return False
        middle = len(indexes) // 2
        is_left_predicted = self.solve(indexes[:middle], odd=odd)
        self.solve(indexes[middle:], fails=is_left_predicted, odd=odd)
        return False

    def _set_apart(self, indexes: Sequence[int], suspects: dict[int, set[Trait]], *, fails: bool) -> None:
        """Predict the others first, so that their values are known, and then the suspects, one by one if they fail."""
        others = [index for index in indexes if index not in suspects]
        are_predicted = self.solve(others, screened=True, odd=False)
        probable = [index for index, traits in suspects.items() if traits & self._refused]
        for number, index in enumerate(probable, 1):
            if self.solve([index]) and number < len(probable):
                self.solve(probable[number:], screened=True, odd=False)
                break
        if rest := [index for index in suspects if index not in set(probable)]:
            self.solve(rest, fails=fails and are_predicted and not probable, screened=True, odd=False)

    def _note_predicted(self, indexes: Sequence[int], outputs: Outputs) -> None:
        self._found.append((indexes, outputs))
        if self._has_failed or len(indexes) == 1:
            self._known.learn(self._records, indexes)

    def finish(self) -> None:
        """Remember what the refused records have in common, now that the values of the others are known."""
        for traits in self._known.traits(self._records, self._failed).values():
            self._refused |= traits

    def outputs(self) -> Outputs:
        """Return the outputs and internals of the records that were predicted, in their order."""
        if len(self._found) == 1:
            return self._found[0][1]
        indexes = [index for part, _ in self._found for index in part]
        order = sorted(range(len(indexes)), key=indexes.__getitem__)
        tables = [outputs for _, (outputs, _) in self._found]
        exposed = [item for _, (_, internals) in self._found for item in internals]
        return joined_in_order(tables, order), [exposed[number] for number in order] if exposed else ()
