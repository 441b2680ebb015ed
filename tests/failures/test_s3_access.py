"""Keys, buckets, objects and permissions that an S3 server refuses."""

from __future__ import annotations

from typing import Any

from case import CHECK, EARLY, PUBLISHED, Case, check, table
from helpers.records import EARLIER_REJECTS
from s3_place import (
    FAST,
    IN,
    INTO_FOLDER,
    KEYS,
    LOCAL,
    LOCAL_BOTH,
    LOGGED,
    OUT,
    PATTERN,
    REJECTS,
    REPORT,
    S3Place,
    fails,
    key_of,
    succeeds,
)

NOT_CHECKED = "which an imitation of S3 does not check"
REAL: dict[str, Any] = {"needs_minio": f"needs keys and signatures, {NOT_CHECKED}", **EARLY}
UNKNOWN = ("the server does not know the access key", "Check --key or AWS_ACCESS_KEY_ID")
WRONG = ("the secret key does not belong to the access key", "Check --secret_key or AWS_SECRET_ACCESS_KEY")
KEY = {"AWS_ACCESS_KEY_ID": "nobody"}
SECRET = {"AWS_SECRET_ACCESS_KEY": "not-the-secret"}
NO_CREDENTIALS = ("there are no credentials", "Set AWS_ACCESS_KEY_ID")
NO_KEYS: dict[str, Any] = {"env": {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, **EARLY}
FLAGS = ("--key", "nobody", "--secret_key", "not-the-secret")
OTHER: dict[str, Any] = {"about": "", **EARLY}
"""The message is not about an object."""


def refused(name: str, says: tuple[str, ...], env: dict[str, str]) -> list[Case]:
    """Build the cases of wrong credentials for each object of a run."""
    given = {"env": env, **REAL}
    log = ("--prediction_log", LOGGED)
    rejects = ("--rejects", REJECTS, "--prediction_log", "none")
    return [
        fails(f"{name} for input", 77, *says, **given),
        fails(f"{name} for output", 77, *says, **LOCAL, **given),
        fails(f"{name} for log", 77, *says, about=LOGGED, arguments=log, **LOCAL_BOTH, **given),
        fails(f"{name} for rejects", 77, *says, about=REJECTS, arguments=rejects, **LOCAL_BOTH, **given),
        fails(f"{name} for report", 77, *says, about=REPORT, arguments=("--report", REPORT), **LOCAL_BOTH, **given),
        fails(f"{name} for check", 77, *says, **LOCAL, **CHECK, **given),
    ]


CREDENTIALS = [
    *refused("wrong key", UNKNOWN, KEY),
    *refused("wrong secret", WRONG, SECRET),
    fails("wrong keys as flags", 77, *UNKNOWN, arguments=FLAGS, warned=True, **REAL),
    fails(
        "wrong session token",
        77,
        "cannot read",
        r"(?i)token|access key",
        env={"AWS_SESSION_TOKEN": "not-a-token"},
        **REAL,
    ),
    fails("no credentials", 78, *NO_CREDENTIALS, **NO_KEYS),
    fails("no credentials for output", 78, "there are no credentials", **LOCAL, **NO_KEYS),
    fails(
        "a key without its secret",
        78,
        "(?i)credentials",
        "missing: AWS_SECRET_ACCESS_KEY",
        **OTHER,
        env={"AWS_SECRET_ACCESS_KEY": ""},
    ),
    fails(
        "a flag without the other",
        2,
        "--key was given without --secret_key",
        "Pass both",
        **OTHER,
        warned=True,
        arguments=("--key", "nobody"),
    ),
    fails("no such profile", 78, "profile", "nobody", "Check", env={"AWS_PROFILE": "nobody"}, **OTHER),
    fails(
        "endpoint is no URL",
        2,
        "the endpoint is not a URL",
        "Write it like",
        **OTHER,
        arguments=("--endpoint_url", "127.0.0.1:9000"),
    ),
    fails(
        "endpoint in the environment is no URL",
        78,
        "the endpoint is not a URL",
        "AWS_",
        **OTHER,
        env={"AWS_ENDPOINT_URL_S3": "minio"},
    ),
    fails(
        "endpoint holds a password",
        2,
        "a user name or a password",
        **OTHER,
        env={"AWS_ENDPOINT_URL_S3": "http://me:hidden-word@127.0.0.1:1"},
    ),
]


@table(CREDENTIALS, FAST)
def test_credentials_that_are_refused(case: Case, s3: S3Place) -> None:
    """Credentials that are missing or wrong end a run before the model is loaded, and no message holds a secret."""
    check(case, s3)


NO_BUCKET = ("there is no such bucket", "Check its name and the endpoint, or make the bucket")
NO_OBJECT = ("cannot read", "there is no such object", "Check the bucket, the key")
GONE = "s3://BUCKET-gone"
RULES: dict[str, Any] = {"needs_minio": f"needs rules for names, {NOT_CHECKED}", **EARLY}
LONG = f"s3://BUCKET/{'k' * 1100}.json"
UP = "s3://BUCKET/../out.json"
NO_LOG = ("--prediction_log", "none")
OPTIONS = {"output": "-o", "log": "--prediction_log", "rejects": "--rejects", "report": "--report"}


def inside(uri: str, input_file: str = "") -> dict[str, Any]:
    """Name an input, whose message is about it or about its folder, of a run into a folder."""
    return {"about": uri, "input_file": input_file or uri, **INTO_FOLDER, **EARLY}


MISSING = [
    fails("missing object", 66, *NO_OBJECT, input=None, **EARLY),
    fails("missing object for check", 66, "there is no such object", input=None, **CHECK),
    fails("empty folder", 66, "no objects in that folder", "Check", **inside("s3://BUCKET/no/")),
    fails("pattern that nothing fits", 66, "no object has such a key", "Check", **inside("s3://BUCKET/*.csv")),
    fails("missing bucket", 66, "cannot read", *NO_BUCKET, **inside(f"{GONE}/in.json")),
    fails("missing bucket with a pattern", 66, "cannot read", *NO_BUCKET, **inside(f"{GONE}/*.json")),
    fails("missing bucket with a folder", 66, "cannot read", *NO_BUCKET, **inside(f"{GONE}/in/")),
    *(
        fails(
            f"missing bucket for {role}",
            73,
            "cannot write",
            *NO_BUCKET,
            about=f"{GONE}/{role}.json",
            arguments=(option, f"{GONE}/{role}.json"),
            **EARLY,
        )
        for role, option in OPTIONS.items()
    ),
    fails(
        "missing bucket for check",
        73,
        "cannot write",
        *NO_BUCKET,
        about=f"{GONE}/out.json",
        output_file=f"{GONE}/out.json",
        **CHECK,
        **EARLY,
    ),
    fails(
        "missing bucket for a folder",
        73,
        "cannot write",
        *NO_BUCKET,
        about=f"{GONE}/new/in.json",
        output_file=f"{GONE}/new/",
        **EARLY,
    ),
    fails(
        "no name of a bucket",
        2,
        "Invalid bucket name",
        "Check the names",
        about="s3://no such/in.json",
        input_file="s3://no such/in.json",
        **EARLY,
    ),
    fails("bucket that cannot be", 66, "cannot read", about="s3://x/in.json", input_file="s3://x/in.json", **RULES),
    fails(
        "bucket that cannot be for output",
        73,
        "cannot write",
        about="s3://x/out.json",
        output_file="s3://x/out.json",
        arguments=NO_LOG,
        **RULES,
    ),
    fails("key too long", 66, "cannot read", "KeyTooLong|InvalidObjectName", about=LONG, input_file=LONG, **RULES),
    fails(
        "key too long for output",
        73,
        "cannot write",
        "KeyTooLong",
        about=LONG,
        output_file=LONG,
        arguments=(*NO_LOG, "--rejects", REJECTS),
        **RULES,
    ),
    fails("key that MinIO refuses", 73, "cannot write", about=UP, output_file=UP, **RULES),
]


@table(MISSING, FAST)
def test_buckets_and_objects_that_are_missing(case: Case, s3: S3Place) -> None:
    """A run whose bucket or object does not exist exits with 66 or 73 before the model is loaded, and names it."""
    check(case, s3)


REFUSED = ("permission refused", "Check what the credentials may do")
UNLISTED = (("s3:ListBucket", ""),)
FOLDER: dict[str, Any] = {"input_file": "s3://BUCKET/in/", "about": "s3://BUCKET/in/", **INTO_FOLDER}


def denied(action: str, uri: str) -> tuple[tuple[str, str], ...]:
    """Return what the user may not do."""
    return ((f"s3:{action}", key_of(uri)),)


PERMISSIONS = [
    fails("may not read", 77, "cannot read", *REFUSED, denied=denied("GetObject", IN), **EARLY),
    # Amazon says "permission refused" here; MinIO tells that there is none.
    fails("may not list, missing object", 66, "cannot read", "no such object", denied=UNLISTED, input=None, **EARLY),
    fails("may not list, pattern", 77, "cannot read", *REFUSED, denied=UNLISTED, **PATTERN, **EARLY),
    fails("may not list, folder", 77, "cannot read", *REFUSED, denied=UNLISTED, **FOLDER, **EARLY),
    *(
        fails(
            f"may not write {role}",
            77,
            "cannot write",
            *REFUSED,
            about=uri,
            denied=denied("PutObject", uri),
            **EARLY,
            arguments=("--retries", "1", *(("--report", REPORT) if role == "report" else ())),
        )
        for role, uri in KEYS.items()
    ),
    fails(
        "may not write, for check", 77, "cannot write", *REFUSED, about=OUT, denied=denied("PutObject", OUT), **CHECK
    ),
    fails(
        "may not see whether the output exists",
        77,
        *REFUSED,
        about=OUT,
        denied=denied("GetObject", OUT),
        arguments=("--if_exists", "fail"),
        **EARLY,
    ),
    fails(
        "may not see whether there are earlier rejects",
        77,
        *REFUSED,
        about=REJECTS,
        denied=denied("GetObject", REJECTS),
    ),
    fails(
        "may not remove earlier rejects",
        77,
        "cannot remove",
        *REFUSED,
        about=REJECTS,
        earlier=EARLIER_REJECTS,
        changed=PUBLISHED,
        denied=denied("DeleteObject", REJECTS),
    ),
    succeeds("may do no more than docs/s3.md says", denied=denied("DeleteObject", OUT)),
]


@table(PERMISSIONS, FAST)
def test_what_the_credentials_may_not_do(case: Case, s3: S3Place) -> None:
    """A permission that is refused ends a run with 77, before the model is loaded where that can be known."""
    check(case, s3)
