"""No secret is in any output, message, log or process list."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import traceback
from typing import Any

import model_etl.compat  # noqa: F401  before anything of fs

import pytest
from fs.errors import FSError
from helpers.command import Etl, Result
from helpers.credentials import (
    FLAGS,
    MODEL,
    SECRET,
    TOKEN,
    VARIABLES,
    Recorder,
    ask,
)
from helpers.s3_fixtures import NOWHERE, Bucket

from model_etl import s3_etl_job
from model_etl.errors import ModelEtlError
from model_etl.services.s3.access import Access
from model_etl.services.s3.location import locate
from model_etl.settings.job_config import JobConfig


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
    "--secret-kye": (("--secret-kye", SECRET, "--key", "K"), 2),
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
