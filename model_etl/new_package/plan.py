"""What the files of a new package say: the names, the fields and the prediction."""

from __future__ import annotations

import importlib.util
import keyword
import re
import statistics
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_etl.errors import DataError, UsageError, printable
from model_etl.formats.missing_columns import listed, missing_columns
from model_etl.new_package.artefact import Artefact
from model_etl.new_package.sample import Sample
from model_etl.new_package.schema_code import field_codes, literal_of, quoted
from model_etl.schema.draft import SAMPLE
from model_etl.schema.fields import Field
from model_etl.settings.option import did_you_mean

_MOST_CLASSES = 20
_BASELINES = {"int": "0", "float": "0.0", "bool": "False", "str": '""'}


@dataclass(frozen=True)
class Prediction:
    """What the model predicts.

    Attributes:
        annotation: its type in Python.
        baseline: the code of a value that predicts the same for each record.
    """

    annotation: str = "float"
    baseline: str = "0.0"


def package_name(folder: str) -> str:
    """Return the name of the package in a new folder.

    Raises:
        UsageError: if Python cannot have a package of that name, or has another one.
    """
    base = folder.rstrip("/").rpartition("/")[2]
    name = re.sub(r"[-. ]+", "_", base).lower()
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{printable(base)!r} cannot be the name of a package",
            "Use letters, digits and hyphens: churn-model.",
        )
    if name in sys.stdlib_module_names or name == "tests" or importlib.util.find_spec(name) is not None:
        raise UsageError(
            f"there is a module {name} already, which a package of that name would hide",
            f"Choose another name, such as {name}_model.",
        )
    return name


def input_names(sample: Sample, target: str | None, artefact: Artefact | None) -> list[str]:
    """Return the names of the fields that the model takes, in their order.

    Args:
        sample: the records.
        target: the field that is predicted, which is not a part of the input.
        artefact: the artefact, which may tell what it takes.

    Raises:
        UsageError, DataError: if the sample does not have them.
    """
    if target is not None and target not in sample.names:
        close = did_you_mean(target, sample.names)
        raise UsageError(
            f"{printable(sample.name)} has no {listed([target])}, which --target names",
            f"Did you mean {listed([close])}?" if close else f"It has {listed(sample.names)}.",
        )
    names = [name for name in sample.names if name != target]
    if artefact is not None and artefact.feature_names is not None:
        missing = missing_columns(names, {name: Field("text") for name in artefact.feature_names})
        if missing.required:
            raise DataError(
                f"the sample {printable(sample.name)} {missing.describe(missing.required)}",
                f"{artefact.name} takes {listed(artefact.feature_names)}: give a sample with these names.",
            )
        return artefact.feature_names
    count = (artefact.feature_count or 1) if artefact is not None else len(names)
    if len(names) != count or not names:
        raise UsageError(
            f"the model takes {count} columns, and the sample {printable(sample.name)} has {listed(names) or 'none'}",
            "Give a sample with its columns alone, in their order; --target names the column that it predicts.",
        )
    return names


def prediction_of(sample: Sample, target: str | None, artefact: Artefact | None) -> Prediction:
    """Return what the model predicts: a class of the artefact, a value of the target, or a number."""
    if artefact is not None:
        return Prediction(_annotation_of(artefact))
    if target is None:
        return Prediction()
    schema = sample.schema([target])
    annotation = field_codes(schema)[0].annotation
    annotation = annotation if annotation in _BASELINES else "str"
    values = [value for value in sample.column(target) if value not in (None, "")]
    if schema["properties"][target].get(SAMPLE, {}).get("missing") == 1 or not values:
        return Prediction(annotation, _BASELINES[annotation])
    return Prediction(annotation, _baseline(annotation, values))


def without_dates(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a drafted schema whose dates are texts, for an artefact that was fitted with them as texts."""
    properties = {
        name: {key: value for key, value in declared.items() if key != "format"}
        for name, declared in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def _annotation_of(artefact: Artefact) -> str:
    types = {type(value) for value in artefact.classes}
    if not types:
        return "float"
    if types == {str}:
        return literal_of(artefact.classes) if len(artefact.classes) <= _MOST_CLASSES else "str"
    return types.pop().__name__ if len(types) == 1 and types <= {int, bool, float} else "Any"


def _baseline(annotation: str, values: list[Any]) -> str:
    """Return the code of the most frequent value, or of the mean of numbers."""
    if annotation == "float":
        return repr(round(statistics.fmean(map(float, values)), 6))
    if annotation == "bool":
        return repr(Counter(str(value).lower() for value in values).most_common(1)[0][0] == "true")
    most_frequent = Counter(map(str, values)).most_common(1)[0][0]
    return str(int(most_frequent)) if annotation == "int" else quoted(most_frequent)
