"""Failures of S3 never hang and never pass as success: one table of them, through the real command line and server.

For each, in this order: the exit code; what is in the bucket and on the disk, with the earlier objects untouched and no
upload left open; one message that names object, server and remedy and no secret, the same in the report. In the same
table: what a run gets over, with the result of an undisturbed run.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from helpers.command import Etl, minding_modes
from helpers.proxy import SLOW_DOWN, Fault, Proxy, Request
from helpers.s3_fixtures import Bucket

"""Root without what lets it pass over file modes."""

THREE = b'{"x":1}\n{"x":2}\n{"x":3}\n'
MIXED = b'{"x":1}\nx\n{"x":3}\n'
LARGE = b'{"x": 1.0}\n' * 110_000  # more than a block of the reader
MIDDLE = 600_000
LONG = b"".join(
    b'{"x":%d,"text":"%s"}\n' % (number, b"t" * 1_000_000) for number in range(20)
)  # three parts with --join
EARLIER = {"out.json": b"earlier\n", "out.log.ldjson": b"earlier log\n"}
EARLIER_REJECTS = {**EARLIER, "out.rejects.ldjson": b"earlier rejects\n"}
PUBLISHED = frozenset({"out.json", "out.log.ldjson"})
LOG = frozenset({"out.log.ldjson"})

IN, OUT, LOGGED, REJECTS, REPORT = (
    f"s3://BUCKET/{key}" for key in ("in.json", "out.json", "out.log.ldjson", "out.rejects.ldjson", "report.json")
)
LOCAL: dict[str, Any] = {"input_file": "local.json"}
HASTE = ("--read_timeout", "1", "--retries", "1")
SECRETS = ("hidden-word", "not-the-secret", "not-a-token")
STRAIGHT = "which an imitation of S3 does not check"


@dataclass(frozen=True)
class Case:
    """One way to fail, or to go on.

    BUCKET stands for the bucket's name, and CERTIFICATE for the file of the TLS proxy's certificate.

    Attributes:
        name: of the case.
        code: the exit code.
        says: regular expressions that the message must match.
        about: the object or folder that the message must name, with its server; empty if it is about something else.
        faults: what the proxy does; each must strike.
        arguments: beside model, input, output and report.
        verb: of the command line.
        model: the model's class.
        early: whether it must fail before the model is made.
        input: the input's content, or None for none.
        input_file: the input's name.
        output_file: the output's name.
        earlier: objects that are there before.
        changed: the objects that are new or different afterwards.
        left: the objects of which an upload may be left, since the run never heard of it or could not end it.
        notes: how many locks are left, each with a note for the next run that an upload could not be ended.
        endpoint: what kind of server is there, a key of `ENDPOINTS`.
        env: variables; an empty one is removed.
        denied: what the user may not do, as pairs of an action and a key (or empty, for the bucket).
        meanwhile: what somebody else does, when the request that `at` matches is on its way.
        at: see `meanwhile`.
        skip: how many requests that match it come before.
        shell: how the command is started, with "$@" for it.
        set_up: what else to do first, with the folder for temporary files.
        seconds: how long it may take at most.
        requests: how many requests a match must have.
        real: why it needs a real server, if it does.
        mode_matters: whether root must not pass over file modes.
        warned: whether a warning comes before the message.
    """

    name: str
    code: int = 0
    says: tuple[str, ...] = ()
    about: str = IN
    faults: tuple[Fault, ...] = ()
    arguments: tuple[str, ...] = ("--retries", "1")
    verb: str = "run"
    model: str = "failing_models:GoodBatch"
    early: bool = False
    input: bytes | None = THREE
    input_file: str = IN
    output_file: str = OUT
    earlier: dict[str, bytes] = field(default_factory=lambda: EARLIER)
    changed: frozenset[str] = frozenset()
    left: tuple[str, ...] = ()
    notes: int = 0
    endpoint: str = "proxy"
    env: dict[str, str] = field(default_factory=dict)
    denied: tuple[tuple[str, str], ...] = ()
    meanwhile: Callable[[Bucket, Proxy], object] | None = None
    at: str = ""
    skip: int = 0
    shell: str = ""
    set_up: Callable[[Path], object] | None = None
    seconds: float = 12
    requests: tuple[tuple[str, int], ...] = ()
    real: str = ""
    mode_matters: bool = False
    warned: bool = False


def _error(code: str, more: str = "") -> bytes:
    return f"<Error><Code>{code}</Code><Message>Refused by the test.</Message>{more}</Error>".encode()


def _answer(match: str, status: int, content: bytes = SLOW_DOWN, **how: Any) -> Fault:
    return Fault("answer", match, status=status, content=content, **how)


PAGE = b"<html><body><p>Log in to the network first<br></p></body></html>"  # no XML
TIDY_PAGE = b"<html><body><p>Log in to the network first</p></body></html>"  # XML of another kind
TEXT = b"Client sent an HTTP request to an HTTPS server.\n"

CUT = Fault("cut response", "GET in.json", at=MIDDLE, times=1)
STALL = Fault("stall response", "GET in.json", at=MIDDLE, times=1)
BEGIN, PART, COMPLETE = "POST {} ?uploads", "PUT {} partNumber", "POST {} uploadId"


def _keys() -> Iterator[Case]:
    """Who we are."""
    unknown = ("the server does not know the access key", "Check --key or AWS_ACCESS_KEY_ID")
    wrong = ("the secret key does not belong to the access key", "Check --secret_key or AWS_SECRET_ACCESS_KEY")
    who: tuple[tuple[str, tuple[str, ...], dict[str, str]], ...] = (
        ("wrong key", unknown, {"AWS_ACCESS_KEY_ID": "nobody"}),
        ("wrong secret", wrong, {"AWS_SECRET_ACCESS_KEY": "not-the-secret"}),
    )
    real = f"needs keys and signatures, {STRAIGHT}"
    for name, says, env in who:
        yield Case(f"{name} for input", 77, says, env=env, early=True, real=real)
        yield Case(f"{name} for output", 77, says, OUT, env=env, early=True, real=real, **LOCAL)
        for role, place in (("log", LOGGED), ("rejects", REJECTS)):
            option = "--prediction_log" if role == "log" else "--rejects"
            more = (option, place, *(("--prediction_log", "none") if role == "rejects" else ()))
            yield Case(f"{name} for {role}", 77, says, place, arguments=more, env=env, early=True, real=real,
                       output_file="local_out.json", **LOCAL)  # fmt: skip
        yield Case(f"{name} for report", 77, says, REPORT, arguments=("--report", REPORT), env=env, early=True,
                   real=real,
                   output_file="local_out.json", **LOCAL)  # fmt: skip
        yield Case(f"{name} for check", 77, says, OUT, env=env, verb="check", early=True, real=real, **LOCAL)
    yield Case("wrong keys as flags", 77, unknown, early=True, real=real, warned=True,
               arguments=("--key", "nobody", "--secret_key", "not-the-secret"))  # fmt: skip
    yield Case("wrong session token", 77, ("cannot read", r"(?i)token|access key"), early=True, real=real,
               env={"AWS_SESSION_TOKEN": "not-a-token"})  # fmt: skip
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    yield Case("no credentials", 78, ("there are no credentials", "Set AWS_ACCESS_KEY_ID"), env=nobody, early=True)
    yield Case("no credentials for output", 78, ("there are no credentials",), OUT, env=nobody, early=True, **LOCAL)
    yield Case("a key without its secret", 78, ("(?i)credentials", "missing: AWS_SECRET_ACCESS_KEY"), "", early=True,
               env={"AWS_SECRET_ACCESS_KEY": ""})  # fmt: skip
    yield Case("a flag without the other", 2, ("--key was given without --secret_key", "Give both"), "", early=True,
               arguments=("--key", "nobody"), warned=True)  # fmt: skip
    yield Case("no such profile", 78, ("profile", "nobody", "Check"), "", env={"AWS_PROFILE": "nobody"}, early=True)
    yield Case("endpoint is no URL", 2, ("'127.0.0.1:9000' is no URL", "Write it like"), "", early=True,
               arguments=("--endpoint_url", "127.0.0.1:9000"))  # fmt: skip
    yield Case("endpoint in the environment is no URL", 78, ("(?i)endpoint: minio", "AWS_"), "", early=True,
               env={"AWS_ENDPOINT_URL_S3": "minio"})  # fmt: skip
    yield Case("endpoint holds a password", 2, ("a user name or a password",), "", early=True,
               env={"AWS_ENDPOINT_URL_S3": "http://me:hidden-word@127.0.0.1:1"})  # fmt: skip


def _missing() -> Iterator[Case]:
    """What is not there."""
    gone = ("there is no such bucket", "Check its name and the endpoint, or make the bucket")
    elsewhere = "s3://BUCKET-gone"
    yield Case("missing object", 66, ("cannot read", "there is no such object", "Check the bucket, the key"),
               input=None, early=True)  # fmt: skip
    yield Case("missing object for check", 66, ("there is no such object",), input=None, verb="check")
    yield Case("empty folder", 66, ("no objects in that folder", "Check"), "s3://BUCKET/no/", early=True,
               input_file="s3://BUCKET/no/", output_file="s3://BUCKET/new/")  # fmt: skip
    yield Case("pattern that nothing fits", 66, ("no object has such a key", "Check"), r"s3://BUCKET/*.csv", early=True,
               input_file="s3://BUCKET/*.csv", output_file="s3://BUCKET/new/")  # fmt: skip
    for name, key in (("bucket", "in.json"), ("bucket with a pattern", "*.json"), ("bucket with a folder", "in/")):
        yield Case(f"missing {name}", 66, ("cannot read", *gone), f"{elsewhere}/{key}",
                   input_file=f"{elsewhere}/{key}", output_file="s3://BUCKET/new/", early=True)  # fmt: skip
    for role, option in (
        ("output", "-o"),
        ("log", "--prediction_log"),
        ("rejects", "--rejects"),
        ("report", "--report"),
    ):
        place = f"{elsewhere}/{role}.json"
        yield Case(f"missing bucket for {role}", 73, ("cannot write", *gone), place, early=True,
                   arguments=(option, place))  # fmt: skip
    yield Case("missing bucket for check", 73, ("cannot write", *gone), f"{elsewhere}/out.json", verb="check",
               early=True,
               output_file=f"{elsewhere}/out.json")  # fmt: skip
    yield Case("missing bucket for a folder", 73, ("cannot write", *gone), f"{elsewhere}/new/in.json", early=True,
               output_file=f"{elsewhere}/new/")  # fmt: skip
    real = f"needs rules for names, {STRAIGHT}"
    yield Case("no name of a bucket", 2, ("Invalid bucket name", "Check the names"), "s3://no such/in.json",
               input_file="s3://no such/in.json", early=True)  # fmt: skip
    yield Case("bucket that cannot be", 66, ("cannot read",), "s3://x/in.json", input_file="s3://x/in.json", early=True,
               real=real)  # fmt: skip
    yield Case("bucket that cannot be for output", 73, ("cannot write",), "s3://x/out.json", early=True, real=real,
               output_file="s3://x/out.json", arguments=("--prediction_log", "none"))  # fmt: skip
    long = f"s3://BUCKET/{'k' * 1100}.json"
    yield Case(
        "key too long",
        66,
        ("cannot read", "KeyTooLong|InvalidObjectName"),
        long,
        input_file=long,
        early=True,
        real=real,
    )
    yield Case("key too long for output", 73, ("cannot write", "KeyTooLong"), long, output_file=long, early=True,
               real=real,
               arguments=("--prediction_log", "none", "--rejects", REJECTS))  # fmt: skip
    up = "s3://BUCKET/../out.json"
    yield Case("key that MinIO refuses", 73, ("cannot write",), up, output_file=up, real=real, early=True)


def _permissions() -> Iterator[Case]:
    """What the credentials may not do."""
    refused = ("permission refused", "Check what the credentials may do")
    yield Case("may not read", 77, ("cannot read", *refused), denied=(("s3:GetObject", "in.json"),), early=True)
    unlisted = (("s3:ListBucket", ""),)
    # Amazon says "permission refused" here; MinIO tells that there is none.
    yield Case("may not list, missing object", 66, ("cannot read", "no such object"), denied=unlisted,
               input=None, early=True)  # fmt: skip
    yield Case("may not list, pattern", 77, ("cannot read", *refused), "s3://BUCKET/", denied=unlisted, early=True,
               input_file="s3://BUCKET/*.json", output_file="s3://BUCKET/new/")  # fmt: skip
    yield Case("may not list, folder", 77, ("cannot read", *refused), "s3://BUCKET/in/", denied=unlisted, early=True,
               input_file="s3://BUCKET/in/", output_file="s3://BUCKET/new/")  # fmt: skip
    for role, place in (("output", OUT), ("log", LOGGED), ("rejects", REJECTS), ("report", REPORT)):
        key = place.rpartition("/")[2]
        more = ("--report", REPORT) if role == "report" else ()
        yield Case(f"may not write {role}", 77, ("cannot write", *refused), place, denied=(("s3:PutObject", key),),
                   early=True, arguments=more)  # fmt: skip
    yield Case("may not write, for check", 77, ("cannot write", *refused), OUT, denied=(("s3:PutObject", "out.json"),),
               verb="check")  # fmt: skip
    yield Case("may not see whether the output exists", 77, refused, OUT, denied=(("s3:GetObject", "out.json"),),
               early=True, arguments=("--if_exists", "fail"))  # fmt: skip
    yield Case("may not see whether there are earlier rejects", 77, refused, REJECTS,
               denied=(("s3:GetObject", "out.rejects.ldjson"),))  # fmt: skip
    yield Case("may not remove earlier rejects", 77, ("cannot remove", *refused), REJECTS, earlier=EARLIER_REJECTS,
               denied=(("s3:DeleteObject", "out.rejects.ldjson"),))  # fmt: skip
    yield Case("may do no more than docs/s3.md says", changed=PUBLISHED, denied=(("s3:DeleteObject", "out.json"),))


def _unreachable() -> Iterator[Case]:
    """Servers that are not there."""
    later = ("the server cannot be reached", "Check the endpoint, or run again later")
    for kind in ("refused", "silent", "unresolved"):
        given: dict[str, Any] = {"endpoint": kind, "early": True, "arguments": ("--connect_timeout", "0.5", *HASTE)}
        yield Case(f"endpoint {kind}", 75, ("cannot read", *later), seconds=6, **given)
        yield Case(f"endpoint {kind} for output", 75, ("cannot write", *later), OUT, seconds=6, **given, **LOCAL)
        given["arguments"] += ("--report", REPORT)
        yield Case(f"endpoint {kind} for report", 75, ("cannot write", *later), REPORT, seconds=6, **given, **LOCAL,
                   output_file="local_out.json")  # fmt: skip
        yield Case(f"endpoint {kind}, not tried again", 75, ("cannot read", *later), endpoint=kind, seconds=5,
                   arguments=("--connect_timeout", "0.5", "--retries", "0"))  # fmt: skip
    secure = ("no secure connection", "AWS_CA_BUNDLE", "Check the server's certificate")
    yield Case("certificate that nobody trusts", 74, secure, endpoint="tls", early=True)
    yield Case("certificate that nobody trusts for output", 74, secure, OUT, endpoint="tls", early=True, **LOCAL)
    yield Case("certificate of somebody else", 74, secure, endpoint="tls of another name", early=True,
               env={"AWS_CA_BUNDLE": "CERTIFICATE"})  # fmt: skip
    yield Case("AWS_CA_BUNDLE that is not there", 78, ("AWS_CA_BUNDLE is no.pem",), "", endpoint="tls", early=True,
               env={"AWS_CA_BUNDLE": "no.pem"})  # fmt: skip
    yield Case("https to a plain server", 74, secure, endpoint="https to plain", early=True)
    yield Case("http to a server with TLS", 74, ("cannot read", "Check"), endpoint="http to tls", early=True)
    yield Case("http to a server with TLS that says so", 74, ("cannot read", "400", "Check"), early=True,
               faults=(_answer("", 400, TEXT),))  # fmt: skip
    yield Case("https with a certificate of our own authority", endpoint="tls", changed=PUBLISHED,
               env={"AWS_CA_BUNDLE": "CERTIFICATE"})  # fmt: skip


def _complete(bucket: Bucket, _: Proxy) -> None:
    """Complete the upload, as a server does whose answer a gateway does not wait for."""
    for upload in bucket.uploads("out.json"):
        parts = bucket.client._list_parts(bucket.name, "out.json", upload).parts
        bucket.client._complete_multipart_upload(bucket.name, "out.json", upload, parts)


def _hangs() -> Iterator[Case]:
    """Servers that are there and say nothing; each request may take twice a second and a pause of up to one."""
    later = ("the server cannot be reached", "(?i)timed? ?out", "run again later")
    hasty: dict[str, Any] = {"arguments": HASTE, "seconds": 7}

    def silence(match: str) -> tuple[Fault, ...]:
        return (Fault("delay response", match),)

    yield Case("hang before reading", 75, ("cannot read", *later), faults=silence("HEAD in.json"), early=True, **hasty)
    yield Case("hang in the headers of the input", 75, ("cannot read", *later), faults=silence("GET in.json"), **hasty)
    yield Case("hang in listing", 75, ("cannot read", *later), "s3://BUCKET/", faults=silence("list-type"), early=True,
               input_file="s3://BUCKET/*.json", output_file="s3://BUCKET/new/", **hasty)  # fmt: skip
    stalls = (STALL, Fault("stall response", "GET in.json"))
    yield Case("stall in the middle of the input", 75, ("cannot read", r"from byte \d", *later), faults=stalls,
               input=LARGE, **hasty)  # fmt: skip
    yield Case("stall in the middle of the input, to standard output", 75, ("cannot read", *later), faults=stalls,
               input=LARGE, output_file="-", **hasty)  # fmt: skip
    yield Case("stall in the middle of the input, not tried again", 75, ("cannot read", *later), faults=stalls[:1],
               input=LARGE, arguments=("--read_timeout", "1", "--retries", "0"), seconds=5)  # fmt: skip
    for role, place in (("output", OUT), ("log", LOGGED), ("rejects", REJECTS)):
        key = place.rpartition("/")[2]
        # The server begins an upload each time, and nobody hears of it.
        yield Case(f"hang of the beginning of {role}", 75, ("cannot write", *later), place, early=True, left=(key,),
                   faults=silence(BEGIN.format(key)), **hasty)  # fmt: skip
        mixed = {"input": MIXED, "arguments": (*HASTE, "--max_errors", "9")} if role == "rejects" else {}
        yield Case(f"hang of a part of {role}", 75, ("cannot write", *later), place,
                   faults=silence(PART.format(key)), **{**hasty, **mixed})  # fmt: skip
    slow: dict[str, Any] = {"arguments": HASTE, "seconds": 9}
    yield Case("hang of the completion, which is done", changed=PUBLISHED, faults=silence(COMPLETE.format("out.json")),
               **slow)  # fmt: skip
    yield Case("hang of the log's completion, which is done", changed=PUBLISHED,
               faults=silence(COMPLETE.format("out.log.ldjson")), **slow)  # fmt: skip
    yield Case("hang of the completion and of the question what became of it", 75,
               ("cannot publish", "cannot be told whether it was published"), OUT, changed=PUBLISHED,
               faults=(*silence(COMPLETE.format("out.json")), *silence("HEAD out.json")), arguments=HASTE,
               seconds=13)  # fmt: skip
    yield Case("504 to the completion, which is done", changed=PUBLISHED, at=COMPLETE.format("out.json"),
               meanwhile=_complete,
               faults=(_answer(COMPLETE.format("out.json"), 504, PAGE),), arguments=("--retries", "0"))  # fmt: skip
    yield Case("503 to the completion, which is done", changed=PUBLISHED, at=COMPLETE.format("out.json"),
               meanwhile=_complete,
               faults=(_answer(COMPLETE.format("out.json"), 503, times=1),))  # fmt: skip
    yield Case("hang of clearing up after success", changed=PUBLISHED, faults=silence("DELETE out.rejects"), seconds=8,
               notes=1)  # fmt: skip
    yield Case("hang of clearing up after failure", 75, ("cannot write", "down or overloaded"), OUT, seconds=18,
               notes=3, faults=(_answer(PART.format("out.json"), 503), *silence("DELETE uploadId")))  # fmt: skip
    yield Case("hang of the question after earlier rejects", 75, ("cannot (read|remove)", *later), REJECTS,
               faults=silence("HEAD out.rejects"), **hasty)  # fmt: skip
    yield Case("hang of removing earlier rejects, which is done", 75, ("cannot remove", *later), REJECTS, **hasty,
               faults=silence("DELETE out.rejects !uploadId"), earlier=EARLIER_REJECTS,
               changed=frozenset({"out.rejects.ldjson"}))  # fmt: skip


def _answers() -> Iterator[Case]:
    """What a server, or something before it, may answer to requests of each kind."""
    down = ("the server is down or overloaded", "run it again")
    region = ("another region", "Set AWS_REGION")
    full = ("disk or quota is full", "Make room")
    elsewhere = "<Region>eu-central-1</Region><Bucket>BUCKET</Bucket>"
    answers: dict[str, tuple[int, int, bytes, tuple[str, ...]]] = {
        "503 SlowDown": (75, 503, _error("SlowDown"), down),
        "500 InternalError": (75, 500, _error("InternalError"), down),
        "502 of a proxy": (75, 502, PAGE, down),
        "504 of a proxy": (75, 504, b"", down),
        "429 TooManyRequests": (75, 429, _error("TooManyRequests"), down),
        "429 of a proxy": (75, 429, PAGE, down),
        "400 RequestTimeout": (75, 400, _error("RequestTimeout"), down),
        "507 XMinioStorageFull": (74, 507, _error("XMinioStorageFull"), full),
        "301 PermanentRedirect": (78, 301, _error("PermanentRedirect", elsewhere), region),
        "400 AuthorizationHeaderMalformed": (78, 400, _error("AuthorizationHeaderMalformed", elsewhere), region),
        "403 RequestTimeTooSkewed": (77, 403, _error("RequestTimeTooSkewed"), ("clock", "Set the clock")),
        "400 ExpiredToken": (77, 400, _error("ExpiredToken"), ("credentials have expired", "Get new")),
        "403 of a proxy": (77, 403, PAGE, ("permission refused",)),
        "401 of a proxy": (77, 401, PAGE, ("permission refused",)),
        "501 NotImplemented": (74, 501, _error("NotImplemented"), ("NotImplemented", "Check the server")),
    }
    no_s3: dict[str, tuple[int, int, bytes, tuple[str, ...]]] = {
        "200 and a tidy page": (74, 200, TIDY_PAGE, ("Check",)),
        "200 and nothing": (74, 200, b"", ("Check",)),
        "200 and a page": (75, 200, PAGE, down),
    }
    requests: dict[str, tuple[str, str, str, dict[str, Any]]] = {
        "reading": ("in.json", "cannot read", IN, {"early": True}),
        "beginning": (BEGIN.format("out.json"), "cannot write", OUT, {"early": True}),
        "a part": (PART.format("out.json"), "cannot write", OUT, {}),
        "completion": (COMPLETE.format("out.json"), "cannot publish", OUT, {"changed": LOG}),
    }
    for name, (code, status, content, says) in (answers | no_s3).items():
        for what, (match, action, place, more) in requests.items():
            known = what == "a part" and status not in {200, 503, 507}  # the same code
            if not known and (name, what) != ("200 and a page", "reading"):
                yield Case(f"{name} to {what}", code, (action, *says), place, faults=(_answer(match, status, content),),
                       **more)  # fmt: skip
    yield Case("200 and a page to reading", 74, ("cannot read", "Check"), early=True,
               faults=(_answer("in.json", 200, PAGE),))  # fmt: skip
    yield Case("200 and a page to opening the input", 74, ("cannot read", "Check"),
               faults=(_answer("GET in.json", 200, PAGE),))  # fmt: skip
    yield Case("200 and a page to the middle of the input", 74, ("cannot read", "Check"), input=LARGE,
               faults=(CUT, _answer("GET in.json", 200, PAGE)))  # fmt: skip
    # Too long for one piece, so it has no MD5; the answer is not of the range that was asked.
    yield Case("another record in the middle of a long input", 74, ("cannot read", "Check"), input=LARGE * 6,
               faults=(Fault("cut response", "GET in.json", at=11 * 50_000, times=1),
                       _answer("GET in.json", 200, b'{"x": 9.0}\n', times=1)))  # fmt: skip
    slow = _error("SlowDown")
    yield Case("200 and an error to completion", 75, ("cannot publish", *down), OUT, changed=LOG,
               faults=(_answer(COMPLETE.format("out.json"), 200, slow),))  # fmt: skip
    for role, place in (("log", LOGGED), ("rejects", REJECTS)):
        key = place.rpartition("/")[2]
        mixed = ("--retries", "1", "--max_errors", "9")
        for what, match in (("beginning", BEGIN), ("a part", PART)):
            yield Case(f"503 to {what} of {role}", 75, ("cannot write", *down), place, input=MIXED, arguments=mixed,
                       faults=(_answer(match.format(key), 503),))  # fmt: skip
        # The order is rejects, log, output.
        done: dict[str, Any] = {"changed": frozenset({"out.rejects.ldjson"} if role == "log" else ())}
        done |= {"input": MIXED, "arguments": mixed}
        yield Case(f"503 to completion of {role}", 75, ("cannot publish", *down), place, **done,
                   faults=(_answer(COMPLETE.format(key), 503),))  # fmt: skip
        yield Case(f"403 to completion of {role}", 77, ("cannot publish", "permission refused"), place, **done,
                   faults=(_answer(COMPLETE.format(key), 403, _error("AccessDenied")),))  # fmt: skip
    # They would be taken for this run's, so they go before the output comes.
    yield Case("503 to completion, with earlier rejects", 75, ("cannot publish", *down), OUT, earlier=EARLIER_REJECTS,
               changed=LOG | {"out.rejects.ldjson"}, faults=(_answer(COMPLETE.format("out.json"), 503),))  # fmt: skip
    yield Case("503 to the input when it is opened", 75, ("cannot read", *down), faults=(_answer("GET in.json", 503),))
    yield Case("503 to the input in the middle", 75, ("cannot read", "from byte [1-9]", *down), input=LARGE,
               faults=(CUT, _answer("GET in.json", 503)))  # fmt: skip
    yield Case("503 to listing", 75, ("cannot read", *down), "s3://BUCKET/", faults=(_answer("list-type", 503),),
               input_file="s3://BUCKET/*.json", output_file="s3://BUCKET/new/", early=True)  # fmt: skip
    yield Case("200 and a page to listing", 75, ("cannot read", *down), "s3://BUCKET/", early=True,
               faults=(_answer("list-type", 200, PAGE),), input_file="s3://BUCKET/*.json",
               output_file="s3://BUCKET/new/")  # fmt: skip
    yield Case("503 to check", 75, ("cannot write", *down), OUT, verb="check", early=True,
               faults=(_answer(BEGIN.format("out.json"), 503),))  # fmt: skip
    for retries in (0, 2):
        match = BEGIN.format("out.json")
        yield Case(f"as many tries as --retries {retries} says", 75, down, OUT, faults=(_answer(match, 503),),
                   early=True,
                   arguments=("--retries", str(retries)), requests=((match, retries + 1),))  # fmt: skip
        yield Case(f"as many parts as --retries {retries} says", 75, down, OUT,
                   faults=(_answer(PART.format("out.json"), 503),), arguments=("--retries", str(retries)),
                   requests=((PART.format("out.json"), retries + 1),))  # fmt: skip
    yield Case("403 to the end of an upload that failed", 75, ("cannot write", *down), OUT, left=("out.json",),
               faults=(_answer(PART.format("out.json"), 503), _answer("DELETE out.json", 403)))  # fmt: skip
    yield Case("503 to the end of all uploads that failed", 75, ("cannot write", *down), OUT, seconds=9, notes=3,
               faults=(_answer(PART.format("out.json"), 503), _answer("DELETE uploadId", 503)),
               left=("out.json", "out.log.ldjson", "out.rejects.ldjson"))  # fmt: skip
    yield Case("the server is gone after the parts", 75, ("cannot publish",), OUT, changed=LOG, seconds=15, notes=2,
               left=("out.json", "out.rejects.ldjson"), faults=(_answer(COMPLETE.format("out.json"), 503),),
               at=COMPLETE.format("out.json"),
               meanwhile=lambda _, proxy: threading.Thread(target=proxy.refuse).start())  # fmt: skip
    yield Case("503 to the report's beginning", 75, ("cannot write", *down), REPORT, early=True,
               arguments=("--retries", "1", "--report", REPORT),
               faults=(_answer(BEGIN.format("report.json"), 503),))  # fmt: skip
    for what, match in (("part", PART), ("completion", COMPLETE)):
        yield Case(f"503 to the report's {what}", 75, ("the predictions were published", *down), REPORT,
                   arguments=("--retries", "1", "--report", REPORT), changed=PUBLISHED,
                   faults=(_answer(match.format("report.json"), 503),))  # fmt: skip


def _cuts() -> Iterator[Case]:
    """Connections that break time and again, and objects that change meanwhile."""
    again = ("Check the connection, and run again",)
    large: dict[str, Any] = {"input": LARGE}
    yield Case("cut in the middle of the input, each time", 74, ("cannot read", "from byte [1-9]", *again),
               faults=(CUT, Fault("cut response", "GET in.json")), **large)  # fmt: skip
    yield Case("cut in the middle of the input, not tried again", 74, ("cannot read", "from byte [1-9]", *again),
               faults=(CUT,), arguments=("--retries", "0"), requests=(("GET in.json", 1),), **large)  # fmt: skip
    yield Case("cut in the middle of the input, to a file", 74, ("cannot read", *again), output_file="local_out.json",
               faults=(CUT, Fault("cut response", "GET in.json")), **large)  # fmt: skip
    for verb in ("HEAD", "GET"):
        yield Case(f"cut before the headers of {verb}", 74, ("cannot read", *again), early=verb == "HEAD",
                   faults=(Fault("lose response", f"{verb} in.json"),))  # fmt: skip
    for role, place in (("output", OUT), ("log", LOGGED)):
        key = place.rpartition("/")[2]
        yield Case(f"cut of a part of {role}", 74, ("cannot write", *again), place,
                   faults=(Fault("cut request", PART.format(key), at=5),))  # fmt: skip
        yield Case(f"cut of the answer to a part of {role}", 74, ("cannot write", *again), place,
                   faults=(Fault("lose response", PART.format(key)),))  # fmt: skip
        yield Case(f"cut of the answer to the beginning of {role}", 74, ("cannot write", *again), place, early=True,
                   faults=(Fault("lose response", BEGIN.format(key)),), left=(key,))  # fmt: skip
    yield Case("cut of a large part", 74, ("cannot write", *again), OUT, faults=(
        Fault("cut request", PART.format("out.json"), at=500_000),), **large)  # fmt: skip
    completion = COMPLETE.format("out.json")
    yield Case("cut of the completion", 74, ("cannot publish", *again), OUT, changed=LOG,
               faults=(Fault("cut request", completion, at=10),))  # fmt: skip
    yield Case("cut of the log's completion", 74, ("cannot publish", *again), LOGGED,
               faults=(Fault("cut request", COMPLETE.format("out.log.ldjson"), at=10),))  # fmt: skip
    for retries in ("0", "1"):
        more: dict[str, Any] = {"arguments": ("--retries", retries), "changed": PUBLISHED}
        yield Case(f"cut before the answer to the completion, {retries} retries",
                   faults=(Fault("lose response", completion),), **more)  # fmt: skip
        yield Case(f"cut in the answer to the completion, {retries} retries",
                   faults=(Fault("cut response", completion, at=40),), **more)  # fmt: skip
        yield Case(f"cut before the answer to the log's completion, {retries} retries",
                   faults=(Fault("lose response", COMPLETE.format("out.log.ldjson")),), **more)  # fmt: skip
        yield Case(f"nobody knows what became of the completion, {retries} retries", 74,
                   ("cannot publish", "it cannot be told whether it was published"), OUT,
                   faults=(Fault("lose response", completion), Fault("lose response", "HEAD out.json")),
                   **more)  # fmt: skip
    changed = ("it was changed while it was read", "Run again when whoever writes it is done")
    happened: dict[str, Callable[[Bucket, Proxy], object]] = {
        "deleted": lambda bucket, _: bucket.remove("in.json"),
        "replaced": lambda bucket, _: bucket.put("in.json", LARGE.replace(b"1.0", b"2.0")),
        "shortened": lambda bucket, _: bucket.put("in.json", THREE),
        "emptied": lambda bucket, _: bucket.put("in.json", b""),
        "made longer": lambda bucket, _: bucket.put("in.json", LARGE * 2),
    }
    for what, action in happened.items():
        yield Case(f"input {what} after a cut", 75, ("cannot read", *changed), faults=(CUT,), meanwhile=action,
                   at="GET in.json", skip=1, **large)  # fmt: skip
        yield Case(f"input {what} after it was read", 75, ("was changed while it was read", "Run again"),
                   meanwhile=action,
                   at="HEAD in.json", skip=1, **large)  # fmt: skip
    yield Case("input replaced before it is opened", 75, ("was changed while it was read",), at="GET in.json",
               meanwhile=happened["replaced"], **large)  # fmt: skip


def _damage() -> Iterator[Case]:
    """Bytes that change on the way."""
    differs = ("cannot read", "its MD5 differs", "check the network")
    yield Case("a digit is damaged", 74, differs, faults=(Fault("corrupt response", "GET in.json", at=5),))
    yield Case("a brace is damaged", 74, differs, faults=(Fault("corrupt response", "GET in.json"),))
    yield Case("the last byte is damaged", 74, differs,
               faults=(Fault("corrupt response", "GET in.json", at=len(THREE) - 1),))  # fmt: skip
    yield Case("the middle is damaged", 74, differs, input=LARGE,
               faults=(Fault("corrupt response", "GET in.json", at=MIDDLE),))  # fmt: skip
    yield Case("damaged after a cut", 74, differs, input=LARGE,
               faults=(CUT, Fault("corrupt response", "GET in.json", at=50_000, times=1)))  # fmt: skip
    real = f"needs digests of parts, {STRAIGHT}"
    told = ("BadDigest|XAmzContentSHA256Mismatch", "Check")
    for role, place in (("output", OUT), ("log", LOGGED)):
        key = place.rpartition("/")[2]
        yield Case(f"a part of {role} is damaged each time", 74, ("cannot write", *told), place, real=real,
                   faults=(Fault("corrupt request", PART.format(key), at=5),),
                   requests=((PART.format(key), 2),))  # fmt: skip
    yield Case("the completion is damaged", 74, ("cannot publish",), OUT, real=real, changed=LOG,
               faults=(Fault("corrupt request", COMPLETE.format("out.json"), at=100),))  # fmt: skip


def _locks(folder: Path) -> Path:
    return folder / f"model_etl-{os.getuid()}"


def _foreign(folder: Path) -> None:
    _locks(folder).mkdir()
    if os.geteuid():
        pytest.skip("only root can give a folder away")
    os.chown(_locks(folder), 12345, 12345)


def _disks() -> Iterator[Case]:
    """The folder for temporary files."""
    big = ("TMPDIR", "File too large", "ulimit -f")
    limit = 'ulimit -f 8; "$@"'  # blocks of 1024 bytes
    many = {"input": LARGE[:110_000], "shell": limit}
    yield Case("no space for the temporary output", 74, (OUT, *big), "", arguments=("--prediction_log", "none"), **many)
    yield Case("no space for the temporary log", 74, (LOGGED, *big), "", output_file="/dev/null", arguments=(
        "--prediction_log", LOGGED, "--rejects", REJECTS, "--output_format", "ldjson"), **many)  # fmt: skip
    yield Case("no space for the temporary rejects", 74, (REJECTS, *big), "", arguments=(
        "--prediction_log", "none", "--max_errors", "9999"), shell=limit, input=b"x\n" * 500)  # fmt: skip
    yield Case("no space for any temporary file", 74, ("(?i)temporary|TMPDIR",), "", shell='ulimit -f 0; "$@"',
               early=True)  # fmt: skip
    mine = (r"cannot lock.*model_etl-\d+", "set TMPDIR|Check")
    yield Case(
        "the locks are somebody else's", 77, ("belongs to somebody else", *mine), "", set_up=_foreign, early=True
    )
    yield Case("the locks are a link", 77, ("belongs to somebody else", *mine), "", early=True,
               set_up=lambda folder: _locks(folder).symlink_to(folder.parent))  # fmt: skip
    yield Case("the locks are a file", 77, ("belongs to somebody else", *mine), "", early=True,
               set_up=lambda folder: _locks(folder).touch())  # fmt: skip
    yield Case("the locks are read-only", 77, mine, "", mode_matters=True, early=True,
               set_up=lambda folder: _locks(folder).mkdir(0o500))  # fmt: skip
    # Elsewhere (Python would take /tmp) the locks would be others than those of the runs that have their TMPDIR.
    yield Case("the folder is read-only", 77, ("(?i)TMPDIR|temporary|lock",), "", mode_matters=True,
               set_up=lambda folder: (_locks(folder).mkdir(), folder.chmod(0o500)))  # fmt: skip
    yield Case("the folder is not there", 73, ("(?i)TMPDIR|temporary|lock",), "", set_up=lambda folder: folder.rmdir())


def _many() -> Iterator[Case]:
    """Many files, and many parts."""
    given: dict[str, Any] = {
        "input_file": "s3://BUCKET/in/",
        "output_file": "s3://BUCKET/new/",
        "earlier": {"in/1.json": THREE, "in/2.json": THREE, "new/1.json": b"earlier\n"},
    }
    yield Case("the second of two inputs is cut each time", 74, ("cannot read",), "s3://BUCKET/in/2.json", **given,
               faults=(Fault("cut response", "GET in/2.json", at=5, times=1),
                       Fault("cut response", "GET in/2.json")))  # fmt: skip
    yield Case("503 to a part of the second of two outputs", 75, ("cannot write",), "s3://BUCKET/new/2.json", **given,
               faults=(_answer(PART.format("new/2.json"), 503),))  # fmt: skip
    yield Case("503 to the completion of the second of two outputs", 75, ("cannot publish",
               "1 of 2|(was|were) published"),
               "s3://BUCKET/new/2.json", changed=frozenset({"new/1.json", "new.log.ldjson"}), **given,
               faults=(_answer(COMPLETE.format("new/2.json"), 503),))  # fmt: skip
    parts: dict[str, Any] = {"input": LONG, "arguments": ("--retries", "1", "--join", "--prediction_log", "none")}
    second = "PUT out.json partNumber=2"
    yield Case("the second of three parts is cut each time", 74, ("cannot write", "run again"), OUT,
               faults=(Fault("cut request", second, at=5_000_000),), **parts)  # fmt: skip
    yield Case("503 to the second of three parts", 75, ("cannot write",), OUT, faults=(_answer(second, 503),), **parts)
    whole: dict[str, Any] = {**parts, "changed": frozenset({"out.json"})}
    yield Case("the second of three parts is cut once", requests=(("PUT out.json", 4),), **whole,
               faults=(Fault("cut request", second, at=5_000_000, times=1),))  # fmt: skip
    yield Case("the second of three parts is damaged once", requests=(("PUT out.json", 4),), **whole,
               real=f"needs digests of parts, {STRAIGHT}",
               faults=(Fault("corrupt request", second, at=5_000_000, times=1),))  # fmt: skip


def _recoveries() -> Iterator[Case]:
    """What a run gets over, with the result of an undisturbed one."""
    well: dict[str, Any] = {"changed": PUBLISHED}
    yield Case("nothing happens", requests=(("", 13),), **well)
    yield Case("one cut in the middle of the input", faults=(CUT,), input=LARGE, requests=(("GET in.json", 2),), **well)
    cuts = tuple(Fault("cut response", "GET in.json", at=100_000, times=1) for _ in range(6))
    yield Case("many cuts, each after some progress", faults=cuts, input=LARGE, requests=(("GET in.json", 7),), **well)
    yield Case("one stall in the middle of the input", faults=(STALL,), input=LARGE, arguments=HASTE, seconds=7, **well)
    yield Case("the input is replaced by itself after a cut", faults=(CUT,), input=LARGE, at="GET in.json", skip=1,
               meanwhile=lambda bucket, _: bucket.put("in.json", LARGE), **well)  # fmt: skip
    once: dict[str, str] = {"HEAD in.json": "HEAD", "GET in.json": "GET", BEGIN.format("out.json"): "the beginning",
                            PART.format("out.json"): "a part",
                            COMPLETE.format("out.json"): "the completion"}  # fmt: skip
    for match, name in once.items():
        left = ("out.json",) if name == "the beginning" else ()
        yield Case(f"one answer to {name} is lost", faults=(Fault("lose response", match, times=1),), left=left, **well)
        # The input's HEAD comes again after it was read.
        yield Case(f"503 twice to {name}, then all is well", faults=(_answer(match, 503, times=2),),
                   arguments=("--retries", "2"),
                   requests=((match, 4 if name == "HEAD" else 3),) if name != "GET" else (), **well)  # fmt: skip
    yield Case("one part is cut", faults=(Fault("cut request", PART.format("out.json"), at=5, times=1),), **well)
    yield Case(
        "one completion is cut", faults=(Fault("cut request", COMPLETE.format("out.json"), at=9, times=1),), **well
    )
    real = f"needs digests of parts, {STRAIGHT}"
    for role in ("out.json", "out.log.ldjson"):
        part = PART.format(role)
        yield Case(f"one part of {role} is damaged", faults=(Fault("corrupt request", part, at=5, times=1),),
                   requests=((part, 2),), real=real, **well)  # fmt: skip
    yield Case(
        "each answer is slow, and in time", faults=(Fault("delay response", seconds=0.2),), arguments=HASTE, **well
    )
    yield Case("the first connection is reset", endpoint="resets once", **well)
    yield Case("the end of the unused upload is refused", faults=(_answer("DELETE out.rejects", 403),),
               left=("out.rejects.ldjson",), **well)  # fmt: skip
    yield Case("temporary rejects of an earlier run go", earlier=EARLIER_REJECTS,
               changed=PUBLISHED | {"out.rejects.ldjson"})  # fmt: skip
    yield Case("one answer to removing earlier rejects is lost", earlier=EARLIER_REJECTS,
               changed=PUBLISHED | {"out.rejects.ldjson"},
               faults=(Fault("lose response", "DELETE out.rejects !uploadId", times=1),))  # fmt: skip


GROUPS = (_keys, _missing, _permissions, _unreachable, _hangs, _answers, _cuts, _damage, _disks, _many, _recoveries)
FAST = {
    "wrong secret for input",
    "missing object",
    "missing bucket for output",
    "may not write output",
    "endpoint refused",
    "certificate that nobody trusts",
    "503 SlowDown to completion",
    "cut in the middle of the input, each time",
    "cut before the answer to the completion, 0 retries",
    "one cut in the middle of the input",
    "the middle is damaged",
    "nothing happens",
}
CASES = [
    pytest.param(case, id=case.name.replace(" ", "_"), marks=() if case.name in FAST else pytest.mark.slow)
    for group in GROUPS
    for case in group()
]


class Meanwhile(Fault):
    """No fault: something is done when a request was seen and has not reached the server."""

    def __init__(self, match: str, skip: int, action: Callable[[], object]) -> None:
        super().__init__("none", match, skip=skip, times=1)
        self.action = action

    def takes(self, request: Request) -> bool:
        """See the base class; the request may have a fault too."""
        if super().takes(request):
            self.action()
            self.hits += 1
        return False


@contextlib.contextmanager
def _silent() -> Iterator[str]:
    """Give the URL of a server that does not even accept connections."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # the kernel takes one or two, then drops what comes
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


class _ResetOnce:
    """Takes the place of an SSL context, and resets the first connection."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    def wrap_socket(self, client: socket.socket, **_: object) -> socket.socket:
        self.proxy._tls = None
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        raise ConnectionResetError


@dataclass
class Way:
    """The way to a server: the proxy there is, and its URL for the command."""

    proxy: Proxy
    url: str


@pytest.fixture
def way(request: pytest.FixtureRequest, bucket: Bucket) -> Iterator[Callable[[str], Way]]:
    """Give the function that makes the server of a case."""
    ends = contextlib.ExitStack()

    def make(kind: str) -> Way:
        proxy: Proxy = request.getfixturevalue("tls_proxy" if "tls" in kind else "proxy")
        if kind == "refused":
            proxy.refuse()
        elif kind == "resets once":
            context: Any = _ResetOnce(proxy)
            proxy._tls = context
        server = bucket.server.endpoint
        if kind == "https to plain" and server.startswith("https"):
            pytest.skip("the server has TLS")
        other = {
            "unresolved": lambda: "http://minio.invalid:9000",
            "silent": lambda: ends.enter_context(_silent()),
            "https to plain": lambda: server.replace("http://", "https://"),
            "http to tls": lambda: proxy.endpoint.replace("https://", "http://"),
            "tls of another name": lambda: proxy.endpoint.replace("127.0.0.1", "127.1"),
        }
        return Way(proxy, other.get(kind, lambda: proxy.endpoint)())

    with ends:
        yield make


def _environment(case: Case, bucket: Bucket, way: Way, folder: Path, certificate: Path) -> dict[str, str]:
    env = bucket.env_through(way.proxy) | {"AWS_ENDPOINT_URL_S3": way.url, "TMPDIR": str(folder / "tmp")}
    env |= {"NO_PROXY": "*", "no_proxy": "*", "PYTHONDONTWRITEBYTECODE": "1"}
    if case.denied:
        names = [f"arn:aws:s3:::{bucket.name}", f"arn:aws:s3:::{bucket.name}/*"]
        statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": ["s3:*"], "Resource": names}]
        for action, key in case.denied:
            what = f"{names[0]}/{key}" if key else names[0]
            statements.append({"Effect": "Deny", "Action": [action], "Resource": [what]})
        key, secret = bucket.user({"Version": "2012-10-17", "Statement": statements})
        env |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    env |= {name: text.replace("CERTIFICATE", str(certificate)) for name, text in case.env.items()}
    return env


def _command(case: Case, etl: Etl, bucket: Bucket) -> list[str]:
    model = "failing_models:HangsInInit" if case.early else case.model
    named = ("--model", model, "--input_file", case.input_file, "--output_file", case.output_file)
    report = () if "--report" in case.arguments or case.verb == "check" else ("--report", "report.json")
    arguments = [text.replace("BUCKET", bucket.name) for text in (*named, *report, *case.arguments)]
    command = etl.command(case.verb, *arguments)
    if case.shell:
        command = ["bash", "-c", case.shell, "bash", *command]
    if case.mode_matters:
        command = minding_modes(command)
    return command


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _objects(bucket: Bucket) -> dict[str, bytes]:
    return {key: bucket.get(key) for key in sorted(bucket.keys())}


def _changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _uploads(bucket: Bucket, *more: str) -> list[str]:
    known = {
        "new/1.json",
        "new/2.json",
        "out.json",
        "out.log.ldjson",
        "out.rejects.ldjson",
        "report.json",
        "new/in.json",
    }
    known |= {name.removeprefix("s3://BUCKET/") for name in more if name.startswith("s3://BUCKET/") and len(name) < 99}
    known.discard("../out.json")  # the server does not even look for it
    return [key for key in sorted(known) if not key.endswith("/") and bucket.uploads(key)]


def _check_whole(bucket: Bucket, content: bytes, *, join: bool = False) -> None:
    made = [json.loads(line) for line in bucket.get("out.json").splitlines()]
    given = [json.loads(line) for line in content.splitlines()]
    assert made == [{**(record if join else {}), "y": record["x"]} for record in given]
    assert join or bucket.get("out.log.ldjson").count(b"\n") == len(given) + 1


def _check_message(case: Case, err: str, name: str, way: Way) -> str:
    """Check that it is one message and nothing else, and give its first part."""
    assert "Traceback" not in err
    assert err.count("model-etl: error: ") == 1, err
    _, _, told = err.partition("model-etl: error: ")
    assert err.startswith("model-etl: warning: " if case.warned else "model-etl: error: ")
    assert "None" not in told
    message, _, remedy = told.rstrip("\n").rpartition("\n  ")
    assert message, f"there is no remedy: {err}"
    assert remedy
    if case.about:
        about = case.about.replace("BUCKET", name)
        assert re.search(rf"{re.escape(about)}[ ,:]", message), f"{about} is not in: {message}"
        assert way.url in message, f"{way.url} is not in: {message}"
    for said in case.says:
        assert re.search(said.replace("BUCKET", name), told), f"{said!r} is not in: {told}"
    return message


@pytest.mark.parametrize("case", CASES)
def test_s3_failure(
    case: Case, etl: Etl, bucket: Bucket, way: Callable[[str], Way], request: pytest.FixtureRequest
) -> None:
    """The exit code first, then the objects and files, then the message and the report."""
    if case.real and bucket.server.kind == "moto":
        pytest.skip(case.real)
    certificate = request.getfixturevalue("certificate") if "tls" in case.endpoint else Path()
    folder = etl.folder
    (folder / "tmp").mkdir()
    local = {"local_out.json": b"earlier\n", "local_out.log.ldjson": b"earlier log\n"}
    for name, content in {"local.json": THREE, **local}.items():
        etl.write(name, content)
    for key, content in case.earlier.items():
        bucket.put(key, content)
    if case.input is not None:
        bucket.put("in.json", case.input)
    path = way(case.endpoint)
    faults = [path.proxy.fault(**vars(fault)) for fault in case.faults]
    if case.meanwhile is not None:
        action = case.meanwhile
        faults.insert(0, Meanwhile(case.at, case.skip, lambda: action(bucket, path.proxy)))
        path.proxy._faults.insert(0, faults[0])
    env = _environment(case, bucket, path, folder, certificate)
    environment = {name: text for name, text in etl.environment(**env).items() if text or name not in case.env}
    command = _command(case, etl, bucket)
    if case.set_up:
        case.set_up(folder / "tmp")
    before, files = _objects(bucket), _contents(folder)

    start = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, cwd=folder, env=environment,
                          timeout=60, check=False)  # fmt: skip
    took = time.monotonic() - start

    err = done.stderr.decode()
    assert done.returncode == case.code, err
    assert all(fault.hits for fault in faults), "a fault did not strike"
    assert took < case.seconds
    after = _objects(bucket)
    if case.meanwhile is not None:  # it may have changed the input
        before["in.json"] = after["in.json"] = b""
    assert _changed(before, after) == case.changed
    assert set(_uploads(bucket, case.output_file)) <= set(case.left)
    changed = _changed(files, _contents(folder)) - {"report.json"}
    locks = {name for name in changed if name.endswith(".lock")}
    assert changed == locks  # no temporary file, no local output
    assert len(locks) == case.notes
    assert done.stdout == b"" or case.verb == "check"
    assert [(match, path.proxy.count(match)) for match, _ in case.requests] == list(case.requests)
    if not case.code:
        assert err == ""
        _check_whole(bucket, case.input or b"", join="--join" in case.arguments)
        return
    assert not [word for word in (*SECRETS, env["AWS_SECRET_ACCESS_KEY"]) if word and word in err]
    message = _check_message(case, err, bucket.name, path)
    _check_report(case, folder, message)


def _check_report(case: Case, folder: Path, message: str) -> None:
    if "--report" in case.arguments or case.verb == "check" or case.code == 2 or "ulimit -f 0" in case.shell:
        return
    report = json.loads((folder / "report.json").read_bytes())
    assert (report["status"], report["exit_code"], report["error"]["message"]) == ("failed", case.code, message)


def _wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for never came"
        time.sleep(0.005)


@dataclass
class Job:
    """The command that the tests of interrupted runs start, with its bucket."""

    etl: Etl
    bucket: Bucket
    proxy: Proxy

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start it through the proxy, with its default time-outs."""
        tmp = self.etl.folder / "tmp"
        tmp.mkdir(exist_ok=True)
        files = ("-i", self.bucket.uri("in.json"), "-o", self.bucket.uri("out.json"))
        env = {**self.bucket.env_through(self.proxy), "TMPDIR": str(tmp), "PYTHONDONTWRITEBYTECODE": "1"}
        return self.etl.popen("run", "-m", "failing_models:GoodBatch", *files, *arguments, env=env)

    def start_into(self, fault: Fault) -> subprocess.Popen[bytes]:
        """Start it, and wait until a fault that makes it hang has struck."""
        run = self.start()
        _wait_for(lambda: fault.hits)
        time.sleep(0.2)
        return run

    def locks(self) -> list[Path]:
        """Give the files in the folder for temporary files."""
        return [path for path in (self.etl.folder / "tmp").rglob("*") if path.is_file()]

    def check_next(self) -> None:
        """Check that the next run is as if nothing had been."""
        self.proxy.clear()
        run = self.start()
        _, err = run.communicate(timeout=30)
        assert (run.returncode, err) == (0, b"")
        _check_whole(self.bucket, THREE)
        assert self.bucket.keys() == {"in.json", *PUBLISHED}
        assert self.locks() == []


@pytest.fixture
def job(etl: Etl, bucket: Bucket, proxy: Proxy) -> Job:
    """Give a command whose input and earlier outputs are there."""
    bucket.put("in.json", THREE)
    for key, content in EARLIER.items():
        bucket.put(key, content)
    return Job(etl, bucket, proxy)


PLACES = {
    "the first question": "HEAD in.json",
    "the headers of the input": "GET in.json",
    "the beginning of an upload": BEGIN.format("out.json"),
    "a part": PART.format("out.json"),
    "the question after earlier rejects": "HEAD out.rejects",
    "the log's completion": COMPLETE.format("out.log.ldjson"),
    "the completion": COMPLETE.format("out.json"),
}


def _end(run: subprocess.Popen[bytes], seconds: float = 9) -> tuple[int, str]:
    """Wait for its end, which must come in a few seconds, though the time-outs allow minutes."""
    try:
        _, err = run.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        run.kill()
        run.communicate()
        pytest.fail("it took too long to end")
    return run.returncode, err.decode()


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_signal_while_the_server_hangs(job: Job, place: str) -> None:
    """A server that says nothing cannot keep a run alive, whatever the time-outs are."""
    run = job.start_into(job.proxy.fault("delay response", PLACES[place]))
    run.send_signal(signal.SIGTERM)
    code, err = _end(run)
    assert code == 143, err
    assert err.count("model-etl: error: stopped by SIGTERM; ") == 1
    if "completion" in place:  # the server has done what was asked
        assert "may have been published" in err
    else:
        assert err == "model-etl: error: stopped by SIGTERM; nothing was published\n"
        assert _objects(job.bucket) == {"in.json": THREE, **EARLIER}
    assert set(_uploads(job.bucket)) <= ({"out.json"} if "beginning" in place else set())
    assert job.locks() == []
    job.check_next()


@pytest.mark.slow
def test_a_signal_in_the_middle_of_the_input(job: Job) -> None:
    """An input that stops to come cannot keep a run alive."""
    job.bucket.put("in.json", LARGE)
    run = job.start_into(job.proxy.fault("stall response", "GET in.json", at=MIDDLE))
    run.send_signal(signal.SIGTERM)
    assert _end(run) == (143, "model-etl: error: stopped by SIGTERM; nothing was published\n")
    assert _objects(job.bucket) == {"in.json": LARGE, **EARLIER}
    assert (_uploads(job.bucket), job.locks()) == ([], [])


@pytest.mark.slow
def test_a_second_signal_while_the_server_hangs(job: Job) -> None:
    """A second signal ends a run at once, even while it publishes, and the next run clears up after it."""
    run = job.start_into(job.proxy.fault("delay response", COMPLETE.format("out.log.ldjson")))
    run.send_signal(signal.SIGTERM)
    time.sleep(0.7)
    run.send_signal(signal.SIGTERM)
    code, err = _end(run, 3)
    assert (code, err.count("stopped")) == (143, 1)
    assert job.bucket.get("out.json") == EARLIER["out.json"]
    job.check_next()
    assert _uploads(job.bucket) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "note", [None, b"", b"{", bytes(4), b"[]", b'{"upload": 7}', b'{"upload": "unknown"}'], ids=repr
)
def test_a_run_after_a_crash(job: Job, note: bytes | None) -> None:
    """What a killed run left does not trouble the next one, even if a power cut took what was in the lock."""
    run = job.start_into(job.proxy.fault("delay response", PART.format("out.json")))
    run.kill()
    run.communicate()
    assert _objects(job.bucket) == {"in.json": THREE, **EARLIER}
    for lock in job.locks():
        if note is not None:
            lock.write_bytes(note)
    job.check_next()
    if note is None:
        assert _uploads(job.bucket) == []


@pytest.mark.slow
def test_a_run_after_one_that_could_not_clear_up(job: Job) -> None:
    """Uploads that a failed run could not end, since the server did not let it, are ended by the next run."""
    for match in (PART.format("out.json"), "DELETE uploadId"):
        job.proxy.fault("answer", match)
    run = job.start("--retries", "0")
    run.communicate(timeout=30)
    assert run.returncode == 75
    assert _uploads(job.bucket) == ["out.json", "out.log.ldjson", "out.rejects.ldjson"]
    job.check_next()
    assert _uploads(job.bucket) == []
