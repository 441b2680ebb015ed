"""The connection to Kafka: brokers, encryption and login, and Kafka's errors as errors of model_etl."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import errors
from aiokafka.helpers import create_ssl_context
from typing_extensions import override

from model_etl.errors import ConfigurationError, ModelEtlError, PermissionRefused, StorageFailure, TryAgain
from model_etl.settings.option import ENVIRONMENT_PREFIX
from model_etl.settings.sources import read_toml

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True)
class Connection:
    """How to reach Kafka and log in.

    The attributes have the names of the settings: keys of the file `--client_config`, and with the prefix MODEL_ETL_
    environment variables. They mean what they mean to Kafka's own clients.

    Attributes:
        bootstrap_servers: HOST:PORT of some brokers, separated by commas.
        security_protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
        sasl_mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
        sasl_username: the user.
        sasl_password: the user's password.
        ssl_cafile: file with the certificates of trusted authorities, or None for those of the system.
        ssl_certfile: file with the client's certificate.
        ssl_keyfile: file with the private key of that certificate.
        ssl_password: password of the private key.

    Raises:
        ConfigurationError: if a setting has an unknown value, or a user is set for a protocol without login.
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
                f"sasl_username is set, but with the security_protocol {self.security_protocol} there is no login",
                "Set security_protocol to SASL_SSL.",
            )

    @classmethod
    def of(cls, servers: str | None, file: str | None, environment: Mapping[str, str] | None = None) -> Connection:
        """Build a connection from the option, the environment and a file, in this order of precedence.

        Args:
            servers: value of `--bootstrap_servers`, or None.
            file: name of a TOML file with settings, or None.
            environment: environment variables; by default those of the process.

        Raises:
            ConfigurationError: if there is no server, or a setting is invalid.
        """
        environment = os.environ if environment is None else environment
        names = [item.name for item in dataclasses.fields(cls)]
        values = _read_settings(file, names) if file else {}
        values |= {name: text for name in names if (text := environment.get(ENVIRONMENT_PREFIX + name.upper()))}
        if servers:
            values["bootstrap_servers"] = servers
        if not values.get("bootstrap_servers"):
            raise ConfigurationError(
                "--bootstrap_servers is not given", f"Give HOST:PORT, or set {ENVIRONMENT_PREFIX}BOOTSTRAP_SERVERS."
            )
        return cls(**values)

    def client_options(self) -> dict[str, Any]:
        """Return the keyword arguments that every client of aiokafka takes.

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
            options["ssl_context"] = self._ssl_context()
        return options

    def _ssl_context(self) -> ssl.SSLContext:
        files = {"cafile": self.ssl_cafile, "certfile": self.ssl_certfile, "keyfile": self.ssl_keyfile}
        try:
            context: ssl.SSLContext = create_ssl_context(**files, password=self.ssl_password)
        except (OSError, ssl.SSLError, ValueError) as exc:
            names = ", ".join(f"ssl_{name}={path}" for name, path in files.items() if path)
            raise ConfigurationError(
                f"cannot use the certificates for Kafka ({names}): {exc}",
                "Check the files and the password of the key.",
            ) from exc
        return context

    def translate_error(self, exc: Exception, action: str) -> ModelEtlError:
        """Return the error of model_etl for an error of aiokafka.

        Args:
            exc: the exception that aiokafka raised.
            action: what was being done and on which topic, to start the message with.
        """
        description = f"{type(exc).__name__}: {exc}".rstrip(": ")
        if isinstance(exc, errors.ProducerFenced):
            return TryAgain(
                f"{action}: Kafka aborted the transaction: another process has taken over the partition, or the"
                " transaction took too long",
                "Start this process again: uncommitted messages are read again, and no result is doubled.",
            )
        if isinstance(exc, (errors.UnknownTopicOrPartitionError, errors.InvalidTopicError)):
            return ConfigurationError(
                f"{action}: the topic does not exist at {self.bootstrap_servers}", CREATE_TOPICS_REMEDY
            )
        if isinstance(exc, _PERMISSION_ERRORS):
            return PermissionRefused(
                f"{action}: permission refused ({description})", "Check the user and Kafka's access rules."
            )
        if isinstance(exc, errors.KafkaConnectionError) and _LOGINS.refused:
            return PermissionRefused(
                f"{action}: Kafka at {self.bootstrap_servers} refused the login", "Check the user and the password."
            )
        if isinstance(exc, _CONNECTION_ERRORS):
            return TryAgain(
                f"{action}: cannot reach Kafka at {self.bootstrap_servers}",
                "Check the address, security_protocol, user and password, and that a broker runs there.",
            )
        error = TryAgain if getattr(exc, "retriable", False) else StorageFailure
        return error(
            f"{action}: Kafka at {self.bootstrap_servers} reported {description}",
            "Run again when the cause is removed.",
        )


CREATE_TOPICS_REMEDY = (
    "Create it: python -m model_etl.engines.kafka create_topics"
    " --bootstrap_servers HOST:PORT --model PACKAGE.MODULE:CLASS"
)
_PERMISSION_ERRORS = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
    errors.SaslAuthenticationFailed,
    errors.AuthenticationFailedError,
)


class _LoginWatch(logging.Filter):
    """Notices refused logins, which aiokafka's client only logs before it tries the next broker.

    Attributes:
        refused: whether a broker has refused a login.
    """

    refused = False

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        arguments = record.args if isinstance(record.args, tuple) else ()
        self.refused = self.refused or any(isinstance(argument, _LOGIN_ERRORS) for argument in arguments)
        return True


_LOGIN_ERRORS = (errors.SaslAuthenticationFailed, errors.AuthenticationFailedError)
_LOGINS = _LoginWatch()
logging.getLogger("aiokafka").addFilter(_LOGINS)
_CONNECTION_ERRORS = (
    errors.KafkaConnectionError,
    errors.KafkaTimeoutError,
    errors.NodeNotReadyError,
    asyncio.TimeoutError,
)


def _read_settings(path: str, names: list[str]) -> dict[str, str]:
    """Read a TOML file of settings, all of them strings.

    Raises:
        ConfigurationError: if the file cannot be read, or holds an unknown name or a value that is not a string.
    """
    table = read_toml(path, names, "--client_config")
    for name, value in table.items():
        if not isinstance(value, str):
            raise ConfigurationError(f"the setting {name!r} in {path} must be a string", "Put the value in quotes.")
    return table
