"""Fits the iris model to the training records of this run."""

from __future__ import annotations

import json

import sklearn
from iris_model.parameters import FEATURES, SvcParameters, TrainingFacts
from iris_model.train import FOLDS, GAMMA, PENALTY_C
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from pipeline.command import print_result, run
from pipeline.files import MODEL, TRAIN, locate_in_run, read, write


def step() -> None:
    """Run the step that the module describes."""
    source = locate_in_run(TRAIN)
    records = [json.loads(line) for line in read(source).splitlines()]
    numbers = [[record[name] for name in FEATURES] for record in records]
    species = [record["species"] for record in records]
    # Nothing in it is random: the same records give the same bytes, and with them the same version of the model.
    accuracies = cross_val_score(SVC(gamma=GAMMA, C=PENALTY_C), numbers, species, cv=FOLDS)
    classifier = SVC(gamma=GAMMA, C=PENALTY_C).fit(numbers, species)
    parameters = SvcParameters(
        features=FEATURES,
        classes=tuple(map(str, classifier.classes_)),  # type: ignore[arg-type]  # it checks them itself
        gamma=GAMMA,
        n_support=tuple(classifier.n_support_.tolist()),
        support_vectors=tuple(map(tuple, classifier.support_vectors_.tolist())),
        dual_coefficients=tuple(map(tuple, classifier.dual_coef_.tolist())),
        intercepts=tuple(classifier.intercept_.tolist()),
        training=TrainingFacts(
            dataset="training/iris.csv",
            rows=len(records),
            library=f"scikit-learn {sklearn.__version__}",
            penalty_c=PENALTY_C,
            training_accuracy=float(classifier.score(numbers, species)),
            cross_validated_accuracy=round(float(accuracies.mean()), 6),
        ),
    )
    target = locate_in_run(MODEL)
    write(target, parameters.model_dump_json(indent=1).encode())
    print_result(
        f"{target.name}: fitted to {len(records)} records, {parameters.training.training_accuracy:.3f} of them right"
    )


if __name__ == "__main__":
    run(step)
