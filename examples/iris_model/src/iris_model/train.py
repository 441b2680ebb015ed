"""Trains the iris model: ``train-iris-model`` or ``python -m iris_model.train``.

Needs scikit-learn (``pip install iris-model[train]``), which predicting does not.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from iris_model.parameters import FEATURES, PARAMETERS_FILE, SvcParameters, TrainingFacts, save_parameters

GAMMA = 0.001
PENALTY_C = 100.0
FOLDS = 5


def train() -> SvcParameters:
    """Fit a support vector classifier to the iris data set that comes with scikit-learn.

    Nothing in it is random: the same version of scikit-learn on the same kind of machine gives the same
    parameters to the last digit.

    Source of the data: R. A. Fisher, "The use of multiple measurements in taxonomic problems", 1936.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    # Imported here so that the command can explain itself where scikit-learn is missing.
    import sklearn
    from sklearn.datasets import load_iris
    from sklearn.model_selection import cross_val_score
    from sklearn.svm import SVC

    data = load_iris()
    classifier = SVC(gamma=GAMMA, C=PENALTY_C)
    # cross_val_score splits without shuffling and fits copies of the classifier.
    fold_accuracies = cross_val_score(classifier, data.data, data.target, cv=FOLDS)
    classifier.fit(data.data, data.target)
    return SvcParameters(
        features=FEATURES,
        classes=tuple(str(data.target_names[number]) for number in classifier.classes_),  # type: ignore[arg-type]
        gamma=GAMMA,
        n_support=tuple(classifier.n_support_.tolist()),
        support_vectors=tuple(map(tuple, classifier.support_vectors_.tolist())),
        dual_coefficients=tuple(map(tuple, classifier.dual_coef_.tolist())),
        intercepts=tuple(classifier.intercept_.tolist()),
        training=TrainingFacts(
            dataset="sklearn.datasets.load_iris",
            rows=len(data.data),
            library=f"scikit-learn {sklearn.__version__}",
            penalty_c=PENALTY_C,
            training_accuracy=float(classifier.score(data.data, data.target)),
            cross_validated_accuracy=round(float(fold_accuracies.mean()), 6),
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: command line without the program's name; that of the process unless given.

    Returns:
        Exit status: 0 done, 1 not done, with the reason on standard error.
    """
    parser = argparse.ArgumentParser(
        prog="train-iris-model", description="Train the iris model and write its parameters."
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=PARAMETERS_FILE,
        metavar="FILE",
        help="JSON file to write (default: the one inside the installed package)",
    )
    file: Path = parser.parse_args(arguments).output
    try:
        parameters = train()
        save_parameters(parameters, file)
    except ImportError as error:
        print(f"training needs scikit-learn, pip install 'iris-model[train]': {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cannot write {file}: {error.strerror or error}", file=sys.stderr)
        return 1
    facts = parameters.training
    print(
        f"{file}: {len(parameters.support_vectors)} support vectors, accuracy"
        f" {facts.training_accuracy:.3f} on the {facts.rows} training rows,"
        f" {facts.cross_validated_accuracy:.3f} over {FOLDS} folds"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
