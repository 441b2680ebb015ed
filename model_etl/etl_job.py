"""The original's script: `python model_etl/etl_job.py --input_file=data/input.json --output_file=data/output.json`.

It scores local files with the iris model unless another is named, and takes all options of `model-etl run`.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # Run as a script, Python puts this folder on the path, where our modules would hide others (schema, for one).
    sys.path[0] = __file__.rpartition("/")[0].rpartition("/")[0] or "."
else:
    import model_etl.compat  # noqa: F401  so that whoever imports this can import bonobo next

from typing import Any

IRIS = "iris_model.iris_predict:IrisModel"


def get_graph(input_file: str, output_file: str, **options: Any) -> Any:
    """Build a graph to be run by hand: `bonobo.run(graph, services=get_services(), strategy=ReliableStrategy())`.

    It reads and writes the named files directly: without the lock, the staging and the checks of a job.

    Args:
        input_file: file with the records.
        output_file: file for the predictions.
        options: any other option of `JobConfig`; the model is the iris model unless named.

    Returns:
        A `bonobo.Graph`.
    """
    from model_etl.pipeline.build import GraphFiles, GraphInput, GraphOutput, RunCounts, load, scoring_graph  # noqa: PLC0415  --help must not wait for it
    from model_etl.records.batch import source_identity  # noqa: PLC0415
    from model_etl.settings.job_config import JobConfig  # noqa: PLC0415

    config = JobConfig.from_options(**{"input_file": input_file, "output_file": output_file, "model": IRIS, **options})
    source = GraphInput(input_file, input_file, source_identity(input_file))
    output = GraphOutput(output_file, output_file, output_file)
    paths = GraphFiles([source], [output], config.rejects_name(stream=False) or "", config.log_name(stream=False))
    scoring = load(config, internals=paths.log is not None)
    return scoring_graph(config, scoring, paths, run_id="by hand", tallies=RunCounts())


def get_services(**options: Any) -> dict[str, Any]:
    """Give the services to inject: the local file system."""
    from model_etl.services.local.location import get_services as local_services  # noqa: PLC0415

    return local_services(**options)


if __name__ == "__main__":
    from model_etl.__main__ import command

    command(defaults={"model": IRIS})
