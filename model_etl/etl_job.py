"""The script of the original: `python model_etl/etl_job.py --input_file=data/input.json --output_file=data/out.json`.

It scores local files with the iris model by default, and takes all options of `model-etl run`.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # Python puts the folder of a script on the path, where modules of model_etl would hide others (schema, for one).
    sys.path[0] = __file__.rpartition("/")[0].rpartition("/")[0] or "."
else:
    import model_etl.compat  # noqa: F401  after it, bonobo can be imported

from typing import Any

IRIS = "iris_model.iris_predict:IrisModel"


def get_graph(input_file: str, output_file: str, **options: Any) -> Any:
    """Build a graph to be run by hand: `bonobo.run(graph, services=get_services(), strategy=ReliableStrategy())`.

    The graph reads and writes the named files directly, without the lock, the staged files and the checks of a run.

    Args:
        input_file: name of the file with the records.
        output_file: name of the file for the predictions.
        options: any other option of a run, see `JobConfig.from_options`; the model is the iris model by default.

    Returns:
        A `bonobo.Graph`.
    """
    from model_etl.pipeline.build import GraphFiles, GraphInput, GraphOutput, load_scoring, scoring_graph  # noqa: PLC0415  --help must not wait for it
    from model_etl.records.batch import source_identity  # noqa: PLC0415
    from model_etl.records.run_counts import RunCounters  # noqa: PLC0415
    from model_etl.settings.job_config import JobConfig  # noqa: PLC0415

    config = JobConfig.from_options(**{"input_file": input_file, "output_file": output_file, "model": IRIS, **options})
    source = GraphInput(input_file, input_file, source_identity(input_file))
    output = GraphOutput(output_file, output_file, output_file)
    paths = GraphFiles([source], [output], config.rejects_name(stream=False) or "", config.log_name(stream=False))
    scoring = load_scoring(
        config.scoring, workers=config.workers, internals=paths.log is not None, python=config.model_python
    )
    return scoring_graph(config, scoring, paths, run_id="by hand", counters=RunCounters())


def get_services(**options: Any) -> dict[str, Any]:
    """Return the services to inject into the graph: the local file system."""
    from model_etl.services.local.location import get_services as local_services  # noqa: PLC0415

    return local_services(**options)


if __name__ == "__main__":
    from model_etl.__main__ import command

    command(defaults={"model": IRIS})
