"""Runs on a bucket."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers.command import Etl
from helpers.credentials import SECRET, TOKEN, Recorder
from helpers.proxy import Proxy
from helpers.s3_fixtures import Bucket
from helpers.s3_runs import INPUT, S3
from helpers.waiting import HangingRuns


@pytest.fixture
def s3(etl: Etl, bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """Return the command line on a bucket that holds in.json."""
    bucket.put("in.json", INPUT)
    made = S3(etl, bucket, tmp_path_factory.mktemp("temporary"))
    yield made
    for run in made.started:
        run.kill()
        run.communicate()


@pytest.fixture
def services(bucket: Bucket) -> dict[str, Any]:
    """Return the services of a graph on a bucket, with everything as arguments."""
    from model_etl import s3_etl_job  # noqa: PLC0415  it imports Bonobo

    server = bucket.server
    return s3_etl_job.get_services(
        bucket=bucket.name, key=server.key, secret_key=server.secret, endpoint_url=server.endpoint
    )


@pytest.fixture
def hanging(s3: S3) -> Callable[..., subprocess.Popen[bytes]]:
    """Return a function that starts a run, which hangs while it holds its files."""

    def start(*flags: str, through: Proxy | None = None) -> subprocess.Popen[bytes]:
        s3.bucket.put("slow.json", b'{"x":-1}\n')
        run = s3.start("-m", "failing_models:Hangs", "-i", s3.bucket.uri("slow.json"), *flags, through=through)
        return HangingRuns(s3.etl).wait(run)

    return start


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Return a server that says which keys it was asked with."""
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def aws(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment with two profiles of which none is chosen, and nothing else of AWS."""
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
