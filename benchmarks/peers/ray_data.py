"""Ray Data: `map_batches` with a class that holds the estimator.

python ray_data.py MODEL INPUT OUTPUT
"""

from __future__ import annotations

import os
import sys
import tempfile

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import iris_models
import numpy as np
import parts
import ray
from iris_models import FIELDS, SPECIES

STORE_BYTES = 1 << 30


class Predictor:
    """Predicts batches.

    Args:
        model: the estimator's name.
    """

    def __init__(self, model: str) -> None:
        self._estimator = iris_models.load(model)
        self._species = np.array(SPECIES, dtype=object)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Predict a batch."""
        rows = np.column_stack([batch[name] for name in FIELDS])
        return {"species": self._species[self._estimator.predict(rows)]}


def main(model: str, source: str, output: str) -> None:
    """Score a file."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as session:
        ray.init(
            num_cpus=2, object_store_memory=STORE_BYTES, include_dashboard=False, log_to_driver=False, _temp_dir=session
        )
        predict(model, source, f"{output}.parts")
        ray.shutdown()
    parts.join(f"{output}.parts", "*.json", output)


def predict(model: str, source: str, folder: str) -> None:
    """Score a file into part files."""
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    records = ray.data.read_json(source, file_extensions=None)
    species = records.map_batches(
        Predictor, fn_constructor_args=(model,), compute=ray.data.ActorPoolStrategy(size=1), batch_size=10_000
    )
    species.write_json(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
