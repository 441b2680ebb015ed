"""A server that says with which credentials it was asked, and secrets to look for."""

from __future__ import annotations

import json
import re
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import model_etl.compat  # noqa: F401  before anything of fs

from helpers.command import Etl, Result
from helpers.s3_fixtures import NOWHERE

INPUT = b'{"x":1}\n{"x":2}\n'
MODEL = ("--model", "failing_models:Good")
EMPTY = b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
MISSING = b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
SECRET = f"SECRET{secrets.token_hex(16)}"
TOKEN = f"TOKEN{secrets.token_hex(16)}"


class Recorder(ThreadingHTTPServer):
    """Stands in for an S3 server without any object, and for the metadata service of an instance."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[tuple[str, str, str | None, str]] = []  # access key, region, session token, path
        self.metadata: list[str] = []

    @property
    def keys(self) -> set[str]:
        """Name the access keys that requests were signed with."""
        return {key for key, *_ in self.asked}


class _Handler(BaseHTTPRequestHandler):
    server: Recorder
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, content: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _s3(self) -> None:
        found = re.search(r"Credential=([^/]*)/\d+/([^/]*)/s3/", self.headers.get("Authorization", ""))
        signed = (found[1], found[2]) if found else ("", "")
        self.server.asked.append((*signed, self.headers.get("X-Amz-Security-Token"), self.path))
        if "list-type" in self.path:
            self._answer(EMPTY)
        else:
            self._answer(MISSING, 404)

    def do_PUT(self) -> None:
        if self.path != "/latest/api/token":
            return self._s3()
        self.server.metadata.append(f"PUT {self.path}")
        return self._answer(b"metadata-token")

    def do_GET(self) -> None:
        if not self.path.startswith("/latest/meta-data/iam/security-credentials/"):
            return self._s3()
        self.server.metadata.append(f"GET {self.path}")
        if self.headers.get("x-aws-ec2-metadata-token") != "metadata-token":
            return self._answer(b"", 401)
        if self.path.endswith("/"):
            return self._answer(b"role")
        keys = {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z"}
        keys |= {"AccessKeyId": "ROLE", "SecretAccessKey": SECRET, "Token": TOKEN, "Expiration": "2099-01-01T00:00:00Z"}
        return self._answer(json.dumps(keys).encode())

    def do_HEAD(self) -> None:
        self._s3()

    do_POST = do_DELETE = do_HEAD  # noqa: N815


def ask(etl: Etl, env: dict[str, str], *flags: str) -> Result:
    """Ask for an object; the recorder has none, a real server has in.json."""
    files = ("-i", "s3://data/in.json", "-o", "out.json")
    return etl("run", *MODEL, *files, *flags, "--retries", "0", env=env)


FLAGS = ("--key", "FLAGS", "--secret_key", SECRET)
VARIABLES = {"AWS_ACCESS_KEY_ID": "VARIABLES", "AWS_SECRET_ACCESS_KEY": SECRET}
ROLE = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{recorder}"}
NO_FILES = {"AWS_SHARED_CREDENTIALS_FILE": NOWHERE, "AWS_CONFIG_FILE": NOWHERE}
