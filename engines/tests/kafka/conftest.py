"""The broker of the Kafka tests, and inputs with their expected results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance import Results, single_machine, write_input
from kafka_broker import KafkaBroker
from kafka_commands import FEWER_RECORDS, Kafka


@pytest.fixture(scope="session")
def broker() -> Iterator[KafkaBroker]:
    """Return a broker that runs for all tests."""
    with KafkaBroker() as running:
        yield running


@pytest.fixture
def kafka(broker: KafkaBroker, request: pytest.FixtureRequest, tmp_path: Path) -> Kafka:
    """Return the commands with a prefix of topics that only this test uses."""
    prefix = "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
    return Kafka(broker.address, prefix, tmp_path)


@pytest.fixture(scope="session")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """Return a file of 30,000 records like those of the acceptance test, and the results of the single-machine run."""
    folder = tmp_path_factory.mktemp("fewer")
    write_input(folder / "input.json", FEWER_RECORDS)
    return folder / "input.json", single_machine(str(folder / "input.json"), folder)
