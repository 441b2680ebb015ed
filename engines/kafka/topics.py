"""The topics of a model: their names, and the requests to create them and to ask a broker about them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from typing_extensions import Self

from model_etl.engines.kafka.connection import CREATE_TOPICS_REMEDY, Connection
from model_etl.errors import ConfigurationError
from model_etl.scoring.model import ModelFacts

PREFIX = "model_stream_processor"
_MAX_NAME_LENGTH = 249
"""The longest name of a topic (org.apache.kafka.common.internals.Topic.MAX_NAME_LENGTH)."""
_SIZE_LIMIT = "max.message.bytes"
RESULT_MESSAGE_BYTES = 8 * 1024 * 1024
"""The largest message that new topics of results accept. A record of a broker's default limit, 1 MiB, may be in an
event or a reject with each character escaped, which takes up to six bytes."""
_ADMIN_ACTION = "asking about topics"


@dataclass(frozen=True)
class Topics:
    """The names of a model's four topics.

    Attributes:
        base: the common beginning of the names, which is also the group id of the model's processors.
    """

    base: str

    @classmethod
    def of(cls, model: ModelFacts, prefix: str = PREFIX) -> Topics:
        """Build the names from the model's name and the first two numbers of its version, as the original does.

        Args:
            model: facts about the model.
            prefix: what the names start with.

        Raises:
            ConfigurationError: if Kafka does not allow topics of these names.
        """
        major, _, rest = model.version.partition(".")
        base = f"{prefix}.{model.name}.{major}.{rest.partition('.')[0] or '0'}"
        if not re.fullmatch(r"[A-Za-z0-9._-]+", base) or len(base) > _MAX_NAME_LENGTH - len(".outputs"):
            raise ConfigurationError(
                f"the topics of the model {model.reference} cannot be named {base!r}",
                "A name has up to 249 letters, digits, dots, dashes and underscores: change --prefix or the model.",
            )
        return cls(base)

    @property
    def inputs(self) -> str:
        """The topic that records are read from."""
        return f"{self.base}.inputs"

    @property
    def outputs(self) -> str:
        """The topic of the predictions."""
        return f"{self.base}.outputs"

    @property
    def errors(self) -> str:
        """The topic of the rejects."""
        return f"{self.base}.errors"

    @property
    def log(self) -> str:
        """The topic of the prediction log."""
        return f"{self.base}.log"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all four topics."""
        return self.inputs, self.outputs, self.errors, self.log


def _configuration_of(topic: str) -> dict[str, str]:
    """Return the settings of a new topic: results hold records, and need more room than these."""
    return {} if topic.endswith(".inputs") else {_SIZE_LIMIT: str(RESULT_MESSAGE_BYTES)}


class TopicAdmin:
    """A client that asks about topics and creates them; a context manager that translates Kafka's errors.

    Args:
        connection: the connection to Kafka.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client = AIOKafkaAdminClient(**connection.client_options())

    async def __aenter__(self) -> Self:
        try:
            await self._client.start()
        except KafkaError as exc:
            await self._client.close()
            raise self._connection.translate_error(exc, _ADMIN_ACTION) from exc
        return self

    async def __aexit__(self, exc_type: object, exc: BaseException | None, traceback: object) -> None:
        await self._client.close()
        if isinstance(exc, (KafkaError, asyncio.TimeoutError)):
            raise self._connection.translate_error(exc, _ADMIN_ACTION) from exc

    async def cluster_id(self) -> str:
        """Return the id that the cluster has generated for itself."""
        return str((await self._client.describe_cluster()).get("cluster_id"))

    async def partition_counts(self) -> dict[str, int]:
        """Return the number of partitions of every topic; asking for a single topic could create it."""
        return {topic["topic"]: len(topic["partitions"]) for topic in await self._client.describe_topics()}

    async def require_topics(self, topics: Sequence[str]) -> dict[str, int]:
        """Return the number of partitions of the named topics.

        Raises:
            ConfigurationError: if one of them does not exist.
        """
        counts = await self.partition_counts()
        if missing := [topic for topic in topics if topic not in counts]:
            raise ConfigurationError(
                f"{self._connection.bootstrap_servers} has no topic {', '.join(missing)}", CREATE_TOPICS_REMEDY
            )
        return {topic: counts[topic] for topic in topics}

    async def size_limits(self, topics: Sequence[str]) -> list[int]:
        """Return max.message.bytes of topics that exist: the largest messages that they accept."""
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic, {_SIZE_LIMIT: None}) for topic in topics]
        limits = {}
        for response in await self._client.describe_configs(resources):
            for code, reason, _, topic, entries in response.resources:
                if code:
                    raise for_code(code)(reason)
                limits[topic] = int(next(entry[1] for entry in entries if entry[0] == _SIZE_LIMIT))
        return [limits[topic] for topic in topics]

    async def create_topics(self, topics: Sequence[str], partitions: int, replication_factor: int) -> list[str]:
        """Create the topics that do not exist yet.

        Args:
            topics: names of the topics.
            partitions: number of partitions of each.
            replication_factor: number of copies of each partition.

        Returns:
            A line for each topic: created, or existing with its number of partitions.

        Raises:
            ModelEtlError: if the broker refuses to create a topic.
        """
        new_topics = [
            NewTopic(topic, partitions, replication_factor, topic_configs=_configuration_of(topic)) for topic in topics
        ]
        response = await self._client.create_topics(new_topics)
        counts = await self.partition_counts()
        lines = []
        for topic, code, *message in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                cause = error(message[0] if message else "")
                if error.__name__.startswith("Invalid"):
                    raise ConfigurationError(
                        f"cannot create {topic} with {partitions} partitions and replication factor"
                        f" {replication_factor}: {cause}",
                        "A replication factor is at most the number of brokers; partitions are 1 or more.",
                    )
                raise self._connection.translate_error(cause, f"creating {topic}")
            count = counts.get(topic, partitions)
            difference = f", not {partitions}" if count != partitions else ""
            lines.append(f"exists   {topic} ({count} partitions{difference})" if code else f"created  {topic}")
        return lines
