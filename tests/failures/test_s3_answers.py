"""Answers of an S3 server, or of something before it, to requests of each kind."""

from __future__ import annotations

import threading
from typing import Any

from case import CHECK, EARLY, LOG, PUBLISHED, REJECTS_FILE, Case, check, table
from helpers.records import EARLIER_REJECTS, LARGE, MIXED
from s3_place import (
    CUT,
    FAST,
    LOGGED,
    OUT,
    PAGE,
    PATTERN,
    REJECTS,
    REPORT,
    TIDY_PAGE,
    Meanwhile,
    S3Place,
    answer,
    begin,
    complete,
    cut_response,
    error,
    fails,
    part,
)

DOWN = ("the server is down or overloaded", "run it again")
REGION = ("another region", "Set AWS_REGION")
FULL = ("disk or quota is full", "Make room")
ELSEWHERE = "<Region>eu-central-1</Region><Bucket>BUCKET</Bucket>"

Answer = tuple[int, int, bytes, tuple[str, ...]]
"""The exit code, the status and content of the answer, and what the message says."""
ERRORS: dict[str, Answer] = {
    "503 SlowDown": (75, 503, error("SlowDown"), DOWN),
    "500 InternalError": (75, 500, error("InternalError"), DOWN),
    "502 of a proxy": (75, 502, PAGE, DOWN),
    "504 of a proxy": (75, 504, b"", DOWN),
    "429 TooManyRequests": (75, 429, error("TooManyRequests"), DOWN),
    "429 of a proxy": (75, 429, PAGE, DOWN),
    "400 RequestTimeout": (75, 400, error("RequestTimeout"), DOWN),
    "507 XMinioStorageFull": (74, 507, error("XMinioStorageFull"), FULL),
    "301 PermanentRedirect": (78, 301, error("PermanentRedirect", ELSEWHERE), REGION),
    "400 AuthorizationHeaderMalformed": (78, 400, error("AuthorizationHeaderMalformed", ELSEWHERE), REGION),
    "403 RequestTimeTooSkewed": (77, 403, error("RequestTimeTooSkewed"), ("clock", "Set the clock")),
    "400 ExpiredToken": (77, 400, error("ExpiredToken"), ("credentials have expired", "Get new")),
    "403 of a proxy": (77, 403, PAGE, ("permission refused",)),
    "401 of a proxy": (77, 401, PAGE, ("permission refused",)),
    "403 InvalidObjectState": (77, 403, error("InvalidObjectState"), ("it is archived", "restore-object")),
    "501 NotImplemented": (74, 501, error("NotImplemented"), ("NotImplemented", "Check the server")),
}
NOT_S3: dict[str, Answer] = {
    "200 and a tidy page": (74, 200, TIDY_PAGE, ("Check",)),
    "200 and nothing": (74, 200, b"", ("Check",)),
    "200 and a page": (75, 200, PAGE, DOWN),
}
ANSWERS = ERRORS | NOT_S3
PART_ANSWERS = {name: given for name, given in ANSWERS.items() if given[1] in {200, 503, 507}}
"""The other statuses go through the same code as for the beginning of an upload."""


def answers(which: dict[str, Answer], to: str, match: str, action: str, **given: Any) -> list[Case]:
    """Build the case of each answer to one kind of request."""
    return [
        fails(f"{name} to {to}", code, action, *says, faults=(answer(match, status, content),), **given)
        for name, (code, status, content, says) in which.items()
    ]


TO_READING = {name: given for name, given in ANSWERS.items() if name != "200 and a page"}
EACH_REQUEST = [
    *answers(TO_READING, "reading", "in.json", "cannot read", **EARLY),
    *answers(ANSWERS, "beginning", begin(), "cannot write", about=OUT, **EARLY),
    *answers(PART_ANSWERS, "a part", part(), "cannot write", about=OUT),
    *answers(ANSWERS, "completion", complete(), "cannot publish", about=OUT, changed=LOG),
]


@table(EACH_REQUEST, FAST)
def test_an_answer_that_is_an_error(case: Case, s3: S3Place) -> None:
    """Whatever a server answers to whichever request, the exit code and the message say what to do about it."""
    check(case, s3)


# Too long for one piece, so it has no MD5; the answer is not of the range that was asked.
ANOTHER = (cut_response("GET in.json", 11 * 50_000, times=1), answer("GET in.json", 200, b'{"x": 9.0}\n', times=1))

READING = [
    fails("200 and a page to reading", 74, "cannot read", "Check", faults=(answer("in.json", 200, PAGE),), **EARLY),
    fails(
        "200 and a page to opening the input", 74, "cannot read", "Check", faults=(answer("GET in.json", 200, PAGE),)
    ),
    fails(
        "200 and a page to the middle of the input",
        74,
        "cannot read",
        "Check",
        input=LARGE,
        faults=(CUT, answer("GET in.json", 200, PAGE)),
    ),
    fails("another record in the middle of a long input", 74, "cannot read", "Check", input=LARGE * 6, faults=ANOTHER),
    fails("503 to the input when it is opened", 75, "cannot read", *DOWN, faults=(answer("GET in.json"),)),
    fails(
        "503 to the input in the middle",
        75,
        "cannot read",
        "from byte [1-9]",
        *DOWN,
        input=LARGE,
        faults=(CUT, answer("GET in.json")),
    ),
    fails("503 to listing", 75, "cannot read", *DOWN, faults=(answer("list-type"),), **PATTERN, **EARLY),
    fails(
        "200 and a page to listing",
        75,
        "cannot read",
        *DOWN,
        faults=(answer("list-type", 200, PAGE),),
        **PATTERN,
        **EARLY,
    ),
]


@table(READING, FAST)
def test_an_error_while_the_input_is_read(case: Case, s3: S3Place) -> None:
    """An answer that is not the input's next piece never becomes a record."""
    check(case, s3)


WITH_REJECTS: dict[str, Any] = {"input": MIXED, "arguments": ("--retries", "1", "--max_errors", "9")}
REFUSED = error("AccessDenied")


def to_uploads(role: str, uri: str) -> list[Case]:
    """Build the cases of errors to the upload of the log or the rejects."""
    # The order is rejects, log, output.
    done: dict[str, Any] = {"changed": REJECTS_FILE if role == "log" else (), **WITH_REJECTS}
    return [
        fails(
            f"503 to beginning of {role}",
            75,
            "cannot write",
            *DOWN,
            about=uri,
            faults=(answer(begin(uri)),),
            **WITH_REJECTS,
        ),
        fails(
            f"503 to a part of {role}",
            75,
            "cannot write",
            *DOWN,
            about=uri,
            faults=(answer(part(uri)),),
            **WITH_REJECTS,
        ),
        fails(
            f"503 to completion of {role}",
            75,
            "cannot publish",
            *DOWN,
            about=uri,
            faults=(answer(complete(uri)),),
            **done,
        ),
        fails(
            f"403 to completion of {role}",
            77,
            "cannot publish",
            "permission refused",
            about=uri,
            faults=(answer(complete(uri), 403, REFUSED),),
            **done,
        ),
    ]


def as_often(retries: int) -> list[Case]:
    """Build the cases that count how often a request is tried."""
    given: dict[str, Any] = {"arguments": ("--retries", str(retries)), "about": OUT}
    return [
        fails(
            f"as many tries as --retries {retries} says",
            75,
            *DOWN,
            faults=(answer(begin()),),
            requests={begin(): retries + 1},
            **given,
            **EARLY,
        ),
        fails(
            f"as many parts as --retries {retries} says",
            75,
            *DOWN,
            faults=(answer(part()),),
            requests={part(): retries + 1},
            **given,
        ),
    ]


ALL = ("out.json", "out.log.ldjson", "out.rejects.ldjson")
GOES = Meanwhile(complete(), lambda _, proxy: threading.Thread(target=proxy.refuse).start())
WITH_REPORT = ("--retries", "1", "--report", REPORT)
AFTER_ALL = "the predictions were published"

UPLOADS = [
    fails(
        "200 and an error to completion",
        75,
        "cannot publish",
        *DOWN,
        about=OUT,
        changed=LOG,
        faults=(answer(complete(), 200, error("SlowDown")),),
    ),
    *to_uploads("log", LOGGED),
    *to_uploads("rejects", REJECTS),
    # They would be taken for this run's, so they go before the output comes.
    fails(
        "503 to completion, with earlier rejects",
        75,
        "cannot publish",
        *DOWN,
        about=OUT,
        earlier=EARLIER_REJECTS,
        changed=LOG,
        faults=(answer(complete()),),
    ),
    fails("503 to check", 75, "cannot write", *DOWN, about=OUT, faults=(answer(begin()),), **CHECK, **EARLY),
    *as_often(0),
    *as_often(2),
    fails(
        "403 to the end of an upload that failed",
        75,
        "cannot write",
        *DOWN,
        about=OUT,
        uploads=("out.json",),
        faults=(answer(part()), answer("DELETE out.json", 403)),
    ),
    fails(
        "503 to the end of all uploads that failed",
        75,
        "cannot write",
        *DOWN,
        about=OUT,
        seconds=9,
        locks=3,
        faults=(answer(part()), answer("DELETE uploadId")),
        uploads=ALL,
    ),
    fails(
        "the server is gone after the parts",
        75,
        "cannot publish",
        about=OUT,
        changed=LOG,
        seconds=15,
        locks=2,
        uploads=("out.json", "out.rejects.ldjson"),
        faults=(GOES, answer(complete())),
    ),
    fails(
        "503 to the report's beginning",
        75,
        "cannot write",
        *DOWN,
        about=REPORT,
        arguments=WITH_REPORT,
        faults=(answer(begin(REPORT)),),
        **EARLY,
    ),
    fails(
        "503 to the report's part",
        75,
        AFTER_ALL,
        *DOWN,
        about=REPORT,
        arguments=WITH_REPORT,
        changed=PUBLISHED,
        faults=(answer(part(REPORT)),),
    ),
    fails(
        "503 to the report's completion",
        75,
        AFTER_ALL,
        *DOWN,
        about=REPORT,
        arguments=WITH_REPORT,
        changed=PUBLISHED,
        faults=(answer(complete(REPORT)),),
    ),
]


@table(UPLOADS, FAST)
def test_an_error_while_outputs_are_uploaded(case: Case, s3: S3Place) -> None:
    """A server that refuses an upload leaves the earlier objects, and no upload that the run could end."""
    check(case, s3)
