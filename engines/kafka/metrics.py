"""Metrics of the processors for Prometheus, served over HTTP by prometheus_client."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from model_etl.errors import ConfigurationError, ModelEtlError

if TYPE_CHECKING:
    from model_etl.engines.kafka.processor import Processor

_LOCALHOST = "127.0.0.1"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_LAG_TIMEOUT_S = 5.0
"""How long a request for metrics waits for the lag of a model; less than the ten seconds that Prometheus waits."""


def parse_endpoint(text: str) -> tuple[str, int]:
    """Read a port of this machine alone, or HOST:PORT; 0.0.0.0 as host means all addresses.

    Raises:
        ValueError: if the port is not a number from 1 to 65535.
    """
    host, colon, port = text.strip().rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16) or (colon and not host):
        raise ValueError(f"{text!r} is neither a port, from 1 to 65535, nor HOST:PORT")
    return host.strip("[]") or _LOCALHOST, int(port)


def batch_histogram() -> Histogram:
    """Return a histogram of the seconds that batches take."""
    return Histogram(
        "model_etl_batch_seconds",
        "From a batch's first note to its commit.",
        ["model"],
        registry=None,
        buckets=_BUCKETS,
    )


class ProcessorCollector(Collector):
    """Reads the counts and the lag of processors when Prometheus asks.

    Args:
        processors: the processors.
        loop: the event loop that they run in.
    """

    def __init__(self, processors: Sequence[Processor], loop: asyncio.AbstractEventLoop) -> None:
        self._processors = processors
        self._loop = loop

    @override
    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; the lag of a model is left out if Kafka does not report it in time."""
        records = CounterMetricFamily("model_etl_records", "Records by outcome.", labels=["model", "outcome"])
        failures = CounterMetricFamily("model_etl_model_failures", "Errors that ended a model.", labels=["model"])
        lag = GaugeMetricFamily("model_etl_lag", "Messages not committed yet.", labels=["model", "topic", "partition"])
        waiting = [asyncio.run_coroutine_threadsafe(processor.lag(), self._loop) for processor in self._processors]
        for processor, result in zip(self._processors, waiting, strict=True):
            for outcome in ("written", "rejected", "withheld"):
                records.add_metric([processor.name, outcome], processor.counts[outcome])
            failures.add_metric([processor.name], processor.failures)
            for partition, messages in _in_time(result).items():
                lag.add_metric([processor.name, processor.topics.inputs, str(partition)], messages)
        yield from (records, failures, lag)


def _in_time(result: concurrent.futures.Future[dict[int, int]]) -> dict[int, int]:
    try:
        return result.result(_LAG_TIMEOUT_S)
    except (ModelEtlError, concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
        result.cancel()
        return {}


@contextlib.contextmanager
def serving_metrics(
    processors: Sequence[Processor], batch_seconds: Histogram, endpoint: tuple[str, int] | None
) -> Iterator[None]:
    """Serve metrics at http://HOST:PORT/metrics while the block runs.

    Args:
        processors: the processors.
        batch_seconds: their histogram.
        endpoint: host and port, or None to serve nothing.

    Raises:
        ConfigurationError: if the port is not free.
    """
    if endpoint is None:
        yield
        return
    host, port = endpoint
    registry = CollectorRegistry()
    registry.register(ProcessorCollector(processors, asyncio.get_running_loop()))
    registry.register(batch_seconds)
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as exc:
        raise ConfigurationError(
            f"--metrics_port: cannot listen at {host}:{port}: {exc.strerror or exc}", "Choose another port or host."
        ) from exc
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
