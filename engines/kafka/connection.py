"""Where Kafka is and how to prove who we are; and its errors in our words."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import errors
from aiokafka.helpers import create_ssl_context

from model_etl.errors import ConfigurationError, ModelEtlError, PermissionRefused, StorageFailure, TryAgain
from model_etl.settings.options import ENVIRONMENT_PREFIX
from model_etl.settings.sources import read_toml

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True)
class Connection:
    """How to reach Kafka; the names are the settings', in `--client_config` or after MODEL_ETL_ in the environment.

    Attributes:
        bootstrap_servers: HOST:PORT of some brokers, with commas between them.
        security_protocol: one of Kafka's four.
        sasl_mechanism: how to prove who we are.
        sasl_username: who we are.
        sasl_password: the proof.
        ssl_cafile: certificates of those who vouch for the brokers; by default the system's.
        ssl_certfile: our own certificate.
        ssl_keyfile: its key.
        ssl_password: what opens the key.
    """

    bootstrap_servers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, choices in (("security_protocol", _PROTOCOLS), ("sasl_mechanism", _MECHANISMS)):
            if getattr(self, name) not in choices:
                raise ConfigurationError(
                    f"{name} is {getattr(self, name)!r}", f"It must be one of: {', '.join(choices)}."
                )
        if self.sasl_username and not self.security_protocol.startswith("SASL"):
            raise ConfigurationError(
                f"there is a sasl_username, but security_protocol is {self.security_protocol}, which asks for no name",
                "Set security_protocol to SASL_SSL.",
            )

    @classmethod
    def of(cls, servers: str | None, file: str | None, environment: Mapping[str, str] | None = None) -> Connection:
        """Put the settings together: the flag over the environment over the file.

        Args:
            servers: what `--bootstrap_servers` says, if it was given.
            file: a TOML file with the settings' names as keys, or None.
            environment: the process's, unless given.

        Raises:
            ConfigurationError: if there is no server, or a setting makes no sense.
        """
        environment = os.environ if environment is None else environment
        names = [item.name for item in dataclasses.fields(cls)]
        values = _from_file(file, names) if file else {}
        values |= {name: text for name in names if (text := environment.get(ENVIRONMENT_PREFIX + name.upper()))}
        if servers:
            values["bootstrap_servers"] = servers
        if not values.get("bootstrap_servers"):
            raise ConfigurationError(
                "--bootstrap_servers is not given", f"As HOST:PORT, or in {ENVIRONMENT_PREFIX}BOOTSTRAP_SERVERS."
            )
        return cls(**values)

    def options(self) -> dict[str, Any]:
        """Give what aiokafka's clients are told.

        Raises:
            ConfigurationError: if a certificate or a key cannot be read.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
            "client_id": "model_etl",
        }
        if self.security_protocol.startswith("SASL"):
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"], options["sasl_plain_password"] = self.sasl_username, self.sasl_password
        if self.security_protocol.endswith("SSL"):
            files = {"cafile": self.ssl_cafile, "certfile": self.ssl_certfile, "keyfile": self.ssl_keyfile}
            try:
                options["ssl_context"] = create_ssl_context(**files, password=self.ssl_password)
            except (OSError, ssl.SSLError, ValueError) as exc:
                shown = ", ".join(f"ssl_{name}={path}" for name, path in files.items() if path)
                raise ConfigurationError(
                    f"cannot use the certificates for Kafka ({shown}): {exc}",
                    "Check the files, and the key's password.",
                ) from exc
        return options

    def failure(self, exc: Exception, place: str) -> ModelEtlError:
        """Say in our words what Kafka or the way to it refused.

        Args:
            exc: what aiokafka raised.
            place: what was being done, to which topic.
        """
        said = f"{type(exc).__name__}: {exc}".rstrip(": ")
        if isinstance(exc, errors.ProducerFenced):
            return TryAgain(
                f"{place}: Kafka ended our transaction: another process has taken over the partition, or it took long",
                "Start this one again: what it had not committed is read again, and nothing is doubled.",
            )
        if isinstance(exc, (errors.UnknownTopicOrPartitionError, errors.InvalidTopicError)):
            return ConfigurationError(f"{place}: there is no such topic at {self.bootstrap_servers}", CREATE)
        if isinstance(exc, _DENIED):
            return PermissionRefused(
                f"{place}: permission refused ({said})", "Check the user and Kafka's access rules."
            )
        if isinstance(
            exc, (errors.KafkaConnectionError, errors.KafkaTimeoutError, errors.NodeNotReadyError, asyncio.TimeoutError)
        ):
            return TryAgain(
                f"{place}: cannot reach Kafka at {self.bootstrap_servers}",
                "Check the address, security_protocol, user and password, and that a broker runs there.",
            )
        kind = TryAgain if getattr(exc, "retriable", False) else StorageFailure
        return kind(f"{place}: Kafka at {self.bootstrap_servers} said {said}", "Run again once the cause is gone.")


CREATE = (
    "Make it: python -m model_etl.engines.kafka create_topics"
    " --bootstrap_servers HOST:PORT --model PACKAGE.MODULE:CLASS"
)
_DENIED = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
    errors.SaslAuthenticationFailed,
    errors.AuthenticationFailedError,
)


def _from_file(path: str, names: list[str]) -> dict[str, str]:
    table = read_toml(path, names, "--client_config")
    for name, value in table.items():
        if not isinstance(value, str):
            raise ConfigurationError(f"the setting {name!r} in {path} must be a string", "Put the value in quotes.")
    return table
