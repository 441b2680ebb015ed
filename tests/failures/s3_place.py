"""A bucket behind a proxy in which the cases of S3 failures run, and what can happen to requests there."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from case import Builder, Case
from helpers.command import Etl, minding_modes
from helpers.proxy import SLOW_DOWN, Fault, Proxy, Request
from helpers.records import MIDDLE, THREE
from helpers.s3_fixtures import Bucket
from helpers.snapshots import snapshot
from typing_extensions import Self

IN, OUT, LOGGED, REJECTS, REPORT = (
    f"s3://BUCKET/{key}" for key in ("in.json", "out.json", "out.log.ldjson", "out.rejects.ldjson", "report.json")
)
LOCAL: dict[str, Any] = {"input_file": "local.json", "about": OUT}
"""Only the output is in the bucket."""
LOCAL_BOTH: dict[str, Any] = {"input_file": "local.json", "output_file": "local_out.json"}
INTO_FOLDER: dict[str, Any] = {"output_file": "s3://BUCKET/new/"}
PATTERN: dict[str, Any] = {"input_file": "s3://BUCKET/*.json", "about": "s3://BUCKET/", **INTO_FOLDER}
HASTE = ("--read_timeout", "1", "--retries", "1")
KEYS = {"output": OUT, "log": LOGGED, "rejects": REJECTS, "report": REPORT}
"""The objects of a run by their roles."""
SECRETS = ("hidden-word", "not-the-secret", "not-a-token")
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
"""The cases that run before all slow tests."""

_cases = Builder(
    model="failing_models:GoodBatch",
    input_file=IN,
    output_file=OUT,
    arguments=("--retries", "1"),
    about=IN,
    seconds=12,
)
fails, succeeds = _cases.fails, _cases.succeeds


def key_of(uri: str) -> str:
    """Return the last part of an object's key."""
    return uri.rpartition("/")[2]


def begin(uri: str = OUT) -> str:
    """Return what matches the request that begins an upload."""
    return f"POST {key_of(uri)} ?uploads"


def part(uri: str = OUT) -> str:
    """Return what matches the request that sends a part."""
    return f"PUT {key_of(uri)} partNumber"


def complete(uri: str = OUT) -> str:
    """Return what matches the request that completes an upload."""
    return f"POST {key_of(uri)} uploadId"


def answer(match: str, status: int = 503, content: bytes = SLOW_DOWN, **how: Any) -> Fault:
    """Answer a request in the server's place."""
    return Fault("answer", match, status=status, content=content, **how)


def error(code: str, more: str = "") -> bytes:
    """Return the document in which S3 names an error."""
    return f"<Error><Code>{code}</Code><Message>Refused by the test.</Message>{more}</Error>".encode()


def hang(match: str) -> Fault:
    """Never answer a request, which the server has seen."""
    return Fault("delay response", match)


def lose(match: str, **how: Any) -> Fault:
    """End the connection in place of the answer to a request, which the server has seen."""
    return Fault("lose response", match, **how)


def cut(match: str, offset: int, **how: Any) -> Fault:
    """End the connection in the middle of a request's body."""
    return Fault("cut request", match, at=offset, **how)


def cut_response(match: str, offset: int = 0, **how: Any) -> Fault:
    """End the connection in the middle of a response's body."""
    return Fault("cut response", match, at=offset, **how)


def damage(match: str, offset: int, **how: Any) -> Fault:
    """Flip a bit of a request's body."""
    return Fault("corrupt request", match, at=offset, **how)


def damage_response(match: str, offset: int = 0, **how: Any) -> Fault:
    """Flip a bit of a response's body."""
    return Fault("corrupt response", match, at=offset, **how)


PAGE = b"<html><body><p>Log in to the network first<br></p></body></html>"  # not XML
TIDY_PAGE = b"<html><body><p>Log in to the network first</p></body></html>"  # XML of another kind
CUT = cut_response("GET in.json", MIDDLE, times=1)
STALL = Fault("stall response", "GET in.json", at=MIDDLE, times=1)


class Meanwhile(Fault):
    """An action of another client while a request is on its way to the server; the request may have a fault too."""

    def __init__(self, match: str, action: Callable[[Bucket, Proxy], object], skip: int = 0) -> None:
        super().__init__("none", match, skip=skip, times=1)
        self.action = action
        self.place: S3Place | None = None

    def takes(self, request: Request) -> bool:
        """Act if the request matches; take no request."""
        if super().takes(request):
            assert self.place is not None
            self.action(self.place.bucket, self.place.proxy)
            self.hits += 1
        return False


@contextlib.contextmanager
def _silent() -> Iterator[str]:
    """Yield the URL of a server that does not even accept connections."""
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


def unfinished_uploads(bucket: Bucket, *more: str) -> list[str]:
    """Return the keys of outputs that have an unfinished upload; the server lists them by exact key only."""
    known = {"new/1.json", "new/2.json", "out.json", "out.log.ldjson", "out.rejects.ldjson", "report.json"}
    known |= {"new/in.json"}
    known |= {name.removeprefix("s3://BUCKET/") for name in more if name.startswith("s3://BUCKET/") and len(name) < 99}
    known.discard("../out.json")  # the server does not even look for it
    return [key for key in sorted(known) if not key.endswith("/") and bucket.uploads(key)]


def objects(bucket: Bucket) -> dict[str, bytes]:
    """Return all objects."""
    return {key: bucket.get(key) for key in sorted(bucket.keys())}


def check_whole(bucket: Bucket, content: bytes, *, join: bool = False) -> None:
    """Check that output and log hold every record of the input."""
    made = [json.loads(line) for line in bucket.get("out.json").splitlines()]
    given = [json.loads(line) for line in content.splitlines()]
    assert made == [{**(record if join else {}), "y": record["x"]} for record in given]
    assert join or bucket.get("out.log.ldjson").count(b"\n") == len(given) + 1


class S3Place(contextlib.ExitStack):
    """A bucket and a proxy before it, and a local folder with an input, earlier outputs and a TMPDIR."""

    def __init__(self, etl: Etl, bucket: Bucket, request: pytest.FixtureRequest) -> None:
        super().__init__()
        self._etl = etl
        self._fixture = request.getfixturevalue
        self.folder = etl.folder
        self.bucket = bucket
        self.proxy: Proxy
        self.url = ""
        self._certificate = Path()
        self._secret = ""
        self._input_may_change = False

    def __enter__(self) -> Self:
        return self

    def expand(self, text: str) -> str:
        """Return the text with the names of the bucket and the certificate in it."""
        return text.replace("BUCKET", self.bucket.name).replace("CERTIFICATE", str(self._certificate))

    def prepare(self, case: Case) -> None:
        """Write files and objects, and make the endpoint with its faults."""
        if case.needs_minio and self.bucket.server.kind == "moto":
            pytest.skip(case.needs_minio)
        tmp = self.folder / "tmp"
        tmp.mkdir()
        local = {"local_out.json": b"earlier\n", "local_out.log.ldjson": b"earlier log\n"}
        for name, content in {"local.json": THREE, **local}.items():
            self._etl.write(name, content)
        for key, content in case.earlier.items():
            self.bucket.put(key, content)
        if case.input is not None:
            self.bucket.put("in.json", case.input)
        self._make_endpoint(case.endpoint)
        self._faults = [self._declare(fault) for fault in case.faults]
        self._input_may_change = any(isinstance(fault, Meanwhile) for fault in case.faults)
        if case.set_up:
            case.set_up(tmp)

    def _declare(self, fault: Fault) -> Fault:
        """Add a case's fault to the proxy: a copy, but for actions, which go before the faults."""
        if not isinstance(fault, Meanwhile):
            return self.proxy.fault(**vars(fault))
        copy = Meanwhile(fault.match, fault.action, fault.skip)
        copy.place = self
        self.proxy._faults.insert(0, copy)
        return copy

    def _make_endpoint(self, endpoint: str) -> None:
        self._certificate = self._fixture("certificate") if "tls" in endpoint else Path()
        self.proxy = self._fixture("tls_proxy" if "tls" in endpoint else "proxy")
        server = self.bucket.server.endpoint
        self.url = self.proxy.endpoint
        if endpoint == "refused":
            self.proxy.refuse()
        elif endpoint == "resets once":
            context: Any = _ResetOnce(self.proxy)
            self.proxy._tls = context
        elif endpoint == "unresolved":
            self.url = "http://minio.invalid:9000"
        elif endpoint == "silent":
            self.url = self.enter_context(_silent())
        elif endpoint == "https to plain":
            if server.startswith("https"):
                pytest.skip("the server has TLS")
            self.url = server.replace("http://", "https://")
        elif endpoint == "http to tls":
            self.url = self.url.replace("https://", "http://")
        elif endpoint == "tls of another name":
            self.url = self.url.replace("127.0.0.1", "127.1")
        else:
            assert endpoint in {"proxy", "tls"}, endpoint

    def command(self, case: Case) -> list[str]:
        """Return the command, with a report if the case names none."""
        named = ("--model", case.model, "--input_file", case.input_file, "--output_file", case.output_file)
        report = () if "--report" in case.arguments or case.verb == "check" else ("--report", "report.json")
        arguments = [self.expand(text) for text in (*named, *report, *case.arguments)]
        command = self._etl.command(case.verb, *arguments)
        if case.shell:
            command = ["bash", "-c", case.shell, "bash", *command]
        return minding_modes(command) if case.mode_matters else command

    def environment(self, case: Case) -> dict[str, str]:
        """Return the environment, with the keys of a user who may not do what the case denies."""
        env = self.bucket.env_through(self.proxy) | {"AWS_ENDPOINT_URL_S3": self.url, "TMPDIR": f"{self.folder}/tmp"}
        env |= {"NO_PROXY": "*", "no_proxy": "*", "PYTHONDONTWRITEBYTECODE": "1"}
        if case.denied:
            key, secret = self.bucket.user(_policy(self.bucket.name, case.denied))
            env |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        env |= {name: self.expand(text) for name, text in case.env.items()}
        self._secret = env["AWS_SECRET_ACCESS_KEY"]
        return {name: text for name, text in self._etl.environment(**env).items() if text or name not in case.env}

    def snapshot(self) -> dict[str, object]:
        """Return the objects, and the local files by "./" and their names, but for locks and the report."""
        files = {f"./{name}": content for name, content in snapshot(self.folder).items() if content != "folder"}
        kept = {name: text for name, text in files.items() if not name.endswith(".lock") and name != "./report.json"}
        ours: dict[str, object] = {**objects(self.bucket)}
        if self._input_may_change:
            ours.pop("in.json", None)
        return ours | kept

    def check_files(self, case: Case) -> None:
        """Check that each fault struck, and how many uploads, locks and requests there are."""
        assert all(fault.hits for fault in self._faults), "a fault did not strike"
        assert set(unfinished_uploads(self.bucket, case.output_file)) <= set(case.uploads)
        assert len([name for name in snapshot(self.folder) if name.endswith(".lock")]) == case.locks
        assert {match: self.proxy.count(match) for match in case.requests} == case.requests
        if not case.code:
            check_whole(self.bucket, case.input or b"", join="--join" in case.arguments)

    def check_message(self, case: Case, err: str) -> None:
        """Check that a success is silent; that a message names object, server and no secret, and is in the report."""
        if not case.code:
            assert err == ""
            return
        assert not [word for word in (*SECRETS, self._secret) if word and word in err]
        warned = case.warned or case.endpoint == "unresolved"  # of plain http to another host
        assert err.startswith("model-etl: warning: " if warned else "model-etl: error: ")
        _, _, told = err.partition("model-etl: error: ")
        assert "None" not in told
        message = told.rpartition("\n  ")[0]
        if case.about:
            about = self.expand(case.about)
            assert re.search(rf"{re.escape(about)}[ ,:]", message), f"{about} is not in: {message}"
            assert self.url in message, f"{self.url} is not in: {message}"
        if "--report" in case.arguments or case.verb == "check" or case.code == 2 or "ulimit -f 0" in case.shell:
            return
        report = json.loads((self.folder / "report.json").read_bytes())
        status = "published" if "cannot remove" in case.says else "failed"  # earlier rejects are removed last
        assert (report["status"], report["exit_code"], report["error"]["message"]) == (status, case.code, message)


def _policy(bucket: str, denied: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return the policy of a user who may do everything with a bucket but for pairs of an action and a key."""
    names = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": ["s3:*"], "Resource": names}]
    for action, key in denied:
        resource = f"{names[0]}/{key}" if key else names[0]
        statements.append({"Effect": "Deny", "Action": [action], "Resource": [resource]})
    return {"Version": "2012-10-17", "Statement": statements}
