"""Credentials, endpoints and regions, and the order in which they are looked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import model_etl.compat  # noqa: F401  before anything of fs

import pytest
from helpers.command import Etl
from helpers.credentials import (
    FLAGS,
    INPUT,
    MODEL,
    NO_FILES,
    ROLE,
    SECRET,
    TOKEN,
    VARIABLES,
    Recorder,
    ask,
)
from helpers.s3_fixtures import Bucket


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
    etl.write("keys.toml", f'key = "K"\nsecret_key = "{SECRET}"\n').chmod(0o600)
    done = ask(etl, aws | env, *flags, "--endpoint_url", recorder.url)
    found = re.findall(r"model-etl: warning: (.*) can be seen in the list of processes", done.err)
    assert found == ([warned] if warned else [])
    assert ("warning" in done.err, done.code, done.out) == (bool(warned), 66, b"")
    assert SECRET not in done.err


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
