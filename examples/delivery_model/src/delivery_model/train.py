"""Trains the delivery time model: ``train-delivery-model`` or ``python -m delivery_model.train``.

The data are synthetic, made with a fixed seed by ``delivery_model.synthetic``.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from delivery_model.features import FeatureBuilder, Floats
from delivery_model.parameters import PARAMETERS_FILE, DeliveryParameters, TrainingFacts, save_parameters
from delivery_model.synthetic import Delivery, make_deliveries

TRAINING_ROWS, TRAINING_SEED = 4000, 20240101
HOLDOUT_ROWS, HOLDOUT_SEED = 2000, 20240102
RIDGE_PENALTY = 1.0
MIN_CITY_ROWS = 100
INTERVAL = (0.1, 0.9)
# A millionth of a minute means nothing, and cutting there hides that linear algebra libraries differ in
# the last digits, so that training gives the same file wherever it runs.
DECIMALS = 6


def train() -> DeliveryParameters:
    """Fit a ridge regression to made-up deliveries and measure it on others."""
    deliveries = make_deliveries(TRAINING_ROWS, TRAINING_SEED)
    holdout = make_deliveries(HOLDOUT_ROWS, HOLDOUT_SEED)

    city_rows = Counter(delivery.city for delivery in deliveries)
    cities = tuple(sorted(city for city, rows in city_rows.items() if rows >= MIN_CITY_ROWS))
    known_rain = [delivery.rain_mm for delivery in deliveries if delivery.rain_mm is not None]
    rain_mm_mean = round(sum(known_rain) / len(known_rain), DECIMALS)

    builder = FeatureBuilder(cities, rain_mm_mean)
    design, minutes = builder.build(deliveries).values.T, _true_minutes(deliveries)
    coefficients = np.round(_ridge(design, minutes), DECIMALS)
    low_offset, high_offset = np.round(
        np.quantile(minutes - design @ coefficients, INTERVAL), DECIMALS
    ).tolist()

    errors = _true_minutes(holdout) - builder.build(holdout).values.T @ coefficients
    inside = (low_offset <= errors) & (errors <= high_offset)
    return DeliveryParameters(
        cities=cities,
        rain_mm_mean=rain_mm_mean,
        max_distance_km=max(delivery.distance_km for delivery in deliveries),
        max_items=max(delivery.items for delivery in deliveries),
        coefficients=dict(zip(builder.names, coefficients.tolist(), strict=True)),
        low_offset=low_offset,
        high_offset=high_offset,
        training=TrainingFacts(
            dataset=f"synthetic: delivery_model.synthetic.make_deliveries({TRAINING_ROWS}, {TRAINING_SEED})",
            rows=TRAINING_ROWS,
            ridge_penalty=RIDGE_PENALTY,
            holdout_rows=HOLDOUT_ROWS,
            holdout_mean_absolute_error=round(float(np.abs(errors).mean()), 4),
            holdout_interval_coverage=round(float(inside.mean()), 4),
        ),
    )


def _ridge(design: Floats, target: Floats) -> Floats:
    """Least squares with a penalty on the square of every coefficient but the first, the intercept.

    The penalty is written as further rows that pull each coefficient towards 0. It also settles how the
    intercept and the effects of the three vehicles, of which every delivery has one, share their minutes.
    """
    penalty = np.sqrt(RIDGE_PENALTY) * np.eye(design.shape[1])[1:]
    rows = np.vstack([design, penalty])
    targets = np.concatenate([target, np.zeros(len(penalty))])
    solution: Floats = np.linalg.lstsq(rows, targets, rcond=None)[0]
    return solution


def _true_minutes(deliveries: Sequence[Delivery]) -> Floats:
    return np.array([delivery.minutes for delivery in deliveries], dtype=np.float64)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: command line without the program's name; that of the process unless given.

    Returns:
        Exit status: 0 done, 1 the file cannot be written, with the reason on standard error.
    """
    parser = argparse.ArgumentParser(
        prog="train-delivery-model",
        description="Train the delivery time model on synthetic data and write its parameters.",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=PARAMETERS_FILE,
        metavar="FILE",
        help="JSON file to write (default: the one inside the installed package)",
    )
    file: Path = parser.parse_args(arguments).output
    parameters = train()
    try:
        save_parameters(parameters, file)
    except OSError as error:
        print(f"cannot write {file}: {error.strerror or error}", file=sys.stderr)
        return 1
    facts = parameters.training
    print(
        f"{file}: trained on {facts.rows} synthetic deliveries; on {facts.holdout_rows} others the mean"
        f" absolute error is {facts.holdout_mean_absolute_error:.2f} minutes and the interval holds"
        f" {facts.holdout_interval_coverage:.1%} of the true times"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
