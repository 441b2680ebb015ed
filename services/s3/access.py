"""How a run reaches an S3 server: keys, endpoint, timeouts and retries; and the client that is made from them."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import boto3.session
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError

from model_etl.errors import ConfigurationError, ModelEtlError, UsageError, encodable, mask_urls, printable
from model_etl.runtime.system_errors import lack_of_resources
from model_etl.services.s3.credentials import credentials_error, refuse_unsendable_keys

S3Client: TypeAlias = Any
"""A boto3 client for S3: its methods are made at run time, so it has no type."""
S3Answer: TypeAlias = Mapping[str, Any]
"""The members of a server's answer, as boto3 returns them."""
_AMAZON_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_DEFAULT_REGION = "us-east-1"
"""Expected by servers without regions, such as MinIO; Amazon redirects from there to a bucket's own region."""


@dataclass(frozen=True)
class Access:
    """How to reach a server. A key or URL that is None comes from the environment, the profile or the instance role.

    Attributes:
        key: the access key.
        secret_key: the secret that belongs to the access key.
        endpoint_url: the server's URL.
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for the next bytes of a response.
        retries: how many times a request is repeated after a failure of the server or the network.

    Raises:
        UsageError: if only one of the keys is set, or the URL is invalid.
    """

    key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    endpoint_url: str | None = None
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    retries: int = 4

    def __post_init__(self) -> None:
        if bool(self.key) != bool(self.secret_key):
            present, missing = ("--key", "--secret_key") if self.key else ("--secret_key", "--key")
            raise UsageError(f"{present} was given without {missing}", "Pass both or neither.")
        if self.endpoint_url:
            check_endpoint(self.endpoint_url)

    def with_short_timeouts(self) -> Access:
        """Return the same access for requests that are worth a single short try only."""
        return dataclasses.replace(self, connect_timeout=2.0, read_timeout=3.0, retries=0)


def check_endpoint(url: str) -> None:
    """Check that an endpoint is a URL, and one without a password, so that it may be printed.

    Raises:
        UsageError: if it is not.
    """
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if "@" in url:
        raise UsageError(
            "the endpoint URL contains a user name or a password",
            "Remove it, and pass the keys as --key and --secret_key or in the AWS_* variables.",
        )
    if not is_valid:
        raise UsageError(
            "the endpoint is not a URL; it is not repeated here, because it may hold a secret",
            "Write it like http://127.0.0.1:9000.",
        )


@lru_cache(maxsize=16)
def connect(access: Access) -> S3Client:
    """Build a client, without sending a request. The same access gets the same client, which all threads may use.

    Returns:
        A boto3 client for S3; its `meta.endpoint_url` is the URL of the server.

    Raises:
        ConfigurationError: if the environment or the profile has invalid settings.
        TryAgain: if the service that gives the credentials is down.
        UsageError: if the endpoint set there is not a URL, or contains a password.
    """
    _drop_empty_variables()
    _refuse_other_encodings()
    try:
        bundle = os.environ.get("AWS_CA_BUNDLE")
        if bundle and not os.path.isfile(bundle):  # noqa: PTH113
            raise ConfigurationError(f"AWS_CA_BUNDLE is not a file: {bundle}", "Check the path.")
        if not os.environ.get("AWS_PROFILE", "set"):
            del os.environ["AWS_PROFILE"]  # a crontab's way to unset it; boto3 would look for a profile without a name
        session = boto3.session.Session()
        refuse_unsendable_keys(_static_keys(session, access))
        client = _client(session, access, "auto")
        endpoint = client.meta.endpoint_url
        check_endpoint(endpoint)
        if (urlsplit(endpoint).hostname or "").endswith(_AMAZON_DOMAINS):
            return client
        return _client(session, access, "path")  # most other servers have no host name for each bucket
    except ModelEtlError:
        raise
    except Exception as exc:
        error = credentials_error(exc, "cannot get credentials for S3") or lack_of_resources(exc)
        if error is not None:
            raise error from exc
        if not isinstance(exc, (BotoCoreError, ValueError, OSError)):
            raise
        # The text of the error may quote an endpoint with a password, or a secret instead of one.
        reason = "an endpoint URL contains a user name or a password" if "@" in str(exc) else mask_urls(str(exc))
        if str(exc).startswith("Invalid endpoint"):
            reason = "the endpoint is not a URL; it is not repeated here, because it may hold a secret"
        raise ConfigurationError(
            f"invalid S3 settings: {reason}", "Check the AWS_* variables and the profile."
        ) from exc


def _static_keys(session: boto3.session.Session, access: Access) -> Iterable[str | None]:
    """Return the keys that are known without asking a service for them."""
    if access.key:
        return access.key, access.secret_key
    credentials = session.get_credentials()
    return (
        (credentials.access_key, credentials.secret_key, credentials.token) if type(credentials) is Credentials else ()
    )


def _drop_empty_variables() -> None:
    """Remove the AWS_* variables that are empty: botocore takes an empty AWS_PROFILE for the name of a profile."""
    for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value]:
        del os.environ[name]


def _refuse_other_encodings() -> None:
    """Check that the AWS_* variables are UTF-8; those that name files may be any bytes.

    Raises:
        ConfigurationError: if one is not.
    """
    for name, value in os.environ.items():
        if name.startswith("AWS_") and not name.endswith(("_FILE", "_BUNDLE")) and encodable(value) != value:
            raise ConfigurationError(
                f"the variable {printable(name)} is not valid UTF-8",
                "Save what sets it as UTF-8, or correct the value.",
            )


def _client(session: boto3.session.Session, access: Access, addressing_style: str) -> S3Client:
    client = session.client(
        "s3",
        region_name=os.environ.get("AWS_REGION") or session.region_name or _DEFAULT_REGION,
        aws_access_key_id=access.key or None,
        aws_secret_access_key=access.secret_key or None,
        endpoint_url=access.endpoint_url or None,
        config=Config(
            connect_timeout=access.connect_timeout,
            read_timeout=access.read_timeout,
            retries={"total_max_attempts": access.retries + 1, "mode": "standard"},
            s3={"addressing_style": addressing_style},
            tcp_keepalive=True,
            # Older servers only know MD5, which `Upload` sends and `ObjectReader` compares.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    _refuse_redirect_loops(client)
    return client


class RedirectLoop(BotoCoreError):  # type: ignore[misc]
    """The server redirects the question for the region of a bucket, which botocore asks because of a redirect."""

    fmt = "the server redirects every request"


def _refuse_redirect_loops(client: S3Client) -> None:
    """Let botocore ask for the region of a bucket once: it would ask because of the answer, without end."""
    asking = threading.local()

    def begin(**_: Any) -> None:
        if getattr(asking, "now", False):
            asking.now = False
            raise RedirectLoop
        asking.now = True

    def end(**_: Any) -> None:
        asking.now = False

    client.meta.events.register("before-call.s3.HeadBucket", begin)
    client.meta.events.register("after-call.s3.HeadBucket", end)
    client.meta.events.register("after-call-error.s3.HeadBucket", end)
