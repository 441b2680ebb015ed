"""What goes wrong while botocore asks for credentials: a service that is down passes, wrong settings do not."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator

from botocore import exceptions as boto

from model_etl.errors import (
    ConfigurationError,
    ModelEtlError,
    PermissionRefused,
    TryAgain,
    describe_exception,
    encodable,
    printable,
)
from model_etl.runtime.system_errors import lack_of_resources

_CHECK_SETTINGS = "Check the AWS_* variables and the profile."
_RETRIEVAL_ERRORS = (boto.CredentialRetrievalError, boto.MetadataRetrievalError)
_LOGIN_ERRORS = (boto.SSOError, boto.SSOTokenLoadError, boto.TokenRetrievalError)
_WRONG_OUTPUT = ("Missing required key in response", "Unsupported version")
_STATUS = re.compile(r"non 200 response (\d+)")
_TEMPORARY_STATUS = (408, 425, 429)
_INSTANCE_SERVICE = "http://169.254.169.254"
_INSTANCE_TIMEOUT_S = 1.0


def credentials_error(exc: BaseException, failure: str) -> ModelEtlError | None:
    """Return the error for an exception that botocore raised while it asked for credentials; None for others.

    Args:
        exc: the exception.
        failure: what fails because of it: "cannot read s3://...".
    """
    if isinstance(exc, _LOGIN_ERRORS):
        return PermissionRefused(f"{failure}: {printable(str(exc))}", "Log in again: aws sso login.")
    if isinstance(exc, _RETRIEVAL_ERRORS):
        return _retrieval_error(exc, failure)
    if isinstance(exc, boto.NoCredentialsError) and instance_service_is_down():
        return _service_is_down(failure, "the metadata service of the instance does not answer")
    if isinstance(exc, (boto.BotoCoreError, boto.ClientError)):
        return None
    provider = next(_providers(exc), None)
    if provider is None:
        return None
    if provider == "ProcessProvider" and lack_of_resources(exc) is None:
        return ConfigurationError(
            f"{failure}: credential_process cannot be used: {_reason(exc)}",
            "Check the command in the profile, and that it prints the credentials as a JSON object.",
        )
    if isinstance(exc, ValueError):  # an address or a token that botocore refuses
        return ConfigurationError(f"{failure}: {_reason(exc)}", _CHECK_SETTINGS)
    return _service_is_down(failure, f"its answer has no credentials ({_reason(exc)})")


def refuse_unsendable_keys(keys: Iterable[str | None]) -> None:
    """Check that keys are text: what is not UTF-8 in a variable has become lone surrogates.

    Raises:
        ConfigurationError: if they are not.
    """
    if any(key is not None and encodable(key) != key for key in keys):
        raise ConfigurationError("a key or a token for S3 is not valid UTF-8", _CHECK_SETTINGS)


def _retrieval_error(exc: BaseException, failure: str) -> ModelEtlError:
    reason = printable(str(exc))
    match = _STATUS.search(reason)
    refused = match is not None and 400 <= int(match[1]) < 500 and int(match[1]) not in _TEMPORARY_STATUS  # noqa: PLR2004
    if refused or any(text in reason for text in _WRONG_OUTPUT):
        return ConfigurationError(f"{failure}: no credentials: {reason}", _CHECK_SETTINGS)
    return _service_is_down(failure, reason)


def _service_is_down(failure: str, reason: str) -> ModelEtlError:
    return TryAgain(
        f"{failure}: the service that gives the credentials is down: {reason}",
        "Nothing is wrong with the job: run it again later. If it stays so, check the AWS_* variables and the profile.",
    )


def _providers(exc: BaseException) -> Iterator[str]:
    """Yield the classes of botocore's providers of credentials that the exception has passed, innermost first."""
    frames = []
    traceback = exc.__traceback__
    while traceback is not None:
        frames.append(traceback.tb_frame)
        traceback = traceback.tb_next
    for frame in reversed(frames):
        if frame.f_globals.get("__name__") == "botocore.credentials":
            name = type(frame.f_locals.get("self")).__name__
            if name.endswith("Provider"):
                yield name


def _reason(exc: BaseException) -> str:
    if isinstance(exc, OSError):
        return f"{exc.strerror}: {exc.filename}" if exc.filename else str(exc.strerror)
    return printable(describe_exception(exc))


def instance_service_is_down() -> bool:
    """Return whether there is a metadata service of an instance, which gives credentials, but it fails now."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return False
    configured = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT")
    request = urllib.request.Request(  # noqa: S310  botocore has asked the same address
        f"{(configured or _INSTANCE_SERVICE).rstrip('/')}/latest/api/token",
        method="PUT",
        headers={"x-aws-ec2-metadata-token-ttl-seconds": "60"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_INSTANCE_TIMEOUT_S) as answer:
            token = answer.read(4096).decode("ascii", "replace")
        listing = request.full_url.replace("/api/token", "/meta-data/iam/security-credentials/")
        headers = {"x-aws-ec2-metadata-token": token}
        request = urllib.request.Request(listing, headers=headers)  # noqa: S310
        opener.open(request, timeout=_INSTANCE_TIMEOUT_S).close()
    except urllib.error.HTTPError as exc:
        return exc.code >= 500 or exc.code in _TEMPORARY_STATUS  # noqa: PLR2004
    except (OSError, ValueError):
        return configured is not None  # else this is not an instance
    return configured is not None  # it has recovered, or the role's own address fails
