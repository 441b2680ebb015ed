"""The processors of several models in one process, until a signal asks the process to stop or a processor fails."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from prometheus_client import Histogram

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.console import print_notice
from model_etl.engines.kafka.group import ProcessorSettings
from model_etl.engines.kafka.metrics import batch_histogram, serving_metrics
from model_etl.engines.kafka.processor import ModelSettings, ModelTimedOut, Processor
from model_etl.engines.kafka.topics import TopicAdmin, Topics
from model_etl.engines.kafka.truncation import SizeLimits
from model_etl.engines.kafka.turns import Turns
from model_etl.engines.shared.scoring import Scorer
from model_etl.errors import ModelEtlError, TryAgain, printable_json
from model_etl.evidence.prediction_log import now
from model_etl.records.run_counts import RunCounts
from model_etl.records.strict_json import encode_json
from model_etl.runtime.failure import report_failure
from model_etl.runtime.signals import stop_on_signals


class ServedModel(NamedTuple):
    """A model to process messages with.

    Attributes:
        scorer: the loaded model.
        settings: the scorer's settings.
        topics: the model's topics.
    """

    scorer: Scorer
    settings: ModelSettings
    topics: Topics


@dataclass(frozen=True)
class ServiceSettings:
    """How a process reports and stops.

    Attributes:
        report_every: seconds between two reports; 0 for none.
        grace: seconds that the processors have to finish their batches when they are to stop.
        metrics_port: host and port to serve metrics at, or None.
    """

    report_every: float
    grace: float
    metrics_port: tuple[str, int] | None = None


async def serve(
    connection: Connection,
    models: Sequence[ServedModel],
    processor_settings: ProcessorSettings,
    settings: ServiceSettings,
) -> None:
    """Run a processor for each model until a signal stops them; if one fails, the others continue.

    Args:
        connection: the connection to Kafka.
        models: the models.
        processor_settings: how the processors read and deliver.
        settings: how to report and to stop.

    Raises:
        ModelEtlError: if topics are missing; otherwise the error of the first processor that failed.
    """
    batch_seconds = batch_histogram()
    processors = await _start(connection, models, processor_settings, batch_seconds)
    with stop_on_signals() as stop, serving_metrics(processors, batch_seconds, settings.metrics_port):
        tasks = [asyncio.create_task(_run(processor, stop)) for processor in processors]
        reports = asyncio.create_task(_report(processors, settings.report_every))
        await _await_end(processors, tasks, stop)
        unfinished = await _shut_down(tasks, stop, settings.grace)
        reports.cancel()
        for processor in processors:
            print_notice(summary(processor))
        timed_out = [error for error in _failures(tasks) if isinstance(error, ModelTimedOut)]
        if timed_out or unfinished:
            error = (
                timed_out[0]
                if timed_out
                else TryAgain(
                    f"a batch could not be finished in {settings.grace:g} s",
                    "It is read again at the next start: nothing is lost.",
                )
            )
            os._exit(report_failure(error))  # an ordinary exit would wait for the thread that hangs
        _raise_first_failure(tasks)


async def _start(
    connection: Connection,
    models: Sequence[ServedModel],
    processor_settings: ProcessorSettings,
    batch_seconds: Histogram,
) -> list[Processor]:
    """Check that the topics of all models exist, and build their processors."""
    async with TopicAdmin(connection) as admin:
        cluster_id = await admin.cluster_id()
        await admin.require_topics([name for model in models for name in model.topics.names])
        limits = [SizeLimits(*await admin.size_limits([model.topics.log, model.topics.errors])) for model in models]
    turns = Turns()
    return [
        Processor(*model, connection, cluster_id, processor_settings, limit, turns, batch_seconds)
        for model, limit in zip(models, limits, strict=True)
    ]


async def _await_end(processors: Sequence[Processor], tasks: Sequence[asyncio.Task[None]], stop: asyncio.Event) -> None:
    """Wait until all processors have ended, which only failures make them do, or until a signal sets `stop`."""
    stopping = asyncio.create_task(stop.wait())
    running = dict(zip(tasks, processors, strict=True))
    while running and not stop.is_set():
        await asyncio.wait([*running, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in [task for task in running if task.done()]:
            processor = running.pop(task)
            if isinstance(task.exception(), ModelTimedOut):
                running.clear()  # only the end of the process ends the thread that hangs
            elif running and (error := task.exception()) is not None:
                print_notice(f"{processor.name} has failed, the other models continue: {error}")
    stopping.cancel()


async def _shut_down(tasks: Sequence[asyncio.Task[None]], stop: asyncio.Event, grace: float) -> set[asyncio.Task[None]]:
    """Let the processors finish their batches, and return those that did not in `grace` seconds."""
    stop.set()
    _, unfinished = await asyncio.wait(tasks, timeout=grace)
    return unfinished


def _raise_first_failure(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Raise the error of the first processor that failed, and print those of the others."""
    failures = _failures(tasks)
    for error in failures[1:]:
        report_failure(error)
    if failures:
        raise failures[0]


def _failures(tasks: Sequence[asyncio.Task[None]]) -> list[BaseException]:
    return [error for task in tasks if task.done() and (error := task.exception()) is not None]


async def _run(processor: Processor, stop: asyncio.Event) -> None:
    topics = processor.topics
    await processor.run(stop, lambda: print_notice(f"{processor.name}: reading {topics.inputs}"))


async def _report(processors: Sequence[Processor], interval: float) -> None:
    """Print the counts and the lag of each processor at intervals, as a line of JSON."""
    while interval:
        await asyncio.sleep(interval)
        for processor in processors:
            report: dict[str, Any] = {
                "time": now(),
                "model": processor.name,
                **RunCounts.from_mapping(processor.counts).as_dict(),
            }
            try:
                report["lag"] = {str(partition): count for partition, count in (await processor.lag()).items()}
            except ModelEtlError as exc:
                report["lag"], report["error"] = None, exc.message
            print_notice(printable_json(encode_json(report).decode()))


def summary(processor: Processor) -> str:
    """Return a line with the number of records by outcome."""
    return RunCounts.from_mapping(processor.counts).summary(processor.name)
