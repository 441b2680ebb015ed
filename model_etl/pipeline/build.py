"""How a configuration becomes a graph: the nodes, what they count, and what is injected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from model_etl.evidence.prediction_log import PredictionLog
from model_etl.evidence.run_report import about_model, about_software
from model_etl.formats import format_for
from model_etl.formats.base import Format
from model_etl.formats.compression import Compression
from model_etl.formats.output_layout import Layout
from model_etl.graphs.scoring import get_graph
from model_etl.pipeline.nodes import (
    InputFile,
    OutputFile,
    PredictionLogWriter,
    RecordReader,
    RecordWriter,
    RejectsWriter,
    TooManyRejects,
    WorkersTransformer,
)
from model_etl.pipeline.strategy import run_graph
from model_etl.records.batch import Batch, Rejection, Source
from model_etl.records.run_counts import FileCounts
from model_etl.scoring.model import ModelFacts
from model_etl.scoring.rule_step import BusinessRuleTransformer
from model_etl.scoring.scorer import ScoringSteps
from model_etl.scoring.worker_pool import WorkerPool
from model_etl.settings.job_config import JobConfig

MORE_REJECTS = 1000
"""How many rejects beyond the tolerated ones are still collected: enough to see what is wrong."""


@dataclass
class RunCounts:
    """What went through the files of a run.

    Attributes:
        hashed: whether to digest the files: that costs time.
        inputs: one for each input.
        outputs: one for each output.
        log: events and bytes of the log.
        rejects: rejected records, and bytes of their file.
        withheld: records that rules held back.
        first_rejects: the first rejected records.
        expected: bytes of all inputs, or None if that is not known.
    """

    hashed: bool = False
    inputs: list[FileCounts] = field(default_factory=list)
    outputs: list[FileCounts] = field(default_factory=list)
    log: FileCounts = field(default_factory=FileCounts)
    rejects: FileCounts = field(default_factory=FileCounts)
    withheld: FileCounts = field(default_factory=FileCounts)
    first_rejects: list[Rejection] = field(default_factory=list)
    expected: int | None = None

    @classmethod
    def hashing(cls, *, hashed: bool) -> RunCounts:
        """Count files, with their digests if asked for."""
        return cls(hashed, log=FileCounts(hashed), rejects=FileCounts(hashed))

    def more(self, tallies: list[FileCounts]) -> FileCounts:
        """Count one more file of those in a list."""
        tallies.append(FileCounts(self.hashed))
        return tallies[-1]

    @property
    def read(self) -> tuple[int, int]:
        """How many bytes and records were read so far."""
        return sum(tally.size for tally in self.inputs), sum(tally.records for tally in self.inputs)

    def counts(self) -> dict[str, int]:
        """Give the number of records by what became of them."""
        return {
            "read": self.read[1],
            "written": sum(tally.records for tally in self.outputs),
            "rejected": self.rejects.records,
            "withheld": self.withheld.records,
        }


@dataclass(frozen=True)
class GraphInput:
    """An input of the graph.

    Attributes:
        name: as the user knows it.
        path: in the file system that is injected.
        identity: see `Location.identity`.
    """

    name: str
    path: str
    identity: str


@dataclass(frozen=True)
class GraphOutput:
    """An output of the graph.

    Attributes:
        name: as the user knows it; it tells the format.
        path: in the file system that is injected.
        display_name: what errors call it, since it may be written elsewhere first.
    """

    name: str
    path: str
    display_name: str


@dataclass(frozen=True)
class GraphFiles:
    """Where the graph reads and writes, in the file systems that are injected.

    Attributes:
        inputs: the inputs, in the order of reading.
        outputs: one output for all inputs, or one for each.
        rejects: path of the rejects file.
        log: path of the prediction log, or None for none.
    """

    inputs: Sequence[GraphInput]
    outputs: Sequence[GraphOutput]
    rejects: str
    log: str | None = None


@dataclass(frozen=True)
class LoadedScoring:
    """What scores, here or in workers.

    Attributes:
        facts: what is known of the model.
        transformer: the node that runs the model; with workers, the node that does it all.
        rules: the nodes that apply the rules.
        decode: decodes a batch; None with workers.
        close: ends the workers.
    """

    facts: ModelFacts
    transformer: Any
    rules: Sequence[BusinessRuleTransformer] = ()
    decode: Callable[[Batch], Batch] | None = None
    close: Callable[[], None] = lambda: None


def load(config: JobConfig, *, internals: bool) -> LoadedScoring:
    """Load the model and the rules of a configuration, or start workers that do.

    Args:
        config: what to do.
        internals: whether the log asks the model for what it computed on the way.

    Raises:
        ModelUnavailable, ConfigurationError, UsageError: if one cannot be loaded.
    """
    wanted = config.scoring
    make = partial(ScoringSteps, wanted.model, wanted.rules, internals=internals, expect_version=wanted.expect_version)
    if config.workers == 1:
        steps = make()
        return LoadedScoring(steps.facts, steps.transformer, steps.rules, steps.decode)
    workers = WorkerPool(config.workers, make)
    try:
        return LoadedScoring(workers.facts(), WorkersTransformer(workers), close=workers.end)
    except BaseException:
        workers.end()
        raise


def layout_of(config: JobConfig, facts: ModelFacts) -> Layout:
    """Say what the output records of a configuration hold."""
    return Layout(facts.outputs, facts.inputs, config.scoring.join, config.scoring.keep)


def scoring_graph(
    config: JobConfig,
    scoring: LoadedScoring,
    paths: GraphFiles,
    *,
    run_id: str,
    tallies: RunCounts,
) -> Any:
    """Build the graph of a configuration.

    Args:
        config: what to do.
        scoring: what scores; loaded with the internals if there is a log.
        paths: where to read and write.
        run_id: of this run.
        tallies: counts what goes through.
    """
    inputs = [_input_file(file, config, tallies.more(tallies.inputs)) for file in paths.inputs]
    outputs = [
        OutputFile(file.path, file.display_name, *format_of_output(file.name, config), tallies.more(tallies.outputs))
        for file in paths.outputs
    ]
    log_writer = None
    if paths.log is not None:
        facts = scoring.facts
        log = PredictionLog(
            config.scoring.job, facts.name, facts.version, config.scoring.log_inputs, frozenset(config.scoring.redact)
        )
        about = {"job": config.scoring.job, "model": about_model(facts), "software": about_software()}
        first = log.started(run_id, {**about, "settings": config.masked_options()})
        log_writer = PredictionLogWriter(paths.log, log=log, first=first, tally=tallies.log)
    tolerated = config.max_errors
    return get_graph(
        reader=RecordReader(tuple(inputs), fields=scoring.facts.inputs, decode=scoring.decode, limit=config.limit),
        rules=scoring.rules,
        model=scoring.transformer,
        log_writer=log_writer,
        rejects_writer=RejectsWriter(
            paths.rejects,
            stop_after=None if tolerated.percent else int(tolerated.limit) + MORE_REJECTS,
            first=tallies.first_rejects,
            tally=tallies.rejects,
        ),
        writer=RecordWriter(tuple(outputs), layout=layout_of(config, scoring.facts), withheld=tallies.withheld),
    )


def _input_file(file: GraphInput, config: JobConfig, tally: FileCounts) -> InputFile:
    form, compression = format_for(file.name, config.input_format, "--input_format")
    return InputFile(file.path, form, compression, Source(file.name, file.identity, form.name), tally)


def format_of_output(name: str, config: JobConfig) -> tuple[Format, Compression]:
    """Tell the format of an output.

    Raises:
        UsageError: if nothing tells it.
    """
    return format_for(name, config.output_format, "--output_format")


def score(graph: Any, services: dict[str, Any], on_tick: Callable[[], None] | None) -> bool:
    """Run the graph; tell whether it was stopped for too many rejects.

    Args:
        graph: the graph.
        services: the file systems to inject: fs, output_fs, rejects_fs and, if there is a log, log_fs.
        on_tick: called some times a second.
    """
    try:
        run_graph(graph, services, on_tick)
    except TooManyRejects:
        return True
    return False
