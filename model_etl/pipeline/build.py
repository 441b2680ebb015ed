"""Builds the scoring graph of a configuration: its nodes, their counters, and the names of its file systems."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from model_etl.errors import ConfigurationError
from model_etl.evidence.prediction_log import PredictionLog
from model_etl.evidence.run_report import describe_run
from model_etl.formats import format_for
from model_etl.formats.base import Format
from model_etl.formats.compression import Compression
from model_etl.formats.csv_tsv import Delimited
from model_etl.formats.output_layout import Layout
from model_etl.formats.rejects import RejectsFile
from model_etl.graphs.scoring import get_graph
from model_etl.pipeline.expected_names import ExpectedNames
from model_etl.pipeline.files import InputFile, OutputFile
from model_etl.pipeline.reader import RecordReader
from model_etl.pipeline.workers_node import WorkersTransformer
from model_etl.pipeline.writers import PredictionLogWriter, RecordWriter, RejectsWriter
from model_etl.records.batch import Batch, Source
from model_etl.records.dialect import Dialect
from model_etl.records.run_counts import FileCounts, RunCounters
from model_etl.runtime.supervision import LOADING_S, limit_model_calls, model_call
from model_etl.scoring.model import ModelFacts
from model_etl.scoring.model_step import MLModelTransformer
from model_etl.scoring.rule_step import BusinessRuleTransformer
from model_etl.scoring.scorer import ScoringSteps
from model_etl.scoring.self_test import SelfTest
from model_etl.scoring.worker_pool import WorkerPool
from model_etl.settings.job_config import JobConfig, ScoringSettings
from model_etl.settings.values import MaxErrors

REJECTS_BEYOND_LIMIT = 1000
"""How many rejects beyond the tolerated number are written before the run is stopped: enough to find the cause."""


@dataclass(frozen=True)
class GraphInput:
    """An input of the graph.

    Attributes:
        name: the name that the user knows.
        path: the path in the injected file system.
        identity: see `Location.identity`.
    """

    name: str
    path: str
    identity: str


@dataclass(frozen=True)
class GraphOutput:
    """An output of the graph.

    Attributes:
        name: the name that the user knows, whose suffix shows the format.
        path: the path in the injected file system.
        display_name: the name in error messages: that of the staged file, if there is one.
    """

    name: str
    path: str
    display_name: str


@dataclass(frozen=True)
class GraphFiles:
    """The files of the graph, by their paths in the injected file systems.

    Attributes:
        inputs: the inputs, in the order of reading.
        outputs: one output for all inputs, or one for each.
        rejects: path of the rejects file.
        log: path of the prediction log, or None for no log.
    """

    inputs: Sequence[GraphInput]
    outputs: Sequence[GraphOutput]
    rejects: str
    log: str | None = None


@dataclass(frozen=True)
class LoadedScoring:
    """The loaded model and rules, in this process or in worker processes.

    Attributes:
        facts: the facts about the model that a run needs.
        transformer: the node that runs the model; with worker processes, it decodes and applies the rules, too.
        ask: answers questions about the model and the rules; see `ScoringSteps.ask`.
        rules: the nodes that apply the rules; empty with worker processes.
        decode: decodes a batch; None with worker processes.
        close: ends the worker processes.
    """

    facts: ModelFacts
    transformer: MLModelTransformer | WorkersTransformer
    ask: Callable[..., Any]
    rules: Sequence[BusinessRuleTransformer] = ()
    decode: Callable[[Batch], Batch] | None = None
    close: Callable[[], None] = lambda: None


def load_scoring(
    settings: ScoringSettings,
    *,
    workers: int,
    internals: bool,
    timeout_s: float | None = None,
    judged: bool = False,
    python: str | None = None,
    lasting: bool = False,
    fetched: str | None = None,
    self_test: SelfTest | None = None,
) -> LoadedScoring:
    """Load the model and the rules, or start worker processes that do.

    Args:
        settings: the model and the rules.
        workers: number of processes that score; with 1 and without `python`, this process does.
        internals: whether the prediction log has the model's internals.
        timeout_s: seconds that a call of the model or a rule may take, or None for any time.
        judged: whether a first batch that fails as a whole is a fault of the model or of a rule, and ends the run.
        python: the interpreter that runs the worker processes, or None for that of this process.
        lasting: whether worker processes go on until `close`; else they end with the graph.
        fetched: path of the local copy of a model that lies elsewhere.
        self_test: known records, which each model must predict as expected.

    Raises:
        ModelUnavailable, ConfigurationError, UsageError: if the model or a rule cannot be loaded.
    """
    load_steps = partial(
        ScoringSteps,
        settings.model,
        settings.rules,
        internals=internals,
        expect_version=settings.expect_version,
        judged=judged,
        artefact=dataclasses.replace(settings.artefact, fetched=fetched),
        decorators=settings.configured_decorators,
        self_test=self_test,
    )
    if workers == 1 and python is None:
        limit_model_calls(timeout_s)
        with model_call(lambda: f"the model {settings.model}, while it was loaded", extra_s=LOADING_S):
            steps = load_steps()
        return LoadedScoring(steps.facts, steps.transformer, steps.ask, steps.rules, steps.decode)
    pool = WorkerPool(workers, load_steps, timeout_s, python)
    try:
        return LoadedScoring(pool.facts(), WorkersTransformer(pool, lasting=lasting), pool.ask, close=pool.end)
    except BaseException:
        pool.end()
        raise


def scoring_graph(
    config: JobConfig, scoring: LoadedScoring, files: GraphFiles, *, run_id: str, counters: RunCounters
) -> Any:
    """Build the graph of a configuration.

    Args:
        config: the settings of the run.
        scoring: the loaded model and rules; with the model's internals if there is a prediction log.
        files: the files to read and write.
        run_id: identifies the run in the prediction log.
        counters: count what is read and written.

    Returns:
        A `bonobo.Graph`; run it with the services fs, output_fs, rejects_fs and, if there is a log, log_fs.
    """
    return get_graph(
        reader=_reader(config, scoring, files, counters),
        rules=scoring.rules,
        model=scoring.transformer,
        log_writer=_log_writer(config, scoring.facts, files.log, run_id, counters) if files.log is not None else None,
        rejects_writer=_rejects_writer(config.max_errors, files.rejects, counters),
        writer=_record_writer(config, scoring.facts, files.outputs, counters),
    )


def output_format_of(name: str, config: JobConfig) -> tuple[Format, Compression]:
    """Return the format and the compression of an output.

    Args:
        name: name of the output.
        config: the settings, which may name both; else the output's name shows them.

    Raises:
        UsageError: if neither shows the format.
    """
    return format_for(
        name, config.output_format, "--output_format", config.output_compression, tsv_quotes=config.tsv_quotes
    )


def _reader(config: JobConfig, scoring: LoadedScoring, graph_files: GraphFiles, counters: RunCounters) -> RecordReader:
    outputs = {output_format_of(output.name, config)[0].name for output in graph_files.outputs}
    files = [
        input_file(config, graph_input, counters.add_input(), scoring.facts, any_year=outputs == {"parquet"})
        for graph_input in graph_files.inputs
    ]
    require_table(config.dialect, files)
    facts, settings = scoring.facts, config.scoring
    model_fields = None if facts.exposes_internals or not facts.outputs else {*facts.inputs, *facts.outputs}
    return RecordReader(
        tuple(files),
        fields=facts.inputs,
        decode=scoring.decode,
        limit=config.limit,
        expected_names=ExpectedNames(settings.keep, settings.redact, model_fields),
    )


def require_table(dialect: Dialect, files: Sequence[InputFile]) -> None:
    """Check that options of tables are set only if an input is a table of text.

    Raises:
        ConfigurationError: if they would change nothing.
    """
    if dialect and not any(isinstance(file.file_format, (Delimited, RejectsFile)) for file in files):
        flags = ", ".join(f"--{name}" for name in dialect.as_members())
        raise ConfigurationError(
            f"{flags}: no input is a table of text; {files[0].source.name} is read as {files[0].file_format.name}",
            "Remove the options, or pass --input_format csv.",
        )


def input_file(
    config: JobConfig,
    graph_input: GraphInput,
    counts: FileCounts,
    facts: ModelFacts | None = None,
    *,
    any_year: bool = False,
) -> InputFile:
    """Return an input as the settings say that it is read.

    Args:
        config: the settings of the run.
        graph_input: the input.
        counts: count what is read.
        facts: of the model, or None if there is none yet.
        any_year: whether the outputs can hold dates beyond the years 1 to 9999.

    Raises:
        UsageError: if its name does not show its format.
    """
    file_format, compression = format_for(
        graph_input.name,
        config.input_format,
        "--input_format",
        config.input_compression,
        tsv_quotes=config.tsv_quotes,
    )
    if config.dialect and isinstance(file_format, (Delimited, RejectsFile)):
        file_format = file_format.with_dialect(config.dialect)
    source = Source(
        graph_input.name,
        graph_input.identity,
        file_format.name,
        published=config.scoring.published,
        any_year=any_year,
        max_record_size=config.max_record_size,
        **(facts.batch_settings if facts is not None else {}),
    )
    is_set = config.input_compression is not None
    return InputFile(graph_input.path, file_format, compression, source, counts, is_set)


def _log_writer(
    config: JobConfig, facts: ModelFacts, path: str, run_id: str, counters: RunCounters
) -> PredictionLogWriter:
    settings = config.scoring
    log = PredictionLog.for_model(facts, settings.job, settings.log_inputs, settings.redact)
    first_event = log.started(run_id, describe_run(settings.job, facts, config.masked_options()))
    return PredictionLogWriter(path, log=log, first_event=first_event, counts=counters.log)


def _rejects_writer(max_errors: MaxErrors, path: str, counters: RunCounters) -> RejectsWriter:
    # How many rejects a percentage permits is known only at the end.
    stop_after = None if max_errors.percent else int(max_errors.limit) + REJECTS_BEYOND_LIMIT
    return RejectsWriter(path, stop_after=stop_after, first=counters.first_rejects, counts=counters.rejects)


def _record_writer(
    config: JobConfig, facts: ModelFacts, outputs: Sequence[GraphOutput], counters: RunCounters
) -> RecordWriter:
    files = [
        OutputFile(
            output.path,
            output.display_name,
            *output_format_of(output.name, config),
            counters.add_output(),
        )
        for output in outputs
    ]
    return RecordWriter(tuple(files), layout=output_layout(config, facts), withheld=counters.withheld)


def output_layout(config: JobConfig, facts: ModelFacts) -> Layout:
    """Return the layout of the output records of a configuration."""
    settings = config.scoring
    return Layout(facts.outputs, facts.inputs, settings.join, settings.keep, settings.csv_formulas)
