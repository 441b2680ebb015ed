"""The image and the compose file: what they hold, and that their steps work outside of containers."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from docker_files import (
    DOCKER,
    DOCKERFILE,
    ENTRYPOINT,
    IMAGE,
    SERVER,
    UNITS,
    compose,
    joined,
    left_out,
    texts,
)
from helpers import minio_builds, minio_server
from helpers.command import IRIS, ROOT, SETOSA, Etl


def test_the_base_is_pinned_and_the_user_is_not_root() -> None:
    """The image stands on one named version of a slim Python, its user is not root, and it starts the job itself."""
    stages = [text.split()[0] for text in texts("FROM")]
    named = [text.split()[-1] for text in texts("FROM") if " AS " in text]
    outside = [base for base in stages if base not in named]
    assert outside
    for base in outside:
        assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", base), base
        assert f'base.name="docker.io/library/{base.partition("@")[0]}"' in texts("LABEL")[0]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", texts("USER")[-1])
    assert f"--uid {texts('USER')[-1].partition(':')[0]} " in " ".join(texts("RUN"))
    assert ENTRYPOINT == ["model-etl"], "in a shell's form, no signal would reach it"
    assert json.loads(texts("CMD")[-1]) == ["--help"]


def test_the_image_holds_what_is_pinned_and_nothing_secret() -> None:
    """Packages come from requirements.txt alone, with its hashes, and no key is in any file."""
    installs = [step for text in texts("RUN") for step in text.split("&&") if re.search("pip (install|wheel) ", step)]
    assert all("--no-deps" in step for step in installs)
    assert all(
        word in step for step in installs for word in ["--require-hashes" if "--requirement" in step else "--no-"]
    )
    assert any("--requirement requirements.txt" in step for step in installs)
    assert any("pip check" in text for text in texts("RUN"))
    assert not texts("ADD")
    assert not re.search(r"https?://|curl|wget|sudo", " ".join(i.text for i in DOCKERFILE))
    secret = re.compile(r"(?i)secret|password|token|--key")
    for name in ("Dockerfile", "crontab", *UNITS):
        assert not [line for line in joined((DOCKER / name).read_text()) if secret.search(line)], name


def test_all_that_is_copied_is_there() -> None:
    """Each file that the Dockerfile copies is in the checkout, and .dockerignore lets it and not the rest through."""
    copied = [source for text in texts("COPY") for source in shlex.split(text)[:-1]]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not left_out(source), source
    assert not left_out("model_etl/formats/__init__.py")
    for name in (".git/config", ".venv/bin/python", "data/input.json", "model_etl/__pycache__/job.pyc", "env", "tests"):
        assert left_out(name), name


def test_compose_starts_what_is_pinned_for_this_machine_only() -> None:
    """Images are built here or named by release, ports are this machine's, each service waits for the one before."""
    found = compose()["services"]
    for name, service in found.items():
        if "build" in service:
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).samefile(
                DOCKER / "Dockerfile"
            )
            assert service["image"] == IMAGE
        else:
            assert service["image"].partition("@")[0] == minio_builds.IMAGE, "the tests' own server is the same release"
            assert service["image"].startswith("quay.io/")
        assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service.get("ports", []))
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in compose()["volumes"] or (DOCKER / source).is_file(), source
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        for other, awaited in service.get("depends_on", {}).items():
            ends = "healthcheck" not in found[other]
            assert awaited["condition"] == ("service_completed_successfully" if ends else "service_healthy"), name


def test_compose_takes_its_own_file() -> None:
    """`docker compose config` finds nothing wrong, where there is such a command."""
    if (
        not shutil.which("docker")
        or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("there is no docker compose")
    command = ["docker", "compose", "-f", str(DOCKER / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_minio_knows_its_flags(s3_server: minio_server.Server) -> None:
    """The server of the compose file is started with flags that this release has."""
    if s3_server.found.by != "binary":
        pytest.skip("needs the program minio")
    told = subprocess.run(
        [s3_server.found.where, "server", "--help"], capture_output=True, check=True, text=True
    ).stdout
    verb, folder, *flags = compose()["services"]["minio"]["command"]
    assert (verb, folder) == ("server", "/data")
    assert all(flag.partition("=")[0] in told for flag in flags)


def test_the_originals_example_runs_from_end_to_end(bucket: Any, tmp_path: Path) -> None:
    """The services make the bucket, score the original's 15 records with its command, and print the predictions."""
    bucket.client.remove_bucket(bucket.name)
    server = bucket.server
    found = compose(MODEL_ETL_BUCKET=bucket.name, MODEL_ETL_KEY=server.key, MODEL_ETL_SECRET_KEY=server.secret)[
        "services"
    ]
    # A server with a name, as in a network of compose: clients must not put the bucket before it.
    endpoint = server.endpoint.replace("127.0.0.1", "localhost")
    nowhere = {name: value for name, value in bucket.env.items() if "FILE" in name or "METADATA" in name}
    order, printed = ["show"], {}
    while waits := found[order[0]].get("depends_on"):
        order.insert(0, *waits)
    assert order.pop(0) == "minio"
    for name in order:
        service = found[name]
        command = json.dumps([*service["entrypoint"], *service.get("command", [])]).replace(SERVER, endpoint)
        for volume in service.get("volumes", []):
            source, target, _ = volume.split(":")
            command = command.replace(target, str((DOCKER / source).resolve()))
        env = {key: value.replace(SERVER, endpoint) for key, value in service["environment"].items()}
        done = subprocess.run(
            [sys.executable if part == "python" else part for part in json.loads(command)],
            cwd=ROOT if service.get("working_dir") == "/app" else tmp_path,
            env={"PATH": os.environ["PATH"], "NO_PROXY": "localhost", **nowhere, **env},
            capture_output=True, check=False, text=True, timeout=100,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        if name == "score":
            assert done.stderr.startswith("model-etl: warning: --key and --secret_key can be seen")
            assert "error" not in done.stderr
        else:
            assert done.stderr == ""
        printed[name] = done.stdout
    assert order == list(printed) == ["bucket", "score", "show"]
    assert printed["show"].count('{"species":"') == 15
    assert printed["show"].encode() == bucket.get("output.json")
    assert bucket.keys() == {"input.json", "output.json", "output.log.ldjson"}


def test_the_bucket_is_filled_a_second_time(bucket: Any, tmp_path: Path) -> None:
    """The example can be run again: a bucket that is there is taken as it is."""
    file = tmp_path / "input.json"
    file.write_text("new")
    bucket.put("input.json", b"old")
    command = [sys.executable, str(DOCKER / "bucket.py"), "put", bucket.name, str(file)]
    done = subprocess.run(command, env={**os.environ, **bucket.env}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert bucket.get("input.json") == b"new"


def test_links_lead_somewhere() -> None:
    """Every relative link of docker/README.md names a file that exists."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (DOCKER / "README.md").read_text())
    assert all((DOCKER / link).exists() for link in links)


def test_process_1_ends_on_sigterm(etl: Etl) -> None:
    """As the first process of a container, for which SIGTERM does nothing by default, a run ends with 143."""
    command = ["unshare", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs unshare and the right to use it")
    etl.write("in.json", b'{"x": 1}\n' * 5000)
    run = subprocess.Popen(
        [*command, *etl.command("run", "-m", "failing_models:Slow", "-i", "in.json", "-o", "out.json")],
        cwd=etl.folder, env=etl.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    until = time.monotonic() + 30
    while not (etl.folder / "hanging").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    (first,) = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    os.kill(int(first), signal.SIGTERM)
    _, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (143, b"model-etl: error: stopped by SIGTERM; nothing was published\n")
    assert not (etl.folder / "out.json").exists()


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_the_images_steps_make_a_working_installation(tmp_path: Path) -> None:
    """What the Dockerfile copies and runs, in a fresh environment, gives its entry point and the original's script."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "usr"], check=True)
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    env |= {"PATH": f"{tmp_path / 'usr/bin'}:{os.environ['PATH']}", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    (tmp_path / "tmp").mkdir()
    folder = tmp_path

    def run(command: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=folder, env=env, capture_output=True, check=False, text=True
        )
        if "No matching distribution" in done.stderr and not os.environ.get("CI"):
            pytest.skip("no package index can be reached")
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    printed = ""
    for name, text in DOCKERFILE:
        if name == "WORKDIR":
            folder = tmp_path / text.lstrip("/")
            folder.mkdir(exist_ok=True)
        elif name == "COPY":
            *sources, target = text.split()
            for source in sources:
                _copy(source, folder / target)
        elif name == "RUN" and not text.startswith("useradd"):
            text = re.sub(r"--mount=\S+", "", text)  # noqa: PLW2901
            printed += run(re.sub(r"(?<=[\s>=])/(?=(wheels|tmp)\b)", f"{tmp_path}/", text))
    assert printed.endswith('{"species":"setosa"}\n'), "the run of one record, with which the building ends"
    assert "No broken requirements" in printed
    assert run(f"{ENTRYPOINT[0]} --version").startswith("model-etl ")
    assert "usage" in run(shlex.join([*ENTRYPOINT, *json.loads(texts("CMD")[-1])]))
    record, made = folder / "in.json", folder / "out.json"
    record.write_text(json.dumps(SETOSA))
    run(f"model-etl -i in.json -o out.json -m {IRIS}")
    assert made.read_text() == '{"species":"setosa"}\n'
    folder = tmp_path / "app"
    assert "--endpoint_url" in run("python model_etl/s3_etl_job.py run --help")
    run(f"python model_etl/etl_job.py --input_file={record} --output_file={made}")


def _copy(source: str, target: Path) -> None:
    """Copy what .dockerignore lets through: a file into a folder, a folder as that folder, links as links."""
    if (ROOT / source).is_file():
        shutil.copy2(ROOT / source, target)
        return
    for file in (ROOT / source).rglob("*"):
        relative = file.relative_to(ROOT / source)
        if (file.is_file() or file.is_symlink()) and not left_out(f"{source}/{relative}"):
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target / relative, follow_symlinks=False)
