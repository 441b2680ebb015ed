"""S3 servers that are not there, are not trusted, or hang."""

from __future__ import annotations

from typing import Any

from case import EARLY, PUBLISHED, REJECTS_FILE, Case, check, table
from helpers.proxy import Fault, Proxy
from helpers.records import EARLIER_REJECTS, LARGE, MIXED
from helpers.s3_fixtures import Bucket
from s3_place import (
    FAST,
    HASTE,
    KEYS,
    LOCAL,
    LOCAL_BOTH,
    OUT,
    PAGE,
    PATTERN,
    REJECTS,
    REPORT,
    STALL,
    Meanwhile,
    S3Place,
    answer,
    begin,
    complete,
    fails,
    hang,
    key_of,
    part,
    succeeds,
)

LATER = ("the server cannot be reached", "Check the endpoint, or run again later")
CONNECT = ("--connect_timeout", "0.5")
SECURE = ("no secure connection", "AWS_CA_BUNDLE", "Check the server's certificate")
OURS = {"AWS_CA_BUNDLE": "CERTIFICATE"}
TEXT = b"Client sent an HTTP request to an HTTPS server.\n"


def unreachable(endpoint: str) -> list[Case]:
    """Build the cases of a server that takes no connection."""
    given: dict[str, Any] = {"endpoint": endpoint, "arguments": (*CONNECT, *HASTE), "seconds": 6, **EARLY}
    report = {**given, "arguments": (*CONNECT, *HASTE, "--report", REPORT)}
    once = {"endpoint": endpoint, "arguments": (*CONNECT, "--retries", "0"), "seconds": 5}
    return [
        fails(f"endpoint {endpoint}", 75, "cannot read", *LATER, **given),
        fails(f"endpoint {endpoint} for output", 75, "cannot write", *LATER, **LOCAL, **given),
        fails(f"endpoint {endpoint} for report", 75, "cannot write", *LATER, about=REPORT, **LOCAL_BOTH, **report),
        fails(f"endpoint {endpoint}, not tried again", 75, "cannot read", *LATER, **once),
    ]


UNREACHABLE = [
    *unreachable("refused"),
    *unreachable("silent"),
    *unreachable("unresolved"),
    fails("certificate that nobody trusts", 74, *SECURE, endpoint="tls", **EARLY),
    fails("certificate that nobody trusts for output", 74, *SECURE, endpoint="tls", **LOCAL, **EARLY),
    fails("certificate of somebody else", 74, *SECURE, endpoint="tls of another name", env=OURS, **EARLY),
    fails(
        "AWS_CA_BUNDLE that is not there",
        78,
        "AWS_CA_BUNDLE is not a file: no.pem",
        about="",
        endpoint="tls",
        env={"AWS_CA_BUNDLE": "no.pem"},
        **EARLY,
    ),
    fails("https to a plain server", 74, *SECURE, endpoint="https to plain", **EARLY),
    fails("http to a server with TLS", 74, "cannot read", "Check", endpoint="http to tls", **EARLY),
    fails(
        "http to a server with TLS that says so",
        74,
        "cannot read",
        "400",
        "Check",
        faults=(answer("", 400, TEXT),),
        **EARLY,
    ),
    succeeds("https with a certificate of our own authority", endpoint="tls", env=OURS),
]


@table(UNREACHABLE, FAST)
def test_servers_that_cannot_be_reached(case: Case, s3: S3Place) -> None:
    """A server that is not there or not trusted ends a run in seconds, before the model is loaded."""
    check(case, s3)


# Each request may take twice a second and a pause of up to one.
TIMEOUT = ("the server cannot be reached", "(?i)timed? ?out", "run again later")
HASTY: dict[str, Any] = {"arguments": HASTE, "seconds": 7}
WITH_REJECTS: dict[str, Any] = {**HASTY, "input": MIXED, "arguments": (*HASTE, "--max_errors", "9")}
STALLS: dict[str, Any] = {**HASTY, "input": LARGE, "faults": (STALL, Fault("stall response", "GET in.json"))}
ONCE: dict[str, Any] = {"arguments": ("--read_timeout", "1", "--retries", "0"), "seconds": 5}
UNTOLD = ("cannot publish", "not known whether it was published")
OUTPUTS = {role: uri for role, uri in KEYS.items() if role != "report"}


def _complete(bucket: Bucket, _: Proxy) -> None:
    """Complete the upload, as a server does whose answer a gateway does not wait for."""
    for upload in bucket.uploads("out.json"):
        parts = bucket.client._list_parts(bucket.name, "out.json", upload).parts
        bucket.client._complete_multipart_upload(bucket.name, "out.json", upload, parts)


COMPLETED = Meanwhile(complete(), _complete)

HANGS = [
    fails("hang before reading", 75, "cannot read", *TIMEOUT, faults=(hang("HEAD in.json"),), **HASTY, **EARLY),
    fails("hang in the headers of the input", 75, "cannot read", *TIMEOUT, faults=(hang("GET in.json"),), **HASTY),
    fails("hang in listing", 75, "cannot read", *TIMEOUT, faults=(hang("list-type"),), **PATTERN, **HASTY, **EARLY),
    fails("stall in the middle of the input", 75, "cannot read", r"from byte \d", *TIMEOUT, **STALLS),
    fails(
        "stall in the middle of the input, to standard output", 75, "cannot read", *TIMEOUT, output_file="-", **STALLS
    ),
    fails(
        "stall in the middle of the input, not tried again",
        75,
        "cannot read",
        *TIMEOUT,
        faults=(STALL,),
        input=LARGE,
        **ONCE,
    ),
    # The server begins an upload each time, and the run never hears of it.
    *(
        fails(
            f"hang of the beginning of {role}",
            75,
            "cannot write",
            *TIMEOUT,
            about=uri,
            faults=(hang(begin(uri)),),
            uploads=(key_of(uri),),
            **HASTY,
            **EARLY,
        )
        for role, uri in OUTPUTS.items()
    ),
    *(
        fails(
            f"hang of a part of {role}",
            75,
            "cannot write",
            *TIMEOUT,
            about=uri,
            faults=(hang(part(uri)),),
            **(WITH_REJECTS if role == "rejects" else HASTY),
        )
        for role, uri in OUTPUTS.items()
    ),
    succeeds("hang of the completion, which is done", hang(complete()), arguments=HASTE, seconds=9),
    succeeds("hang of the log's completion, which is done", hang(complete(KEYS["log"])), arguments=HASTE, seconds=9),
    fails(
        "hang of the completion and of the question what became of it",
        75,
        *UNTOLD,
        about=OUT,
        changed=PUBLISHED,
        faults=(hang(complete()), hang("HEAD out.json")),
        arguments=HASTE,
        seconds=13,
    ),
    succeeds(
        "504 to the completion, which is done", COMPLETED, answer(complete(), 504, PAGE), arguments=("--retries", "0")
    ),
    succeeds("503 to the completion, which is done", COMPLETED, answer(complete(), times=1)),
    succeeds("hang of clearing up after success", hang("DELETE out.rejects"), seconds=8, locks=1),
    fails(
        "hang of clearing up after failure",
        75,
        "cannot write",
        "down or overloaded",
        about=OUT,
        locks=3,
        uploads=("out.json", "out.log.ldjson"),  # the next run aborts them
        seconds=18,
        faults=(answer(part()), hang("DELETE uploadId")),
    ),
    fails(
        "hang of the question after earlier rejects",
        75,
        "cannot (read|remove)",
        *TIMEOUT,
        about=REJECTS,
        faults=(hang("HEAD out.rejects"),),
        **HASTY,
    ),
    fails(
        "hang of removing earlier rejects, which is done",
        75,
        "cannot remove",
        *TIMEOUT,
        about=REJECTS,
        **HASTY,
        faults=(hang("DELETE out.rejects !uploadId"),),
        earlier=EARLIER_REJECTS,
        changed=PUBLISHED | REJECTS_FILE,
    ),
]


@table(HANGS, FAST)
def test_servers_that_hang(case: Case, s3: S3Place) -> None:
    """A server that stops answering ends a run within its time-outs, or is asked again what became of a request."""
    check(case, s3)
