"""Evaluates a fitted support vector classifier with numpy alone.

scikit-learn is left out on purpose: importing it takes most of a second of every run, and estimators it has
stored may only be loaded by the version that stored them.
"""

from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from iris_model.parameters import SvcParameters

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]

CHUNK_ROWS = 1024
"""Rows whose kernel matrix is held at once: it fits a processor's cache, and so small a product stays on one core,
which is faster than waking the others."""


class SupportVectorClassifier:
    """One-vs-one classifier with an RBF kernel, deciding as libsvm's ``svm_predict`` does.

    For each pair of classes the sign of a weighted sum of kernel values votes for one of the two, and the
    class with most votes wins, the lower-numbered one of those with equally many.

    Source: Chang and Lin, "LIBSVM: a library for support vector machines", section 7, and its svm.cpp.
    """

    def __init__(self, parameters: SvcParameters) -> None:
        vectors: Floats = np.array(parameters.support_vectors, dtype=np.float64)
        pairs = list(combinations(range(len(parameters.classes)), 2))
        self._gamma = parameters.gamma
        self._cross_terms: Floats = 2.0 * parameters.gamma * vectors.T
        self._vector_terms: Floats = parameters.gamma * np.square(vectors).sum(axis=1)
        self._pair_weights = _pair_weights(parameters, pairs)
        self._intercepts: Floats = np.array(parameters.intercepts, dtype=np.float64)
        self._pattern_digits: Integers = 2 ** np.arange(len(pairs), dtype=np.intp)
        self._class_of_pattern = _class_of_pattern(len(parameters.classes), pairs)

    def decisions(self, rows: Floats) -> Floats:
        """Return the decision value of each pair of classes (0-1, 0-2, 1-2): positive votes for the first.

        Args:
            rows: ``(n, 4)`` measurements in cm; the caller sees to it that they are finite.

        Returns:
            ``(n, 3)`` values, as ``SVC(decision_function_shape="ovo").decision_function`` gives but for
            rounding (below 1e-9 for inputs up to 100 cm, where the kernel's exponent stays small).
        """
        # |x - s|^2 = |x|^2 - 2 x.s + |s|^2 turns the distances into one matrix product.
        kernel = rows @ self._cross_terms
        kernel -= self._gamma * np.square(rows).sum(axis=1)[:, np.newaxis]
        kernel -= self._vector_terms
        np.exp(kernel, out=kernel)
        return kernel @ self._pair_weights + self._intercepts

    def classify(self, rows: Floats) -> Integers:
        """Return the class number of each of ``(n, 4)`` rows; memory does not grow beyond the result.

        Returns:
            ``n`` positions in the parameters' ``classes``.
        """
        found: Integers = np.empty(len(rows), dtype=np.intp)
        for start in range(0, len(rows), CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            pattern = (self.decisions(rows[chunk]) > 0) @ self._pattern_digits
            found[chunk] = self._class_of_pattern[pattern]
        return found


def _pair_weights(parameters: SvcParameters, pairs: list[tuple[int, int]]) -> Floats:
    """Spread the dual coefficients into one column for each pair of classes, zero for all other classes."""
    dual: Floats = np.array(parameters.dual_coefficients, dtype=np.float64)
    ends = np.cumsum(parameters.n_support)
    of_class = [
        slice(int(end) - count, int(end)) for end, count in zip(ends, parameters.n_support, strict=True)
    ]
    weights: Floats = np.zeros((len(parameters.support_vectors), len(pairs)))
    for column, (first, second) in enumerate(pairs):
        # A class has a row for each other class, in order: its own place is left out of the numbering.
        weights[of_class[first], column] = dual[second - 1, of_class[first]]
        weights[of_class[second], column] = dual[first, of_class[second]]
    return weights


def _class_of_pattern(classes: int, pairs: list[tuple[int, int]]) -> Integers:
    """Tabulate the winner for every pattern of won pairs, bit i of a pattern standing for pair i."""
    winners: Integers = np.zeros(2 ** len(pairs), dtype=np.intp)
    for wins in product((False, True), repeat=len(pairs)):
        votes = [0] * classes
        for (first, second), first_won in zip(pairs, wins, strict=True):
            votes[first if first_won else second] += 1
        pattern = sum(won << bit for bit, won in enumerate(wins))
        winners[pattern] = votes.index(max(votes))
    return winners
