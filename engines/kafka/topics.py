"""The topics of a model: their names, and what a broker knows of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code
from aiokafka.errors import TopicAlreadyExistsError as Exists
from typing_extensions import Self

from model_etl.engines.kafka.connection import CREATE, Connection
from model_etl.errors import ConfigurationError
from model_etl.scoring.model import ModelFacts

PREFIX = "model_stream_processor"
_LONGEST = 249
_DOING = "asking about topics"


@dataclass(frozen=True)
class Topics:
    """The names of a model's four topics; the group of its processors is called as what they have in common.

    Attributes:
        base: what they have in common.
    """

    base: str

    @classmethod
    def of(cls, model: ModelFacts, prefix: str = PREFIX) -> Topics:
        """Name the topics of a model, as the original does: by its name, and its version without what only mends it.

        Raises:
            ConfigurationError: if Kafka has no topics of such names.
        """
        major, _, rest = model.version.partition(".")
        base = f"{prefix}.{model.name}.{major}.{rest.partition('.')[0] or '0'}"
        if not re.fullmatch(r"[A-Za-z0-9._-]+", base) or len(base) > _LONGEST - len(".outputs"):
            raise ConfigurationError(
                f"the model {model.reference} cannot have topics of its name: {base!r}",
                "Kafka takes up to 249 letters, digits, dots, dashes and underscores: change --prefix or the model.",
            )
        return cls(base)

    @property
    def inputs(self) -> str:
        """Where records are read."""
        return f"{self.base}.inputs"

    @property
    def outputs(self) -> str:
        """Where predictions go."""
        return f"{self.base}.outputs"

    @property
    def errors(self) -> str:
        """Where records go that failed."""
        return f"{self.base}.errors"

    @property
    def log(self) -> str:
        """Where the prediction log goes."""
        return f"{self.base}.log"

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return self.inputs, self.outputs, self.errors, self.log


class Admin:
    """Asks a broker about topics, and makes them; in its block Kafka's errors become ours.

    Args:
        connection: where the broker is.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client = AIOKafkaAdminClient(**connection.options())

    async def __aenter__(self) -> Self:
        try:
            await self._client.start()
        except KafkaError as exc:
            await self._client.close()
            raise self._connection.failure(exc, _DOING) from exc
        return self

    async def __aexit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        await self._client.close()
        if isinstance(exc, (KafkaError, asyncio.TimeoutError)):
            raise self._connection.failure(exc, _DOING) from exc

    async def cluster(self) -> str:
        """Give the name that the cluster gave itself."""
        return str((await self._client.describe_cluster()).get("cluster_id"))

    async def partitions(self) -> dict[str, int]:
        """Give the number of partitions of every topic; to ask for one by name might create it."""
        return {topic["topic"]: len(topic["partitions"]) for topic in await self._client.describe_topics()}

    async def require(self, topics: Sequence[str]) -> dict[str, int]:
        """Give the number of partitions of some topics.

        Raises:
            ConfigurationError: if there is one that does not exist.
        """
        found = await self.partitions()
        if missing := [topic for topic in topics if topic not in found]:
            raise ConfigurationError(f"{self._connection.bootstrap_servers} has no topic {', '.join(missing)}", CREATE)
        return {topic: found[topic] for topic in topics}

    async def create(self, topics: Sequence[str], partitions: int, replication_factor: int) -> list[str]:
        """Make those topics that do not exist.

        Returns:
            A line for each that says what became of it.

        Raises:
            ModelEtlError: if the broker refuses one.
        """
        wanted = [NewTopic(topic, partitions, replication_factor) for topic in topics]
        response = await self._client.create_topics(wanted)
        found = await self.partitions()
        said = []
        for topic, code, *message in response.topic_errors:
            error = for_code(code)
            if code and error is not Exists:
                cause = error(message[0] if message else "")
                if error.__name__.startswith("Invalid"):
                    raise ConfigurationError(
                        f"cannot create {topic} with {partitions} partitions and replication factor"
                        f" {replication_factor}: {cause}",
                        "A replication factor is at most the number of brokers; partitions are 1 or more.",
                    )
                raise self._connection.failure(cause, f"creating {topic}")
            known = found.get(topic, partitions)
            differs = f", not {partitions}" if known != partitions else ""
            said.append(f"exists   {topic} ({known} partitions{differs})" if code else f"created  {topic}")
        return said
