"""Which keys and which server a run uses, and that no secret is ever shown or kept."""

from __future__ import annotations

import json
import os
import pty
import re
import secrets
import subprocess
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import model_etl.compat  # noqa: F401  before anything of fs

import pytest
from fs.errors import FSError
from helpers.command import Etl, Result
from helpers.s3_fixtures import NOWHERE, Bucket

from model_etl import s3_etl_job
from model_etl.errors import ModelEtlError
from model_etl.services.s3.access import Access
from model_etl.services.s3.location import locate
from model_etl.settings.job_config import JobConfig

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


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Give a server that says which keys it was asked with."""
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def aws(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give an environment with two profiles of which none is chosen, and nothing else of AWS."""
    folder = tmp_path_factory.mktemp("aws")
    (folder / "credentials").write_text(
        "[default]\naws_access_key_id=DEFAULT\naws_secret_access_key=wrong\n"
        f"[scoring]\naws_access_key_id=PROFILE\naws_secret_access_key={SECRET}\n"
        f"[temporary]\naws_access_key_id=TEMPORARY\naws_secret_access_key={SECRET}\naws_session_token={TOKEN}\n"
        "[half]\naws_access_key_id=HALF\n"
    )
    (folder / "config").write_text("[profile north]\nregion=eu-north-1\n[profile scoring]\nregion=us-west-2\n")
    (folder / "temporary").mkdir()
    return {
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "TMPDIR": str(folder / "temporary"),
    }


def ask(etl: Etl, env: dict[str, str], *flags: str) -> Result:
    """Ask for an object; the recorder has none, a real server has in.json."""
    files = ("-i", "s3://data/in.json", "-o", "out.json")
    return etl("run", *MODEL, *files, *flags, "--retries", "0", env=env)


FLAGS = ("--key", "FLAGS", "--secret_key", SECRET)
VARIABLES = {"AWS_ACCESS_KEY_ID": "VARIABLES", "AWS_SECRET_ACCESS_KEY": SECRET}
ROLE = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{recorder}"}
NO_FILES = {"AWS_SHARED_CREDENTIALS_FILE": NOWHERE, "AWS_CONFIG_FILE": NOWHERE}


@pytest.mark.parametrize(
    ("flags", "env", "expected"),
    [
        (FLAGS, VARIABLES | {"AWS_SESSION_TOKEN": "wrong", "AWS_PROFILE": "scoring"} | ROLE, ("FLAGS", None)),
        (FLAGS, {"AWS_PROFILE": "temporary"}, ("FLAGS", None)),
        (FLAGS, {"MODEL_ETL_KEY": "wrong", "MODEL_ETL_SECRET_KEY": "wrong"}, ("FLAGS", None)),
        (("--key=", "--secret_key="), VARIABLES, ("VARIABLES", None)),
        ((), {"MODEL_ETL_KEY": "OPTIONS", "MODEL_ETL_SECRET_KEY": SECRET} | VARIABLES, ("OPTIONS", None)),
        ((), VARIABLES | {"AWS_PROFILE": "scoring"} | ROLE, ("VARIABLES", None)),
        ((), VARIABLES | {"AWS_PROFILE": "temporary", "AWS_SESSION_TOKEN": TOKEN}, ("VARIABLES", TOKEN)),
        ((), {"AWS_PROFILE": "scoring"} | ROLE, ("PROFILE", None)),
        ((), {"AWS_PROFILE": "temporary"} | ROLE, ("TEMPORARY", TOKEN)),
        ((), ROLE, ("DEFAULT", None)),
        ((), ROLE | NO_FILES, ("ROLE", TOKEN)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) and len(value) == 2 and not value[0].startswith("-") else "",
)
def test_the_order_of_credentials(
    etl: Etl, recorder: Recorder, aws: dict[str, str], flags: Any, env: dict[str, str], expected: Any
) -> None:
    """Flags, variables, the profile, the instance's role: the first that is there is used, whatever the others say."""
    env = {name: value.format(recorder=recorder.url) for name, value in env.items()}
    done = ask(etl, aws | env, *flags, "--endpoint_url", recorder.url)
    assert (done.code, "there is no such object" in done.err) == (66, True), done.err
    assert {(key, token) for key, _, token, _ in recorder.asked} == {expected}
    assert (recorder.metadata != []) == (expected[0] == "ROLE")
    assert SECRET not in done.err
    assert TOKEN not in done.err


RIGHT, WRONG = "{recorder}", "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("flags", "env", "config"),
    [
        (
            ("--endpoint_url", RIGHT),
            {"AWS_ENDPOINT_URL_S3": WRONG, "AWS_ENDPOINT_URL": WRONG, "MODEL_ETL_ENDPOINT_URL": WRONG},
            WRONG,
        ),
        ((), {"MODEL_ETL_ENDPOINT_URL": RIGHT, "AWS_ENDPOINT_URL_S3": WRONG}, WRONG),
        ((), {"AWS_ENDPOINT_URL_S3": RIGHT, "AWS_ENDPOINT_URL": WRONG}, WRONG),
        (("--endpoint_url=",), {"AWS_ENDPOINT_URL_S3": RIGHT}, WRONG),
        ((), {"AWS_ENDPOINT_URL": RIGHT}, WRONG),
        ((), {}, RIGHT),
    ],
    ids=["flag", "option", "AWS_ENDPOINT_URL_S3", "empty flag", "AWS_ENDPOINT_URL", "profile"],
)
def test_the_order_of_endpoints(
    etl: Etl, recorder: Recorder, aws: dict[str, str], flags: Any, env: dict[str, str], config: str
) -> None:
    """The flag, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile: the first that is there is asked."""
    with open(aws["AWS_CONFIG_FILE"], "w") as file:
        file.write(f"[profile scoring]\nendpoint_url={config.format(recorder=recorder.url)}\n")
    env = {name: value.format(recorder=recorder.url) for name, value in env.items()}
    flags = [flag.format(recorder=recorder.url) for flag in flags]
    done = ask(etl, aws | env | {"AWS_PROFILE": "scoring"}, *flags)
    assert (done.code, f"at {recorder.url}" in done.err) == (66, True), done.err
    assert {(key, path.partition("?")[0]) for key, _, _, path in recorder.asked} == {
        ("PROFILE", "/data/in.json"),
        ("PROFILE", "/data"),  # is it a folder?
    }


@pytest.mark.parametrize(
    ("env", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_REGION": "eu-west-3"}, "eu-west-3"),
        ({"AWS_DEFAULT_REGION": "eu-west-3"}, "eu-west-3"),
        ({"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "us-west-1"}, "eu-west-3"),
        ({"AWS_PROFILE": "scoring"}, "us-west-2"),
        ({"AWS_PROFILE": "scoring", "AWS_REGION": "eu-west-3"}, "eu-west-3"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, dict) else "",
)
def test_the_region(etl: Etl, recorder: Recorder, aws: dict[str, str], env: dict[str, str], region: str) -> None:
    """AWS_REGION means what it does for other programs: requests are signed for it."""
    done = ask(etl, aws | env, "--endpoint_url", recorder.url)
    assert done.code == 66
    assert {asked[1] for asked in recorder.asked} == {region}


@pytest.mark.parametrize(
    ("flags", "env", "code", "words"),
    [
        (("--key", "K"), {}, 2, ["--key", "--secret_key"]),
        (("--secret_key", SECRET), {}, 2, ["--key", "--secret_key"]),
        (("--key", "", "--secret_key", SECRET), VARIABLES, 2, ["--key", "--secret_key"]),
        ((), {"MODEL_ETL_KEY": "K"}, 2, ["--key", "--secret_key"]),
        ((), {"AWS_PROFILE": "nobody"}, 78, ["nobody", "AWS_"]),
        ((), {"AWS_PROFILE": "half"}, 78, ["aws_secret_access_key", "AWS_"]),
        ((), NO_FILES, 78, ["there are no credentials", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "--key"]),
        ((), {"AWS_ACCESS_KEY_ID": "K"} | NO_FILES, 78, ["AWS_SECRET_ACCESS_KEY"]),
        ((), {"AWS_CONFIG_FILE": "{here}/broken"}, 78, ["broken"]),
        ((), {"AWS_REGION": "no region!", "AWS_DEFAULT_REGION": "no region!"}, 78, ["no region!"]),
        ((), {"AWS_MAX_ATTEMPTS": "many"}, None, []),
        (
            (),
            {"AWS_CA_BUNDLE": "{here}/none.pem", "AWS_ENDPOINT_URL_S3": "https://{recorder}"},
            None,
            ["AWS_CA_BUNDLE"],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, (dict, tuple)) and SECRET not in value else "",
)
def test_credentials_that_are_not_whole(
    etl: Etl,
    recorder: Recorder,
    aws: dict[str, str],
    flags: Any,
    env: dict[str, str],
    code: int | None,
    words: list[str],
) -> None:
    """Half a pair of keys is a mistake of the command line (2), what is missing around it one of the settings (78)."""
    etl.write("broken", "aws_access_key_id\n=[")
    env = {name: value.format(here=etl.folder, recorder=recorder.url[7:]) for name, value in env.items()}
    done = ask(etl, {"AWS_ENDPOINT_URL_S3": recorder.url} | aws | env, *flags)
    assert done.code == code or (code is None and done.code not in (0, 1)), done.err
    assert [word for word in words if word not in done.err] == []
    assert ("Traceback" in done.err, SECRET in done.err) == (False, False)
    assert etl.files() == {"broken"}


# The warning


@pytest.mark.parametrize(
    ("flags", "env", "warned"),
    [
        (("-k", "K", "-sk", SECRET), {}, "--key and --secret_key"),
        (("--key", "K"), {"MODEL_ETL_SECRET_KEY": SECRET}, "--key"),
        (("--secret_key", SECRET, "--quiet"), {"MODEL_ETL_KEY": "K"}, None),
        (("-k", "K", "-sk", SECRET, "-q"), {}, None),
        ((), {"MODEL_ETL_KEY": "K", "MODEL_ETL_SECRET_KEY": SECRET}, None),
        (("--config", "keys.toml"), {}, None),
        ((), VARIABLES, None),
        (("--key=", "--secret_key="), VARIABLES, None),
    ],
    ids=["both", "one", "quiet", "-q", "MODEL_ETL_", "file", "AWS_", "empty"],
)
def test_the_warning(
    etl: Etl, recorder: Recorder, aws: dict[str, str], flags: Any, env: dict[str, str], warned: str | None
) -> None:
    """Keys as flags are warned of, once, on standard error and unless --quiet; keys from elsewhere are not."""
    etl.write("keys.toml", f'key = "K"\nsecret_key = "{SECRET}"\n')
    done = ask(etl, aws | env, *flags, "--endpoint_url", recorder.url)
    found = re.findall(r"model-etl: warning: (.*) can be seen in the list of processes", done.err)
    assert found == ([warned] if warned else [])
    assert ("warning" in done.err, done.code, done.out) == (bool(warned), 66, b"")
    assert SECRET not in done.err


# No secret anywhere


def seen(etl: Etl, done: Result, *more: bytes) -> bytes:
    """Give all that a run has shown or left in its folder."""
    files = [path.read_bytes() for path in etl.folder.rglob("*") if path.is_file() and path.suffix != ".toml"]
    names = [str(path).encode() for path in etl.folder.rglob("*")]
    return b"\n".join([done.out, done.err.encode(), *files, *names, *more])


def hidden(text: bytes, *also: str) -> None:
    """See that no secret is in a text, nor its beginning or end."""
    for word in (SECRET, TOKEN, *also):
        for part in (word, word[:12], word[-12:]):
            assert part.encode() not in text


@pytest.mark.parametrize(
    "verb", ["run", "check", "rejects", "--verbose", "dry_run", "wrong secret", "no object", "model"]
)
def test_no_secret_of_a_real_run(etl: Etl, bucket: Bucket, tmp_path_factory: pytest.TempPathFactory, verb: str) -> None:
    """Neither what is printed, nor any file, object or lock holds the keys, whether the run succeeds or not."""
    if verb == "wrong secret" and bucket.server.kind != "minio":
        pytest.skip(f"needs a server that checks signatures, which {bucket.server.kind} does not")
    temporary = tmp_path_factory.mktemp("temporary")
    bucket.put("in.json", b'{"x":1}\n{"x":-1}\n{"x":2}\n')
    server = bucket.server
    secret = SECRET if verb == "wrong secret" else server.secret
    model = {"model": "failing_models:RaisesInInit", "rejects": "failing_models:Raises"}.get(verb, MODEL[1])
    name = "missing.json" if verb == "no object" else "in.json"
    flags = ["-b", bucket.name, "-i", name, "-o", "out.json", "-m", model, "--report", "file://report.json"]
    flags += ["--key", server.key, "--secret_key", secret, "--endpoint_url", server.endpoint, "--max_errors", "1"]
    flags += {"--verbose": ["-v"], "dry_run": ["--dry_run"]}.get(verb, [])
    env = {"AWS_CONFIG_FILE": NOWHERE, "AWS_SHARED_CREDENTIALS_FILE": NOWHERE, "TMPDIR": str(temporary)}
    done = etl(
        "check" if verb == "check" else "run", *flags, env=env | {"NO_PROXY": "127.0.0.1", "AWS_SESSION_TOKEN": TOKEN}
    )
    assert done.code == {"wrong secret": 77, "no object": 66, "model": 69}.get(verb, 0), done.err
    objects = [bucket.get(key) for key in bucket.keys()]  # noqa: SIM118  no dict
    told = [json.dumps(bucket.stat(key).__dict__).encode() for key in bucket.keys()]  # noqa: SIM118
    left = [path.read_bytes() for path in temporary.rglob("*") if path.is_file()]
    hidden(seen(etl, done, *objects, *told, *left), secret)
    if verb != "check":
        settings = json.loads((etl.folder / "report.json").read_bytes())["settings"]
        assert (settings["key"], settings["secret_key"], settings["endpoint_url"]) == ("***", "***", server.endpoint)
    if verb == "run":
        started = json.loads(bucket.get("out.log.ldjson").splitlines()[0])
        assert (started["data"]["settings"]["key"], started["data"]["settings"]["secret_key"]) == ("***", "***")


def test_no_secret_on_a_terminal(etl: Etl, bucket: Bucket) -> None:
    """The progress and the summary that a terminal gets hold no key."""
    bucket.put("in.json", b'{"x":1}\n' * 100)
    server = bucket.server
    ours, theirs = pty.openpty()
    command = etl.command(
        *("run", "-m", "failing_models:Slow", "-b", bucket.name, "-i", "in.json", "-o", "out.json"),
        *("--key", server.key, "--secret_key", server.secret, "--endpoint_url", server.endpoint),
    )
    env = etl.environment(NO_PROXY="127.0.0.1")
    run = subprocess.Popen(command, cwd=etl.folder, env=env, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        shown += block
    os.close(ours)
    out, _ = run.communicate(timeout=60)
    assert (run.returncode, out) == (0, b"")
    assert b"100 read" in shown
    assert b"warning" in shown
    hidden(shown, server.secret)


KEYS = (*FLAGS, "--endpoint_url", "{recorder}")
MISTAKES: dict[str, tuple[tuple[str, ...], int]] = {
    "--secretkey": (("--secretkey", SECRET), 2),
    "--secretkey=": ((f"--secretkey={SECRET}",), 2),
    "--secret-key": (("--secret-key", SECRET, "--key", "K"), 2),
    "--secret": (("--secret", SECRET), 2),
    "-secret_key": (("-secret_key", SECRET), 2),
    "-secret_key=": ((f"-secret_key={SECRET}",), 2),
    "-s": (("-s", SECRET), 2),
    "-sk without a blank": (("-k", "K", f"-sk{SECRET}"), 2),
    "-sk alone without a blank": ((f"-sk{SECRET}",), 2),
    "a dash too many": (("---secret_key", SECRET), 2),
    "an en dash": (("\u2013secret_key", SECRET), 2),
    "twice": (("--secret_key", "K", SECRET), 2),
    "a stray value": ((*KEYS, SECRET[::-1]), 2),
    "the other way round": (("--key", "K", "--secret_key"), 2),
    "another option's place": ((*KEYS, "--retries", "many"), 2),
    "password in the endpoint": (("--endpoint_url", f"http://user:{SECRET}@127.0.0.1:1"), 2),
    "password with a slash": (("--endpoint_url", f"http://user:a/{SECRET}@127.0.0.1:1"), 2),
    "password with an at": (("--endpoint_url", f"http://user:a@{SECRET}@127.0.0.1:1"), 2),
    "password with a blank": (("--endpoint_url", f"http://user:a {SECRET}@127.0.0.1:1"), 2),
    "password with a bracket": (("--endpoint_url", f"http://user:[{SECRET}@127.0.0.1:1"), 2),
    "password without a scheme": (("--endpoint_url", f"user:{SECRET}@127.0.0.1:1"), 2),
    "token in the endpoint": (("--endpoint_url", f"http://{SECRET}@127.0.0.1:1"), 2),
    "TOML number": (("--config", "number.toml"), 78),
    "TOML list": (("--config", "list.toml"), 78),
    "TOML table": (("--config", "table.toml"), 78),
    "TOML without quotes": (("--config", "bare.toml"), 78),
    "TOML misspelled": (("--config", "misspelled.toml"), 78),
    "TOML endpoint": (("--config", "endpoint.toml"), 2),
    "TOML endpoints": (("--config", "endpoints.toml"), 78),
    "no bucket": ((*KEYS, "-b", "", "-i", "in.json"), 2),
    "no such model": ((*KEYS, "-i", "in.json", "-m", "nobody:Nothing"), 69),
    "a broken model": ((*KEYS, "-i", "in.json", "-m", "failing_in_import:X"), 69),
}
FILES = {
    "in.json": "",
    "number.toml": f"secret_key = {int(SECRET[6:], 16)}\n",
    "list.toml": f'key = "K"\nsecret_key = ["{SECRET}"]\n',
    "table.toml": f'key = "K"\n[secret_key]\nvalue = "{SECRET}"\n',
    "bare.toml": f"key = K\nsecret_key = {SECRET}\n",
    "misspelled.toml": f'secretkey = "{SECRET}"\n',
    "endpoint.toml": f'endpoint_url = "http://user:a/{SECRET}@127.0.0.1:1"\n',
    "endpoints.toml": f'endpoint_url = ["http://user:{SECRET}@127.0.0.1:1"]\n',
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_no_secret_after_a_mistake(etl: Etl, recorder: Recorder, aws: dict[str, str], mistake: str) -> None:
    """However a key is mistyped or misplaced, neither the message nor the report repeats it."""
    for name, text in FILES.items():
        etl.write(name, text)
    flags, code = MISTAKES[mistake]
    more = [flag.format(recorder=recorder.url) for flag in flags]
    done = ask(etl, aws | {"AWS_PROFILE": "temporary"}, "--report", "report.json", *more)
    hidden(seen(etl, done), SECRET[::-1], str(int(SECRET[6:], 16)))
    assert (done.code, "Traceback" in done.err) == (code, False), done.err


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ({"AWS_ENDPOINT_URL_S3": f"http://user:{SECRET}@127.0.0.1:1"}, (2, 78)),
        ({"AWS_ENDPOINT_URL_S3": f"http://user:a/{SECRET}@127.0.0.1:1"}, (2, 78)),
        ({"AWS_ENDPOINT_URL_S3": f"http://user:{SECRET}@a_b!:1"}, (2, 78)),
        ({"AWS_ENDPOINT_URL_S3": f"user:{SECRET}@127.0.0.1:1"}, (2, 78)),
        ({"AWS_ENDPOINT_URL_S3": "", "AWS_ENDPOINT_URL": f"http://user:{SECRET} @127.0.0.1:1"}, (2, 78)),
        ({"MODEL_ETL_ENDPOINT_URL": f"http://user:{SECRET}@127.0.0.1:1"}, (2, 78)),
        ({"MODEL_ETL_ENDPOINT_URL": f"http://user:a/{SECRET}@127.0.0.1:1"}, (2, 78)),
        ({"MODEL_ETL_SECRET_KEY": SECRET}, (2,)),
        ({"MODEL_ETL_SECRET_KEY": SECRET + "\r", "MODEL_ETL_KEY": "K"}, (66, 77)),
        ({**VARIABLES, "AWS_SESSION_TOKEN": TOKEN + "\r"}, (66, 77, 78, 74)),
        ({**VARIABLES, "AWS_SESSION_TOKEN": TOKEN + "\n"}, (66, 77, 78, 74)),
        ({**VARIABLES, "AWS_SESSION_TOKEN": TOKEN + "é"}, (66, 77, 78, 74)),
        ({**VARIABLES, "AWS_SESSION_TOKEN": TOKEN + "ключ"}, (66, 77, 78, 74)),
        ({"AWS_ACCESS_KEY_ID": SECRET + "\r", "AWS_SECRET_ACCESS_KEY": SECRET}, (66, 77, 78, 74)),
        ({"AWS_ACCESS_KEY_ID": "ключ", "AWS_SECRET_ACCESS_KEY": SECRET + "ключ"}, (66, 77, 78, 74)),
        (
            {**VARIABLES, "NO_PROXY": "", "no_proxy": "", "HTTP_PROXY": f"http://user:{SECRET}@127.0.0.1:1"},
            (74, 75),
        ),
        (
            {**VARIABLES, "NO_PROXY": "", "no_proxy": "", "HTTP_PROXY": f"http://user:a/{SECRET}@127.0.0.1:1"},
            (74, 75, 78, 2),
        ),
    ],
    ids=lambda value: (
        " ".join(f"{k}={v}" for k, v in value.items()).replace(SECRET, "$").replace(TOKEN, "%")
        if isinstance(value, dict)
        else ""
    ),
)
def test_no_secret_after_a_mistake_in_a_variable(
    etl: Etl, recorder: Recorder, aws: dict[str, str], env: dict[str, str], code: tuple[int, ...]
) -> None:
    """A secret with a line end too many, a password in a URL: no bug, and no word of it."""
    done = ask(etl, {"AWS_ENDPOINT_URL_S3": recorder.url} | aws | env, "--report", "report.json")
    hidden(seen(etl, done))
    assert (done.code in code, "Traceback" in done.err) == (True, False), (done.code, done.err)


def test_objects_do_not_show_secrets() -> None:
    """Neither repr nor str of what holds keys shows them, nor do the errors that come of it."""
    options: dict[str, Any] = {"key": "KEYKEYKEYKEYKEY", "secret_key": SECRET, "endpoint_url": "http://127.0.0.1:1"}
    config = JobConfig.from_options(input_file="in.json", output_file="out.json", model="a:B", **options)
    services = s3_etl_job.get_services(bucket="data", retries=0, **options)
    place = locate("s3://data/x.json", retries=0, **options)
    shown = [
        config,
        Access(**options),
        services,
        *services.values(),
        place,
        vars(place),
        place.stage(private=True, media_type=""),
    ]
    text = "".join(f"{thing!r} {thing!s} {thing}" for thing in shown)
    bad = [
        lambda: Access(secret_key=SECRET),
        lambda: Access("K", SECRET, f"http://user:{SECRET}@a"),
        lambda: s3_etl_job.get_services(bucket="data", secret_key=SECRET),
        lambda: services["fs"].openbin("x.json"),
        lambda: services["fs"].readbytes("x.json"),
        place.identity,
        place.check_writable,
    ]
    for call in bad:
        with pytest.raises((ModelEtlError, FSError)) as caught:
            call()
        told = traceback.format_exception(caught.type, caught.value, caught.tb)
        text += f"{caught.value!r} {caught.value} {''.join(told)} {caught.value.args}"
    hidden(text.encode(), "KEYKEYKEYKEYKEY")


def test_a_profile_reaches_a_real_server(etl: Etl, bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A profile with keys and endpoint is all that a crontab's line needs."""
    folder: Path = tmp_path_factory.mktemp("aws")
    server = bucket.server
    bucket.put("in.json", INPUT)
    (folder / "credentials").write_text(
        f"[scoring]\naws_access_key_id={server.key}\naws_secret_access_key={server.secret}\n"
    )
    (folder / "config").write_text(f"[profile scoring]\nendpoint_url={server.endpoint}\n")
    env = {
        "AWS_PROFILE": "scoring",
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
        "NO_PROXY": "127.0.0.1",
    }
    done = etl("run", *MODEL, "-i", bucket.uri("in.json"), "-o", bucket.uri("out.json"), env=env)
    assert (done.code, done.err) == (0, "")
    assert bucket.get("out.json") == b'{"y":1.0}\n{"y":2.0}\n'
