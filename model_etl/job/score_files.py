"""Scores the inputs of a run into its staged files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from model_etl.job.run_files import RunFiles
from model_etl.pipeline.build import GraphFiles, GraphInput, GraphOutput, LoadedScoring, scoring_graph
from model_etl.pipeline.strategy import run_graph
from model_etl.publishing.publication import RunPublication, StagedFileSystem
from model_etl.publishing.storage import BinaryOpener
from model_etl.records.run_counts import RunCounters
from model_etl.settings.job_config import JobConfig


def score_files(
    config: JobConfig,
    files: RunFiles,
    identities: Sequence[str],
    publication: RunPublication,
    scoring: LoadedScoring,
    counters: RunCounters,
    *,
    run_id: str,
    on_progress: Callable[[], None] | None = None,
) -> None:
    """Score the inputs of a run and write its staged files.

    Args:
        config: the settings of the run.
        files: the inputs, and the outputs, whose names show their formats.
        identities: of the inputs.
        publication: the staged files.
        scoring: the loaded model and rules.
        counters: count what is read and written.
        run_id: identifies the run in the prediction log.
        on_progress: called several times a second.

    Raises:
        TooManyRejects: if the run was stopped because of its rejects.
        ModelEtlError: if anything else ends the run.
    """
    log, rejects = publication.log, publication.rejects
    if rejects is None:
        raise ValueError("the rejects file is not staged")
    graph_files = GraphFiles(
        [
            GraphInput(location.name, location.path, identity)
            for location, identity in zip(files.inputs, identities, strict=True)
        ],
        [
            GraphOutput(location.name, str(number), staged.path)
            for number, (location, staged) in enumerate(zip(files.outputs, publication.outputs, strict=True))
        ],
        rejects.path,
        log.path if log else None,
    )
    services: dict[str, BinaryOpener | None] = {
        "fs": files.inputs[0].fs,
        "output_fs": StagedFileSystem(publication.outputs),
        "log_fs": log.fs if log else None,
        "rejects_fs": rejects.fs,
    }
    run_graph(scoring_graph(config, scoring, graph_files, run_id=run_id, counters=counters), services, on_progress)
