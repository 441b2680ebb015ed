"""What an S3 server or the way to it can raise, as the errors that a user should see.

Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from model_etl.errors import (
    ConfigurationError,
    InputMissing,
    ModelEtlError,
    OutputRefused,
    PermissionRefused,
    StorageFailure,
    TryAgain,
    UsageError,
    printable,
    storage_error,
)

_LATER = "Nothing is wrong with the job: run it again when the server is well."
_KEYS = {
    "InvalidAccessKeyId": ("the server does not know the access key", "Check --key or AWS_ACCESS_KEY_ID."),
    "SignatureDoesNotMatch": (
        "the secret key does not belong to the access key",
        "Check --secret_key or AWS_SECRET_ACCESS_KEY.",
    ),
    "ExpiredToken": ("the credentials have expired", "Get new ones."),
    "InvalidToken": ("the session token is wrong", "Check AWS_SESSION_TOKEN."),
    "RequestTimeTooSkewed": ("this machine's clock and the server's differ too much", "Set the clock."),
}
_DENIED = (401, 403)
_MISSING = ("NoSuchKey", "NotFound", "404")
_BAD_NAME = ("InvalidBucketName", "KeyTooLongError", "XMinioInvalidObjectName", "XMinioInvalidResourceName")
_BUSY = ("SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "TooManyRequests", "Throttling")
_LATER_STATUS = (408, 429)
_FULL = ("XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage")
_ELSEWHERE = ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException")
_UNREACHABLE = (
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    boto.ReadTimeoutError,
    boto.ProxyConnectionError,
    boto.CredentialRetrievalError,
    boto.MetadataRetrievalError,
)
_HEADER = "Invalid header value"
_CREDENTIALS = (boto.NoCredentialsError, boto.PartialCredentialsError)


def code_of(exc: BaseException) -> str:
    """Give the server's word for what it refused: "NoSuchKey", or the HTTP status where it sent none."""
    return str(exc.response.get("Error", {}).get("Code", "")) if isinstance(exc, ClientError) else ""


@contextlib.contextmanager
def translate_s3_errors(action: str, place: str) -> Iterator[None]:
    """Turn what a request raises into an error that names bucket, key and endpoint.

    Args:
        action: "read", "write" or what else was being done.
        place: the object and its server.

    Raises:
        ModelEtlError: the one that fits.
    """
    try:
        yield
    except (BotoCoreError, ClientError, OSError) as exc:
        raise s3_error(exc, action, place) from exc


def told(answer: Any, name: str, what: str) -> Any:
    """Give a member that every answer of its kind has.

    Args:
        answer: a server's.
        name: of the member.
        what: what cannot be done without it.

    Raises:
        StorageFailure: if it has not; something else than an S3 server has answered.
    """
    if name not in answer:
        raise StorageFailure(
            f"{what}: what answered is no S3 server (no {name})", "Check the endpoint, and proxies on the way."
        )
    return answer[name]


def s3_error(exc: BaseException, action: str, place: str) -> ModelEtlError:
    """Give the error that a user should see.

    Args:
        exc: what boto3 or a file system raised.
        action: what was being done.
        place: the object and its server.
    """
    what = f"cannot {action} {place}"
    if isinstance(exc, ClientError):
        return _refused(exc, action, what)
    if not isinstance(exc, BotoCoreError):
        return storage_error(exc, action, place)
    why = _why(exc)
    if isinstance(exc, _CREDENTIALS):
        return ConfigurationError(
            f"{what}: there are no credentials ({why})",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give --key and --secret_key.",
        )
    if isinstance(exc, boto.ParamValidationError):
        return UsageError(f"{what}: {why}", "Check the names of the bucket and the object.")
    if isinstance(exc, boto.SSLError):
        return StorageFailure(
            f"{what}: no secure connection: {why}",
            "Check the server's certificate and the endpoint; AWS_CA_BUNDLE names the file of an authority of your own"
            " (PEM).",
        )
    if isinstance(exc, _UNREACHABLE):
        return TryAgain(f"{what}: the server cannot be reached: {why}", "Check the endpoint, or run again later.")
    if _HEADER in str(exc):
        return ConfigurationError(
            f"{what}: a key or a token holds a line end or another character that cannot be sent",
            "Check the AWS_* variables, the profile and the flags; a file from Windows has one at each line's end.",
        )
    return StorageFailure(f"{what}: {why}", "Check the connection, and run again.")


def _why(exc: BotoCoreError) -> str:
    if isinstance(exc, boto.ReadTimeoutError):  # its own words name no server while a body is read
        return "it did not answer in time (--read_timeout)"
    if isinstance(exc, boto.ConnectTimeoutError):
        return "there was no connection in time (--connect_timeout)"
    return printable(str(exc))


def _refused(exc: ClientError, action: str, what: str) -> ModelEtlError:
    answer: Any = exc.response
    code = code_of(exc)
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = printable(f"{code or status}: {answer.get('Error', {}).get('Message', 'the server says no more')}")
    missing = InputMissing if action == "read" else OutputRefused
    if code == "NoSuchBucket":
        return missing(f"{what}: there is no such bucket", "Check its name and the endpoint, or make the bucket.")
    if code in _BAD_NAME:
        return missing(f"{what}: the server knows no such names ({said})", "Check the bucket and the key.")
    if code in _MISSING and action == "read":
        return InputMissing(f"{what}: there is no such object", "Check the bucket, the key and the endpoint.")
    if code in _KEYS:
        why, remedy = _KEYS[code]
        return PermissionRefused(f"{what}: {why} ({said})", remedy)
    if status in _DENIED:
        return PermissionRefused(
            f"{what}: permission refused ({said})",
            "Check what the credentials may do. Without the right to list the bucket, a missing object looks the same.",
        )
    if code in _FULL:
        return StorageFailure(f"{what}: the server's disk or quota is full ({said})", "Make room there.")
    if code in _ELSEWHERE:
        return ConfigurationError(f"{what}: the bucket is in another region ({said})", "Set AWS_REGION.")
    if code == "PreconditionFailed":
        return changed(what)
    if code in _BUSY or status in _LATER_STATUS or (status >= 500 and status != 501):  # noqa: PLR2004  not implemented
        return TryAgain(f"{what}: the server is down or overloaded ({said})", _LATER)
    return StorageFailure(f"{what}: {said}", "Check the server, and run again.")


def changed(what: str) -> TryAgain:
    """Give the error for an object that is not any more what it was when reading began."""
    return TryAgain(
        f"{what}: it was changed while it was read", "Run again when whoever writes it is done; nothing was published."
    )
