"""Several processors in one process, until a signal asks them to stop or one of them fails."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.group import Pace
from model_etl.engines.kafka.notices import say
from model_etl.engines.kafka.processor import Processor
from model_etl.engines.kafka.topics import Admin, Topics
from model_etl.engines.shared.scoring import Scorer, ScorerSettings
from model_etl.errors import ModelEtlError, TryAgain
from model_etl.evidence.prediction_log import now
from model_etl.records.strict_json import encode_json
from model_etl.runtime.failure import report_failure
from model_etl.runtime.signals import stop_on_signals


class Served(NamedTuple):
    """A model to serve.

    Attributes:
        scorer: the model, loaded.
        settings: what it was made of.
        topics: its topics.
    """

    scorer: Scorer
    settings: ScorerSettings
    topics: Topics


async def serve(
    connection: Connection, models: Sequence[Served], pace: Pace, report_every: float, grace: float
) -> None:
    """Run a processor for each model, side by side; if one fails, the others finish their batches, and all end.

    Args:
        connection: where Kafka is.
        models: which.
        pace: how the processors work.
        report_every: seconds between two reports; 0 for none.
        grace: seconds that they have to finish once they are to stop.

    Raises:
        ModelEtlError: if topics are missing; or what the first that failed raised.
    """
    async with Admin(connection) as admin:
        cluster = await admin.cluster()
        await admin.require([name for model in models for name in model.topics.names])
    processors = [Processor(*model, connection, cluster, pace) for model in models]
    with stop_on_signals() as stop:
        tasks = [asyncio.create_task(_run(processor, stop)) for processor in processors]
        reports = asyncio.create_task(_report(processors, report_every))
        told = asyncio.create_task(stop.wait())
        await asyncio.wait([*tasks, told], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        _, late = await asyncio.wait(tasks, timeout=grace)
        reports.cancel()
        for processor in processors:
            say(summary(processor))
        if late:
            unfinished = TryAgain(
                f"a batch could not be finished in {grace:g} s", "It is read again at the next start: nothing is lost."
            )
            os._exit(report_failure(unfinished))  # what hangs would hang on
        failed = [error for task in tasks if (error := task.exception()) is not None]
        for error in failed[1:]:
            report_failure(error)
        if failed:
            raise failed[0]


async def _run(processor: Processor, stop: asyncio.Event) -> None:
    topics = processor.topics
    await processor.run(stop, lambda: say(f"{processor.name}: reading {topics.inputs}"))


async def _report(processors: Sequence[Processor], every: float) -> None:
    """Say now and then how far the processors are, as a line of JSON each."""
    while every:
        await asyncio.sleep(every)
        for processor in processors:
            told: dict[str, Any] = {"time": now(), "model": processor.name, **_counts(processor)}
            try:
                told["lag"] = {str(partition): count for partition, count in (await processor.lag()).items()}
            except ModelEtlError as exc:
                told["lag"], told["error"] = None, exc.message
            say(encode_json(told).decode())


def _counts(processor: Processor) -> dict[str, int]:
    return {name: processor.counts[name] for name in ("read", "written", "rejected", "withheld")}


def summary(processor: Processor) -> str:
    """Say in a line what became of the records of one model."""
    c = _counts(processor)
    return (
        f"{processor.name}: {c['read']:,} read = {c['written']:,} written + {c['rejected']:,} rejected"
        f" + {c['withheld']:,} withheld"
    )
