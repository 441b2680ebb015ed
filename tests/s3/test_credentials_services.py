"""Services and programs that give credentials: what passes is 75, what is set wrongly is 78, nothing is a bug."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import model_etl.compat  # noqa: F401  before anything of fs

import pytest
from helpers.command import Etl
from helpers.credentials import NO_FILES, ask


class _Service(BaseHTTPRequestHandler):
    """Answers /STATUS/... with that status, and /200/BODY with a body that is no credentials."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        _, status, *rest = self.path.split("/")
        body = {"list": b"[]", "text": b"<html>"}.get(rest[0] if rest else "", b"{}")
        self.send_response(int(status))
        if status == "307":
            self.send_header("Location", self.path)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_PUT = do_HEAD = do_POST = do_GET  # noqa: N815


@pytest.fixture
def service() -> Iterator[str]:
    """Return the URL of a service."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


REFUSED = "http://127.0.0.1:1"
INSTANCE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
CONTAINER = "AWS_CONTAINER_CREDENTIALS_FULL_URI"


@pytest.mark.parametrize(
    ("variable", "url", "code"),
    [
        (CONTAINER, "{service}/500/", 75),
        (CONTAINER, "{service}/503/", 75),
        (CONTAINER, "{service}/429/", 75),
        (CONTAINER, "{service}/200/", 75),
        (CONTAINER, "{service}/200/list", 75),
        (CONTAINER, "{service}/200/text", 75),
        (CONTAINER, REFUSED, 75),
        (CONTAINER, "{service}/403/", 78),
        (CONTAINER, "{service}/404/", 78),
        (CONTAINER, "http://example.invalid/", 78),
        (INSTANCE, "{service}/500", 75),
        (INSTANCE, "{service}/503", 75),
        (INSTANCE, REFUSED, 75),
        (INSTANCE, "{service}/404", 78),
        (INSTANCE, "{service}/403", 78),
    ],
)
def test_a_service_that_gives_no_credentials(etl: Etl, service: str, variable: str, url: str, code: int) -> None:
    """A service that is down for a moment is tried again; one that refuses is set wrongly."""
    disabled = "false" if variable == INSTANCE else "true"
    env = {**NO_FILES, "AWS_EC2_METADATA_DISABLED": disabled, variable: url.format(service=service)}
    done = ask(etl, {**env, "AWS_ENDPOINT_URL_S3": REFUSED})
    assert done.code == code, done.err
    assert ("Traceback" in done.err, "bug" in done.err) == (False, False)


GOOD = json.dumps({"Version": 1, "AccessKeyId": "K", "SecretAccessKey": "S"})


@pytest.mark.parametrize(
    ("process", "code"),
    [
        ("false", 75),
        ("sh -c 'echo the vault is sealed >&2; exit 3'", 75),
        ("no-such-program", 78),
        ("/", 78),
        ("echo []", 78),
        ("echo null", 78),
        ("echo 7", 78),
        ("echo text", 78),
        ("true", 78),
        ("echo {}", 78),
        ("""echo '{"Version": 2}'""", 78),
        ("""echo '{"Version": 1, "AccessKeyId": "K"}'""", 78),
        (r"""printf '\377'""", 78),
        ("sh -c 'unclosed", 78),
        (f"echo '{GOOD}'", 75),  # of the server, which is down
    ],
)
def test_a_program_that_gives_no_credentials(etl: Etl, process: str, code: int) -> None:
    """A program that fails is tried again; one that is not there, or prints something else, is set wrongly."""
    config = etl.write("aws", f"[default]\ncredential_process = {process}\n")
    env = {**NO_FILES, "AWS_CONFIG_FILE": str(config), "AWS_EC2_METADATA_DISABLED": "true"}
    done = ask(etl, {**env, "AWS_ENDPOINT_URL_S3": REFUSED})
    assert done.code == code, done.err
    assert ("Traceback" in done.err, "bug" in done.err) == (False, False)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("value", ["\udcff", "é", "a\nb"])
def test_keys_that_cannot_be_sent(etl: Etl, service: str, name: str, value: str) -> None:
    """Keys that are not UTF-8, or not ASCII, are wrong settings or refused; they are no bug."""
    keys = {"AWS_ACCESS_KEY_ID": "K", "AWS_SECRET_ACCESS_KEY": "S", **NO_FILES, name: value}
    done = ask(etl, {**keys, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL_S3": f"{service}/403"})
    assert done.code in (77, 78), done.err
    assert ("Traceback" in done.err, "bug" in done.err) == (False, False)


def test_a_server_that_redirects_every_request(etl: Etl, service: str) -> None:
    """A redirect without a region ends after a few requests, and names the endpoint."""
    keys = {"AWS_ACCESS_KEY_ID": "K", "AWS_SECRET_ACCESS_KEY": "S", **NO_FILES}
    done = ask(etl, {**keys, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL_S3": f"{service}/307"})
    assert done.code in (74, 78), done.err
    assert ("Traceback" in done.err, "bug" in done.err) == (False, False)
