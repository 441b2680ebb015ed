"""The metrics of a processor, as Prometheus reads them."""

from __future__ import annotations

import socket
import urllib.request

import pytest
from acceptance import SCORING
from java_jars import free_port
from kafka_commands import Kafka, wait_for
from prometheus_client.parser import text_string_to_metric_families

from model_etl.engines.kafka.metrics import parse_endpoint


def scrape(port: int) -> dict[tuple[str, ...], float]:
    """Return the values of the metrics by name and the values of their labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics(kafka: Kafka) -> None:
    """A processor serves its records by outcome, the time of its batches, its lag and its failures to this machine."""
    kafka.create(2)
    record = b'{"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2, "province": "%s"}\n'
    kafka.run("send", "--topic", kafka.topics.inputs, stdin=record % b"ON" * 3 + record % b"QC" + b"{}\n" * 2)
    port = free_port()
    name, topic = "moody_iris 2.1.0", kafka.topics.inputs
    with kafka.processor(*SCORING, "--metrics_port", str(port)) as service:
        kafka.wait_for_lag(0, service, partitions=2)
        wait_for(lambda: ("model_etl_lag", name, "0", topic) in scrape(port))
        found = scrape(port)
        assert service.stop() == 0
    counts = {
        outcome: found["model_etl_records_total", name, outcome] for outcome in ("written", "rejected", "withheld")
    }
    assert counts == {"written": 3, "rejected": 2, "withheld": 1}
    assert found["model_etl_batch_seconds_count", name] >= 1
    assert found["model_etl_batch_seconds_sum", name] > 0
    assert found["model_etl_model_failures_total", name] == 0
    assert [found["model_etl_lag", name, partition, topic] for partition in "01"] == [0, 0]


def test_port_in_use(kafka: Kafka) -> None:
    """A port that is not free ends the process with 78 and a sentence."""
    kafka.create(1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with kafka.processor(*SCORING, "--metrics_port", str(port)) as service:
            assert service.wait() == 78
    assert f"cannot listen at 127.0.0.1:{port}" in service.output


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("9090", ("127.0.0.1", 9090)),
        ("0.0.0.0:9090", ("0.0.0.0", 9090)),
        ("metrics.example:80", ("metrics.example", 80)),
        ("[::]:9090", ("::", 9090)),
    ],
)
def test_endpoints(text: str, endpoint: tuple[str, int]) -> None:
    """An endpoint is a port of this machine alone, or a host and a port."""
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", ":9090", "host:", ""])
def test_invalid_endpoints(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_endpoint(text)
