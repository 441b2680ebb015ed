"""Connections that break, objects that change meanwhile, and bytes that change on the way."""

from __future__ import annotations

from typing import Any

from case import EARLY, LOG, PUBLISHED, Case, check, table
from helpers.records import LARGE, MIDDLE, THREE
from s3_place import (
    CUT,
    FAST,
    LOGGED,
    OUT,
    Meanwhile,
    S3Place,
    begin,
    complete,
    cut,
    cut_response,
    damage,
    damage_response,
    fails,
    key_of,
    lose,
    part,
    succeeds,
)

AGAIN = ("Check the connection, and run again",)
CUTS = (CUT, cut_response("GET in.json"))
UNTOLD = ("cannot publish", "it is not known whether it was published")
LOST = (lose(complete()), lose("HEAD out.json"))
KEYS = {"output": OUT, "log": LOGGED}


def completions(retries: str) -> list[Case]:
    """Build the cases in which the server completes an upload and the run does not hear of it."""
    given: dict[str, Any] = {"arguments": ("--retries", retries)}
    return [
        succeeds(f"cut before the answer to the completion, {retries} retries", lose(complete()), **given),
        succeeds(f"cut in the answer to the completion, {retries} retries", cut_response(complete(), 40), **given),
        succeeds(f"cut before the answer to the log's completion, {retries} retries", lose(complete(LOGGED)), **given),
        fails(
            f"nobody knows what became of the completion, {retries} retries",
            74,
            *UNTOLD,
            about=OUT,
            faults=LOST,
            changed=PUBLISHED,
            **given,
        ),
    ]


BROKEN = [
    fails(
        "cut in the middle of the input, each time",
        74,
        "cannot read",
        "from byte [1-9]",
        *AGAIN,
        input=LARGE,
        faults=CUTS,
    ),
    fails(
        "cut in the middle of the input, not tried again",
        74,
        "cannot read",
        "from byte [1-9]",
        *AGAIN,
        input=LARGE,
        faults=(CUT,),
        arguments=("--retries", "0"),
        requests={"GET in.json": 1},
    ),
    fails(
        "cut in the middle of the input, to a file",
        74,
        "cannot read",
        *AGAIN,
        output_file="local_out.json",
        input=LARGE,
        faults=CUTS,
    ),
    fails("cut before the headers of HEAD", 74, "cannot read", *AGAIN, faults=(lose("HEAD in.json"),), **EARLY),
    fails("cut before the headers of GET", 74, "cannot read", *AGAIN, faults=(lose("GET in.json"),)),
    *(
        fails(f"cut of a part of {role}", 74, "cannot write", *AGAIN, about=uri, faults=(cut(part(uri), 5),))
        for role, uri in KEYS.items()
    ),
    *(
        fails(
            f"cut of the answer to a part of {role}", 74, "cannot write", *AGAIN, about=uri, faults=(lose(part(uri)),)
        )
        for role, uri in KEYS.items()
    ),
    *(
        fails(
            f"cut of the answer to the beginning of {role}",
            74,
            "cannot write",
            *AGAIN,
            about=uri,
            faults=(lose(begin(uri)),),
            uploads=(key_of(uri),),
            **EARLY,
        )
        for role, uri in KEYS.items()
    ),
    fails("cut of a large part", 74, "cannot write", *AGAIN, about=OUT, faults=(cut(part(), 500_000),), input=LARGE),
    fails("cut of the completion", 74, "cannot publish", *AGAIN, about=OUT, changed=LOG, faults=(cut(complete(), 10),)),
    fails(
        "cut of the log's completion", 74, "cannot publish", *AGAIN, about=LOGGED, faults=(cut(complete(LOGGED), 10),)
    ),
    *completions("0"),
    *completions("1"),
]


@table(BROKEN, FAST)
def test_connections_that_break(case: Case, s3: S3Place) -> None:
    """A connection that breaks time and again ends a run, but for one whose upload the server has completed."""
    check(case, s3)


CHANGED = "was changed while it was read"
WAIT = "Run again once nothing writes to it"
ACTIONS: dict[str, Any] = {
    "deleted": lambda bucket, _: bucket.remove("in.json"),
    "replaced": lambda bucket, _: bucket.put("in.json", LARGE.replace(b"1.0", b"2.0")),
    "shortened": lambda bucket, _: bucket.put("in.json", THREE),
    "emptied": lambda bucket, _: bucket.put("in.json", b""),
    "made longer": lambda bucket, _: bucket.put("in.json", LARGE * 2),
}
BEFORE = Meanwhile("GET in.json", ACTIONS["replaced"])

CHANGES = [
    *(
        fails(
            f"input {change} after a cut",
            75,
            CHANGED,
            WAIT,
            input=LARGE,
            faults=(Meanwhile("GET in.json", action, skip=1), CUT),
        )
        for change, action in ACTIONS.items()
    ),
    *(
        fails(
            f"input {change} after it was read",
            75,
            CHANGED,
            WAIT,
            input=LARGE,
            faults=(Meanwhile("HEAD in.json", action, skip=1),),
        )
        for change, action in ACTIONS.items()
    ),
    fails("input replaced before it is opened", 75, CHANGED, input=LARGE, faults=(BEFORE,)),
]


@table(CHANGES, FAST)
def test_an_input_that_changes(case: Case, s3: S3Place) -> None:
    """A run whose input changes while it is read publishes nothing and exits with 75."""
    check(case, s3)


DIFFERS = ("cannot read", "its MD5 differs", "check the network")
TOLD = ("BadDigest|XAmzContentSHA256Mismatch", "Check")
DIGESTS = "needs digests of parts, which an imitation of S3 does not check"
AFTER_CUT = damage_response("GET in.json", 50_000, times=1)

DAMAGE = [
    fails("a digit is damaged", 74, *DIFFERS, faults=(damage_response("GET in.json", 5),)),
    fails("a brace is damaged", 74, *DIFFERS, faults=(damage_response("GET in.json"),)),
    fails("the last byte is damaged", 74, *DIFFERS, faults=(damage_response("GET in.json", len(THREE) - 1),)),
    fails("the middle is damaged", 74, *DIFFERS, input=LARGE, faults=(damage_response("GET in.json", MIDDLE),)),
    fails("damaged after a cut", 74, *DIFFERS, input=LARGE, faults=(CUT, AFTER_CUT)),
    *(
        fails(
            f"a part of {role} is damaged each time",
            74,
            "cannot write",
            *TOLD,
            about=uri,
            needs_minio=DIGESTS,
            faults=(damage(part(uri), 5),),
            requests={part(uri): 2},
        )
        for role, uri in KEYS.items()
    ),
    fails(
        "the completion is damaged",
        74,
        "cannot publish",
        about=OUT,
        needs_minio=DIGESTS,
        changed=LOG,
        faults=(damage(complete(), 100),),
    ),
]


@table(DAMAGE, FAST)
def test_bytes_that_change_on_the_way(case: Case, s3: S3Place) -> None:
    """A byte that changes on its way never becomes a record or a part of an output."""
    check(case, s3)
