"""The columns that a fitted estimator of scikit-learn reads, with types, missing values and categories.

The first step that looks into the columns decides: an encoder has the categories of each, an imputer takes missing
values, a vectorizer reads texts, and every other estimator of scikit-learn reads numbers. Of code of others, and of
functions, nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from model_etl.artefacts.predictor import Column, FieldType, plain, type_of_values

_FIELD_TYPES: dict[type | None, FieldType] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_UNKNOWN_ACCEPTED = ("ignore", "infrequent_if_exist", "use_encoded_value", "warn")
_BOOSTERS = ("xgboost", "lightgbm", "catboost")


class Columns(NamedTuple):
    """The columns of an estimator.

    Attributes:
        columns: in the order of its training.
        named: whether it was trained with a data frame.
    """

    columns: Sequence[Column]
    named: bool


def columns_of_estimator(estimator: Any) -> Columns | None:
    """Return the columns that an estimator reads, or None if it does not even tell their number."""
    first = next(_flat([estimator]), estimator)  # a pipeline with "passthrough" first does not give names
    names = getattr(estimator, "feature_names_in_", getattr(first, "feature_names_in_", None))
    count = len(names) if names is not None else getattr(first, "n_features_in_", None)
    if count is None:
        return None
    known = [str(name) for name in names] if names is not None else [f"x{number}" for number in range(count)]
    found = _walk([estimator], known)
    columns = [found.get(name, Column(name)) for name in known if name in found]
    return Columns(columns, names is not None and all(isinstance(name, str) for name in names))


def _walk(steps: Sequence[Any], names: Sequence[str]) -> dict[str, Column]:
    """Return the columns that the first of some steps reads, by name; those that are dropped are not among them.

    Args:
        steps: estimators that are applied one after the other.
        names: of the columns that the first one gets.
    """
    steps = list(_flat(steps))
    if not steps:
        return {name: Column(name) for name in names}
    first, rest = steps[0], steps[1:]
    if hasattr(first, "transformers_") and hasattr(first, "_columns"):
        return _of_column_transformer(first, rest, names)
    if hasattr(first, "transformer_list"):  # FeatureUnion
        parts = [_walk([part, *rest], names) for _, part in first.transformer_list if not isinstance(part, str)]
        return _merged(parts)
    return {name: _column(name, index, first, rest) for index, name in enumerate(names)}


def _flat(steps: Iterable[Any]) -> Iterator[Any]:
    for step in steps:
        if hasattr(step, "best_estimator_"):
            yield from _flat([step.best_estimator_])
        elif hasattr(step, "steps") and hasattr(step, "named_steps"):
            yield from _flat(part for _, part in step.steps)
        elif step is not None and not isinstance(step, str) and not _passes_on(step):
            yield step


def _passes_on(step: Any) -> bool:
    """Return whether a step is what "passthrough" becomes when it is fitted."""
    return type(step).__name__ == "FunctionTransformer" and step.func is None


def _of_column_transformer(transformer: Any, rest: Sequence[Any], names: Sequence[str]) -> dict[str, Column]:
    parts = []
    for (_, part, _), selected in zip(transformer.transformers_, _selections(transformer), strict=False):
        if isinstance(part, str) and part == "drop":
            continue
        chosen = _selected_names(selected, names)
        steps = [*([] if isinstance(part, str) else [part]), *rest]
        parts.append(_walk(steps, chosen))
    return _merged(parts)


def _selections(transformer: Any) -> list[Any]:
    """Return the columns of each transformer, as they were selected when it was trained."""
    selections = [columns for _, _, columns in transformer.transformers_]
    fitted = transformer._columns  # noqa: SLF001  where functions that select columns have become their names
    return [*fitted, *selections[len(fitted) :]]


def _selected_names(selected: Any, names: Sequence[str]) -> list[str]:
    if isinstance(selected, str):
        return [selected]
    if isinstance(selected, int):
        return [names[selected]]
    if isinstance(selected, slice):
        if isinstance(selected.start, str) or isinstance(selected.stop, str):
            start = names.index(selected.start) if selected.start is not None else 0
            stop = names.index(selected.stop) + 1 if selected.stop is not None else len(names)
            return list(names[start:stop])
        return list(names[selected])
    items = list(plain(selected))
    if items and all(isinstance(item, bool) for item in items):
        return [name for name, chosen in zip(names, items, strict=True) if chosen]
    return [item if isinstance(item, str) else names[item] for item in items]


def _merged(parts: Iterable[dict[str, Column]]) -> dict[str, Column]:
    """Return columns that several transformers read: what all of them agree on."""
    merged: dict[str, Column] = {}
    for part in parts:
        for name, column in part.items():
            other = merged.get(name, column)
            values = other.values if column.values is None else column.values
            nullable = column.nullable and other.nullable
            merged[name] = Column(name, column.type if column.type == other.type else None, nullable, values)
    return merged


def _column(name: str, index: int, first: Any, rest: Sequence[Any]) -> Column:
    if hasattr(first, "categories_"):
        return _of_encoder(name, plain(first.categories_[index]), first)
    if hasattr(first, "vocabulary_") or (hasattr(first, "build_analyzer") and hasattr(first, "fit_transform")):
        return Column(name, "string")
    if _is_imputer(first):
        return _of_imputer(name, index, first, rest)
    if not _reads_numbers(first):
        return Column(name)
    return Column(name, "number", nullable=_takes_missing([first, *rest]))


def _of_encoder(name: str, categories: Sequence[Any], encoder: Any) -> Column:
    missing = [value for value in categories if value is None or value != value]  # noqa: PLR0124  NaN
    known = tuple(value for value in categories if value is not None and value == value)  # noqa: PLR0124
    field_type = _FIELD_TYPES.get(type_of_values(known))
    accepts_unknown = getattr(encoder, "handle_unknown", "error") in _UNKNOWN_ACCEPTED
    limited = not accepts_unknown and field_type in ("string", "integer", "boolean")
    return Column(name, field_type, nullable=bool(missing) or accepts_unknown, values=known if limited else None)


def _is_imputer(step: Any) -> bool:
    return type(step).__module__.startswith("sklearn.impute")


def _of_imputer(name: str, index: int, imputer: Any, rest: Sequence[Any]) -> Column:
    if rest and hasattr(rest[0], "categories_") and index < len(rest[0].categories_):
        column = _of_encoder(name, plain(rest[0].categories_[index]), rest[0])
        return Column(name, column.type, nullable=True, values=column.values)
    statistics = getattr(imputer, "statistics_", None)
    is_text = statistics is not None and isinstance(plain(statistics)[index], str)
    return Column(name, "string" if is_text else "number", nullable=True)


def _reads_numbers(step: Any) -> bool:
    """Return whether an estimator turns its input into numbers by itself, before anything else sees it."""
    package = type(step).__module__.partition(".")[0]
    if package in _BOOSTERS:
        return True
    if package != "sklearn" or type(step).__name__ == "FunctionTransformer":
        return False
    inner = ("estimators", "estimator", "regressor", "base_estimator")  # of estimators that pass their input on
    return not any(hasattr(step, name) for name in inner) or hasattr(step, "tree_") or _is_forest(step)


def _is_forest(step: Any) -> bool:
    module = type(step).__module__
    return module.startswith(("sklearn.ensemble._forest", "sklearn.ensemble._hist"))


def _takes_missing(steps: Iterable[Any]) -> Literal[True, False]:
    """Return whether a missing number goes through all steps, or is filled in by one of them."""
    for step in steps:
        if _is_imputer(step):
            return True
        if type(step).__module__.partition(".")[0] in _BOOSTERS:
            return True
        if not _allows_nan(step):
            return False
    return True


def _allows_nan(step: Any) -> bool:
    try:
        return bool(step.__sklearn_tags__().input_tags.allow_nan)
    except AttributeError:  # scikit-learn before 1.6
        return bool(getattr(step, "_get_tags", dict[str, bool])().get("allow_nan", False))
