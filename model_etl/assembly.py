"""How a configuration becomes a graph: the nodes, what they count, and what is injected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphs.scoring import get_graph
from model_etl.config import JobConfig
from model_etl.errors import printable
from model_etl.execution import run_graph
from model_etl.formats import format_for
from model_etl.layout import Layout
from model_etl.model import Model, load_model
from model_etl.model_node import MLModelTransformer
from model_etl.nodes import PredictionLogWriter, RecordReader, RecordWriter, RejectsWriter, TooManyRejects
from model_etl.prediction_log import PredictionLog
from model_etl.publish import Location, Stage
from model_etl.records import Rejection, Source
from model_etl.report import about_model, about_software, masked
from model_etl.rules import BusinessRuleTransformer, load_rule
from model_etl.tally import Tally

MORE_REJECTS = 1000
"""How many rejects beyond the tolerated ones are still collected: enough to see what is wrong."""


@dataclass
class Tallies:
    """What went through the files of a run."""

    input: Tally = field(default_factory=Tally)
    output: Tally = field(default_factory=Tally)
    log: Tally = field(default_factory=Tally)
    rejects: Tally = field(default_factory=Tally)
    withheld: Tally = field(default_factory=Tally)
    first_rejects: list[Rejection] = field(default_factory=list)

    @classmethod
    def hashing(cls, *, hashed: bool) -> Tallies:
        """Count files, with their digests if asked for: that costs time."""
        return cls(Tally(hashed), Tally(hashed), Tally(hashed), Tally(hashed))

    def counts(self) -> dict[str, int]:
        """Give the number of records by what became of them."""
        return {
            "read": self.input.records,
            "written": self.output.records,
            "rejected": self.rejects.records,
            "withheld": self.withheld.records,
        }


@dataclass(frozen=True)
class Paths:
    """Where the graph reads and writes, in the file systems that are injected."""

    input: str
    output: str
    rejects: str
    log: str | None = None


def load(config: JobConfig) -> tuple[Model, list[BusinessRuleTransformer]]:
    """Load the model and the rules of a configuration.

    Raises:
        ModelUnavailable, ConfigurationError, UsageError: if one cannot be loaded.
    """
    model = load_model(config.model, expect_version=config.expect_version)
    return model, [load_rule(reference, model) for reference in config.rules]


def layout_of(config: JobConfig, model: Model) -> Layout:
    """Say what the output records of a configuration hold."""
    return Layout(model.output.fields(), model.input.fields(), config.join, config.keep)


def scoring_graph(
    config: JobConfig,
    model: Model,
    rules: list[BusinessRuleTransformer],
    paths: Paths,
    *,
    identity: str,
    run_id: str,
    tallies: Tallies,
) -> Any:
    """Build the graph of a configuration.

    Args:
        config: what to do.
        model: the loaded model.
        rules: the loaded rules.
        paths: where to read and write.
        identity: the input's (see `Location.identity`).
        run_id: of this run.
        tallies: counts what goes through.
    """
    input_form, input_compression = format_for(config.input_file, config.input_format, "--input_format")
    output_form, output_compression = format_for(config.output_file, config.output_format, "--output_format")
    reader = RecordReader(
        paths.input,
        form=input_form,
        compression=input_compression,
        source=Source(printable(config.input_file), identity, input_form.name),
        schema=model.input,
        limit=config.limit,
        tally=tallies.input,
    )
    log_writer = None
    if paths.log is not None:
        log = PredictionLog(config.job, model.name, model.version, config.log_inputs, frozenset(config.redact))
        about = {"job": config.job, "model": about_model(model), "software": about_software()}
        first = log.started(run_id, {**about, "settings": masked(config.settings())})
        log_writer = PredictionLogWriter(paths.log, log=log, first=first, tally=tallies.log)
    tolerated = config.max_errors
    return get_graph(
        reader=reader,
        rules=rules,
        model=MLModelTransformer(model=model, internals=log_writer is not None),
        log_writer=log_writer,
        rejects_writer=RejectsWriter(
            paths.rejects,
            stop_after=None if tolerated.percent else int(tolerated.limit) + MORE_REJECTS,
            first=tallies.first_rejects,
            tally=tallies.rejects,
        ),
        writer=RecordWriter(
            paths.output,
            form=output_form,
            compression=output_compression,
            layout=layout_of(config, model),
            withheld=tallies.withheld,
            tally=tallies.output,
        ),
    )


def score(graph: Any, source: Location, stages: Mapping[str, Stage], on_tick: Callable[[], None] | None) -> bool:
    """Run the graph; tell whether it was stopped for too many rejects."""
    services = {"fs": source.fs, **{f"{role}_fs": stage.fs for role, stage in stages.items()}}
    try:
        run_graph(graph, services, on_tick)
    except TooManyRejects:
        return True
    return False
