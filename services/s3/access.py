"""How a run reaches an S3 server: keys, endpoint, patience; and the client that is made of them."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from model_etl.errors import ConfigurationError, UsageError

_AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_REGION = "us-east-1"
"""What servers that have no regions expect, MinIO among them; Amazon's own redirects from there."""


@dataclass(frozen=True)
class Access:
    """How to reach a server. What is None is looked up where all programs do: environment, profile, instance role.

    Attributes:
        key: the access key.
        secret_key: what proves it.
        endpoint_url: the server's URL.
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for the next bytes of an answer.
        retries: how many times a request is repeated that the server or the network did not answer well.

    Raises:
        UsageError: if one of the keys is missing, or the URL is none.
    """

    key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    endpoint_url: str | None = None
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    retries: int = 4

    def __post_init__(self) -> None:
        if bool(self.key) != bool(self.secret_key):
            given, missing = ("--key", "--secret_key") if self.key else ("--secret_key", "--key")
            raise UsageError(f"{given} was given without {missing}", "Give both or none.")
        if self.endpoint_url:
            check_endpoint(self.endpoint_url)

    def impatient(self) -> Access:
        """Give an access for what is only worth one short try."""
        return dataclasses.replace(self, connect_timeout=2.0, read_timeout=3.0, retries=0)


def check_endpoint(url: str) -> None:
    """See that an endpoint is a URL that may be shown.

    Raises:
        UsageError: if it is none, or holds a password.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, good = urlsplit(""), False
    if "@" in url:
        raise UsageError(
            "the endpoint's URL holds a user name or a password", "Leave it out; the keys have options of their own."
        )
    if not good:
        raise UsageError(f"the endpoint {url!r} is no URL", "Write it like http://127.0.0.1:9000.")


@lru_cache(maxsize=16)
def connect(access: Access) -> Any:
    """Make a client; nothing is sent yet. One client serves all threads.

    Returns:
        A boto3 client for S3, whose `meta.endpoint_url` tells the server.

    Raises:
        ConfigurationError: if what was found in the environment or the profile makes no sense.
        UsageError: if the endpoint found there is no URL, or holds a password.
    """
    try:
        authority = os.environ.get("AWS_CA_BUNDLE")
        if authority and not os.path.isfile(authority):  # noqa: PTH113
            raise ConfigurationError(f"AWS_CA_BUNDLE is {authority}, which is no file", "Check the path.")
        session = boto3.session.Session()
        client = _client(session, access, "auto")
        endpoint = client.meta.endpoint_url
        check_endpoint(endpoint)
        if (urlsplit(endpoint).hostname or "").endswith(_AMAZON):
            return client
        return _client(session, access, "path")  # a server of one's own seldom has a name for each bucket
    except (BotoCoreError, ValueError) as exc:
        # An endpoint that cannot be read may hold a password.
        why = "an endpoint's URL holds a user name or a password" if "@" in str(exc) else exc
        raise ConfigurationError(
            f"the settings for S3 make no sense: {why}", "Check the AWS_* variables and the profile."
        ) from exc


def _client(session: Any, access: Access, addressing: str) -> Any:
    return session.client(
        "s3",
        region_name=os.environ.get("AWS_REGION") or session.region_name or _REGION,
        aws_access_key_id=access.key or None,
        aws_secret_access_key=access.secret_key or None,
        endpoint_url=access.endpoint_url or None,
        config=Config(
            connect_timeout=access.connect_timeout,
            read_timeout=access.read_timeout,
            retries={"total_max_attempts": access.retries + 1, "mode": "standard"},
            s3={"addressing_style": addressing},
            tcp_keepalive=True,
            # Older servers know no other checksums than MD5, which we send and compare ourselves.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
