"""The errors of boto3 and of S3 servers, translated into the errors that a user sees.

Error codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

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
    describe_exception,
    input_changed,
    printable,
)
from model_etl.runtime.system_errors import storage_error
from model_etl.services.s3.access import RedirectLoop, S3Answer
from model_etl.services.s3.credentials import credentials_error


class _Translation(NamedTuple):
    """The error for one of the server's error codes."""

    error: type[ModelEtlError]
    reason: str
    remedy: str


_KEYS = {
    "InvalidAccessKeyId": ("the server does not know the access key", "Check --key or AWS_ACCESS_KEY_ID."),
    "SignatureDoesNotMatch": (
        "the secret key does not belong to the access key",
        "Check --secret_key or AWS_SECRET_ACCESS_KEY.",
    ),
    "ExpiredToken": ("the credentials have expired", "Get new credentials."),
    "InvalidToken": ("the session token is wrong", "Check AWS_SESSION_TOKEN."),
    "RequestTimeTooSkewed": ("the clocks of this machine and of the server differ too much", "Set the clock."),
}
_FULL = _Translation(StorageFailure, "the server's disk or quota is full", "Make room there.")
_OTHER_REGION = _Translation(ConfigurationError, "the bucket is in another region", "Set AWS_REGION.")
_DENIED = _Translation(
    PermissionRefused,
    "permission refused",
    "Check what the credentials may do. Without the right to list the bucket, a missing object looks the same.",
)
_UNAVAILABLE = _Translation(
    TryAgain,
    "the server is down or overloaded",
    "Nothing is wrong with the job: run it again once the server has recovered.",
)
_ARCHIVED = _Translation(
    PermissionRefused,
    "it is archived, and must be restored before it can be read",
    "Restore it, for example with `aws s3api restore-object`, wait until it is there (minutes to days), and run again.",
)
_BY_KEY_CODE = {
    **{code: _Translation(PermissionRefused, *texts) for code, texts in _KEYS.items()},
    "InvalidObjectState": _ARCHIVED,
}
_BY_CODE = {
    **dict.fromkeys(
        ("XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage"), _FULL
    ),
    **dict.fromkeys(
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"), _OTHER_REGION
    ),
    **dict.fromkeys(
        ("SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "TooManyRequests", "Throttling"),
        _UNAVAILABLE,
    ),
}
_DENIED_STATUS = (401, 403)
_UNAVAILABLE_STATUS = (408, 429)
_NOT_IMPLEMENTED_STATUS = 501
_FINAL_STATUS = (400, 401, 403, 405, 409, 411, 412)
_MISSING_CODES = ("NoSuchKey", "NotFound", "404")
_INVALID_NAME_CODES = (
    "InvalidBucketName",
    "KeyTooLongError",
    "XMinioInvalidObjectName",
    "XMinioInvalidResourceName",
)
_UNREACHABLE = (
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    boto.ReadTimeoutError,
    boto.ProxyConnectionError,
)
_INVALID_HEADER = "Invalid header value"
_MISSING_CREDENTIALS = (boto.NoCredentialsError, boto.PartialCredentialsError)


def error_code(exc: BaseException) -> str:
    """Return the server's error code, such as "NoSuchKey", the HTTP status if it sent none, or "" for other errors."""
    return str(exc.response.get("Error", {}).get("Code", "")) if isinstance(exc, ClientError) else ""


def is_final_refusal(exc: BaseException) -> bool:
    """Return whether the server has understood a request and would refuse it again."""
    return isinstance(exc, ClientError) and exc.response["ResponseMetadata"]["HTTPStatusCode"] in _FINAL_STATUS


@contextlib.contextmanager
def translate_s3_errors(action: str, display_name: str) -> Iterator[None]:
    """Translate what a request raises into an error that names bucket, key and endpoint.

    Args:
        action: what is being done: "read", "write", "publish" or "remove".
        display_name: the object and its server.

    Raises:
        ModelEtlError: the error that fits.
    """
    try:
        yield
    except (ModelEtlError, MemoryError):
        raise
    except Exception as exc:
        raise s3_error(exc, action, display_name) from exc


def required_member(answer: S3Answer, name: str, failure: str) -> Any:
    """Return a member of a server's answer that S3 servers always send.

    Args:
        answer: the answer.
        name: name of the member.
        failure: what fails without it: "cannot read s3://...".

    Raises:
        StorageFailure: if the answer lacks it, so that it is not from an S3 server.
    """
    if name not in answer:
        raise StorageFailure(
            f"{failure}: the response is not from an S3 server (no {name})", "Check the endpoint, and any proxies."
        )
    return answer[name]


def s3_error(exc: BaseException, action: str, display_name: str) -> ModelEtlError:
    """Return the error that a user sees.

    Args:
        exc: what boto3 or a file system raised.
        action: what was being done.
        display_name: the object and its server.
    """
    failure = f"cannot {action} {display_name}"
    if error := credentials_error(exc, failure):
        return error
    if isinstance(exc, ClientError):
        if error_code(exc) == "PreconditionFailed":
            return input_changed(display_name)
        return _missing_error(exc, action, failure) or _refusal_error(exc, failure)
    if isinstance(exc, BotoCoreError):
        return _connection_error(exc, failure)
    if isinstance(exc, UnicodeError):
        return _unsendable_keys(failure)
    if not isinstance(exc, (OSError, ModelEtlError)):  # botocore did not understand an answer
        return StorageFailure(
            f"{failure}: the response makes no sense ({printable(describe_exception(exc))})",
            "Check the endpoint, and any proxies.",
        )
    return storage_error(exc, action, display_name)


def _unsendable_keys(failure: str) -> ConfigurationError:
    return ConfigurationError(
        f"{failure}: a key or a token contains a line break or another character that cannot be sent",
        "Check the AWS_* variables, the profile and the flags; a file with Windows line ends has one in each line.",
    )


def archived_error(display_name: str, storage_class: str) -> ModelEtlError:
    """Return the error for an object that cannot be read before it is restored."""
    message = f"cannot read {display_name}: {_ARCHIVED.reason} (storage class {storage_class})"
    return _ARCHIVED.error(message, _ARCHIVED.remedy)


def _connection_error(exc: BotoCoreError, failure: str) -> ModelEtlError:
    """Return the error for a request that got no answer, or could not be sent."""
    reason = _reason(exc)
    if isinstance(exc, _MISSING_CREDENTIALS):
        return ConfigurationError(
            f"{failure}: there are no credentials ({reason})",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or pass --key and --secret_key.",
        )
    if isinstance(exc, boto.ParamValidationError):
        return UsageError(f"{failure}: {reason}", "Check the names of the bucket and the object.")
    if isinstance(exc, boto.SSLError):
        return StorageFailure(
            f"{failure}: no secure connection: {reason}",
            "Check the server's certificate and the endpoint; for a certificate authority of your own, set"
            " AWS_CA_BUNDLE to its PEM file.",
        )
    if isinstance(exc, _UNREACHABLE):
        return TryAgain(f"{failure}: the server cannot be reached: {reason}", "Check the endpoint, or run again later.")
    if isinstance(exc, RedirectLoop):
        return ConfigurationError(f"{failure}: {reason}", "Check the endpoint, and set AWS_REGION.")
    if _INVALID_HEADER in str(exc):
        return _unsendable_keys(failure)
    return StorageFailure(f"{failure}: {reason}", "Check the connection, and run again.")


def _reason(exc: BotoCoreError) -> str:
    if isinstance(exc, boto.ReadTimeoutError):  # while a body is read, its own text does not name the server
        return "it did not answer in time (--read_timeout)"
    if isinstance(exc, boto.ConnectTimeoutError):
        return "there was no connection in time (--connect_timeout)"
    return printable(str(exc))


def _status(exc: ClientError) -> int:
    return int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _details(exc: ClientError) -> str:
    """Return the server's error code and message."""
    message = exc.response.get("Error", {}).get("Message", "the server gives no reason")
    return printable(f"{error_code(exc) or _status(exc)}: {message}")


def _missing_error(exc: ClientError, action: str, failure: str) -> ModelEtlError | None:
    """Return the error for a bucket or object that does not exist or cannot exist; None for other refusals."""
    missing = InputMissing if action == "read" else OutputRefused
    code = error_code(exc)
    if code == "NoSuchBucket":
        return missing(f"{failure}: there is no such bucket", "Check its name and the endpoint, or make the bucket.")
    if code in _INVALID_NAME_CODES:
        return missing(
            f"{failure}: the server does not accept the name ({_details(exc)})", "Check the bucket and the key."
        )
    if code in _MISSING_CODES and action == "read":
        return InputMissing(f"{failure}: there is no such object", "Check the bucket, the key and the endpoint.")
    return None


def _refusal_error(exc: ClientError, failure: str) -> ModelEtlError:
    """Return the error for a request that the server refused."""
    code, status = error_code(exc), _status(exc)
    translation = _BY_KEY_CODE.get(code)
    if translation is None and status in _DENIED_STATUS:
        translation = _DENIED
    translation = translation or _BY_CODE.get(code)
    is_server_error = status >= 500 and status != _NOT_IMPLEMENTED_STATUS  # noqa: PLR2004  all of 5xx but 501
    if translation is None and (status in _UNAVAILABLE_STATUS or is_server_error):
        translation = _UNAVAILABLE
    if translation is None:
        return StorageFailure(f"{failure}: {_details(exc)}", "Check the server, and run again.")
    return translation.error(f"{failure}: {translation.reason} ({_details(exc)})", translation.remedy)
