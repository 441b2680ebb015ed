"""The crontab and the systemd units: that their commands work, and what becomes of failures."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from docker_files import (
    DOCKER,
    ENTRYPOINT,
    IMAGE,
    SCRIPTS,
    UNITS,
    joined,
)
from helpers.command import SETOSA

from model_etl import services


class Job(NamedTuple):
    """A command that something starts each night, with what the something gives it."""

    command: str
    env: dict[str, str]
    folder: str
    keys: str | None  # the file with the environment, where the starter reads it


def from_crontab() -> list[Job]:
    """Read the jobs of the crontab."""
    env, jobs = {}, []
    for line in joined((DOCKER / "crontab").read_text()):
        if setting := re.fullmatch(r"(\w+)=(.*)", line):
            env[setting[1]] = setting[2]
            continue
        *when, user, command = line.split(None, 6)
        assert all(re.fullmatch(r"[\d*/,-]+", field) for field in when), line
        assert user in ("root", "scoring"), line
        assert "%" not in command, "cron takes it for the end of the command"
        jobs.append(Job(command, env, "/", None))
    return jobs


def unit(name: str) -> dict[str, list[str]]:
    """Read the settings of a systemd unit."""
    settings: dict[str, list[str]] = {}
    for line in joined((DOCKER / name).read_text()):
        key, separator, value = line.partition("=")
        if separator:
            settings.setdefault(key, []).append(value)
    return settings


def from_unit(name: str) -> Job:
    """Read the job of a systemd unit."""
    settings = unit(name)
    (command,) = settings["ExecStart"]
    (folder,) = settings.get("WorkingDirectory", ["/"])
    return Job(command, {}, folder, settings.get("EnvironmentFile", [None])[0])


JOBS = {f"crontab {number}": job for number, job in enumerate(from_crontab(), 1)} | {n: from_unit(n) for n in UNITS}
IN_A_BUCKET = {name: job for name, job in JOBS.items() if "s3://" in job.command}
IN_A_FOLDER = {name: job for name, job in JOBS.items() if name not in IN_A_BUCKET}

FAKE_DOCKER = f"""#!{sys.executable}
import os, sys

arguments = sys.argv[1:]
assert arguments.pop(0) == "run", sys.argv
env = {{"PATH": os.environ["PATH"]}}  # nothing else of the host gets into a container
folder = os.environ["CONTAINER"]
while arguments[0].startswith("-"):
    name, _, value = arguments.pop(0).partition("=")
    if name == "--env-file":
        env.update(line.split("=", 1) for line in open(value).read().splitlines())
    elif name == "--volume":
        source, target = value.split(":")
        if target == "/tmp":
            assert "/" not in source
            env["TMPDIR"] = os.environ["VOLUMES"] + "/" + source
            os.makedirs(env["TMPDIR"], exist_ok=True)
        else:
            assert target == "/data", target
            folder = source
    else:
        assert (name, value) in [
            ("--rm", ""), ("--read-only", ""), ("--cap-drop", "ALL"), ("--security-opt", "no-new-privileges"),
            ("--memory", "8g"), ("--memory-swap", "8g"), ("--ulimit", "core=0"),
        ], name
assert arguments.pop(0) == {IMAGE!r}, sys.argv
os.chdir(folder)
os.execvpe({ENTRYPOINT[0]!r}, {ENTRYPOINT!r} + arguments, env)
"""


class Host:
    """A folder that stands for a machine on which the jobs are installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "srv/scoring"
        self.volumes = folder / "volumes"
        for made in ("srv/scoring", "etc/model_etl", "opt/scoring/.venv", "volumes", "container", "bin"):
            (folder / made).mkdir(parents=True)
        (folder / "opt/scoring/.venv/bin").symlink_to(SCRIPTS)
        docker = folder / "bin/docker"
        docker.write_text(FAKE_DOCKER)
        docker.chmod(0o755)

    def moved(self, text: str) -> str:
        """Give a command with its paths below the folder."""
        text = text.replace("/usr/bin/docker", str(self.folder / "bin/docker"))
        return re.sub(r"(?<![\w/.])/(?=(srv|opt|etc)/)", f"{self.folder}/", text)

    def keys(self, env: dict[str, str]) -> None:
        """Write the file with the environment."""
        lines = "".join(f"{name}={value}\n" for name, value in env.items())
        (self.folder / "etc/model_etl/env").write_text(lines)

    def run(self, job: Job, bucket: str = "data") -> subprocess.CompletedProcess[str]:
        """Run a job as cron and systemd do, by a shell; the command of a unit means the same to both."""
        env = {**job.env, "PATH": f"{self.folder / 'bin'}:{SCRIPTS}:{os.environ['PATH']}"}
        env |= {"CONTAINER": str(self.folder / "container"), "VOLUMES": str(self.volumes)}
        if job.keys and (file := Path(self.moved(job.keys.removeprefix("-")))).exists():
            env.update(line.split("=", 1) for line in file.read_text().splitlines())
        command = self.moved(job.command).replace("s3://data/", f"s3://{bucket}/")
        folder = self.moved(job.folder) if job.folder != "/" else str(self.folder)
        return subprocess.run(
            ["/bin/sh", "-c", command], cwd=folder, env=env, capture_output=True, check=False, text=True, timeout=100
        )


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Give an empty host."""
    return Host(tmp_path)


@pytest.mark.parametrize("name", IN_A_BUCKET)
def test_a_nightly_job_scores_a_bucket(host: Host, bucket: Any, name: str) -> None:
    """The job is silent when all is well; when not, it says what is wrong and leaves with the code of the run."""
    host.keys(bucket.env)
    bucket.put("input.json", json.dumps(SETOSA).encode())
    done = host.run(JOBS[name], bucket.name)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert bucket.get("output.json") == b'{"species":"setosa"}\n'
    bucket.remove("input.json")
    done = host.run(JOBS[name], bucket.name)
    assert (done.returncode, done.stdout) == (66, "")
    assert "input.json" in done.stderr
    assert bucket.get("output.json") == b'{"species":"setosa"}\n'


@pytest.mark.parametrize("name", IN_A_FOLDER)
def test_a_nightly_job_scores_a_folder(host: Host, name: str) -> None:
    """The job is silent when all is well; what comes after it in its line does not happen after a failure."""
    (host.data / "input.json").write_text(json.dumps(SETOSA))
    done = host.run(JOBS[name])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (host.data / "output.json").read_text() == '{"species":"setosa"}\n'
    assert (host.data / "published").exists() == ("published" in JOBS[name].command)
    (host.data / "input.json").unlink()
    (host.data / "published").unlink(missing_ok=True)
    done = host.run(JOBS[name])
    assert (done.returncode, done.stdout) == (66, "")
    assert "input.json" in done.stderr
    assert not (host.data / "published").exists()


def test_containers_with_the_same_output_do_not_overlap(
    host: Host, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job of cron and that of systemd see each other's lock of an object, in the volume that both have as /tmp."""
    host.keys(bucket.env)
    bucket.put("input.json", json.dumps(SETOSA).encode())
    for name in IN_A_BUCKET:
        assert host.run(JOBS[name], bucket.name).returncode == 0
    (volume,) = host.volumes.iterdir()
    monkeypatch.setattr("tempfile.tempdir", str(volume))
    access = {"key": bucket.server.key, "secret_key": bucket.server.secret, "endpoint_url": bucket.server.endpoint}
    other = services.locate(bucket.uri("output.json"), **access).stage(private=False, media_type="text/plain")
    assert other.lock()
    try:
        for name in IN_A_BUCKET:
            assert host.run(JOBS[name], bucket.name).returncode == 75
    finally:
        other.discard()


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """The systemd tools find nothing wrong with the units and know when the timer fires."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    for name in [*UNITS, "model_etl.timer"]:  # the programs need not be there
        text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", (DOCKER / name).read_text())
        (tmp_path / name).write_text(text)
    (tmp_path / "docker.service").write_text("[Service]\nExecStart=/bin/true\n")
    units = [str(tmp_path / name) for name in [*UNITS, "model_etl.timer"]]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, check=False, text=True
    )
    # Of other units on the machine, verify has opinions too.
    assert not [line for line in done.stderr.splitlines() if "model_etl" in line]
    assert done.returncode == 0, done.stderr
    (when,) = unit("model_etl.timer")["OnCalendar"]
    assert subprocess.run(["systemd-analyze", "calendar", when], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_shows_failures_and_tries_only_what_may_pass(name: str) -> None:
    """Nothing but 0 counts as success, what the user must mend is not tried again, and runs see each other's locks."""
    settings = unit(name)
    assert settings["Type"] == ["oneshot"]
    assert not {"SuccessExitStatus", "PrivateTmp", "DynamicUser"} & set(settings)
    final = {int(code) for code in settings["RestartPreventExitStatus"][0].split()}
    assert final == {1, 2, 65, 66, 69, 73, 77, 78, 129, 130, 143}
    if "ProtectSystem" in settings and "ReadWritePaths" in settings:
        assert "/tmp" in settings["ReadWritePaths"][0].split()


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_bounds_memory_and_keeps_records_from_others(name: str) -> None:
    """A run cannot take all memory, leaves no core file, and its files are for its user alone."""
    settings = unit(name)
    assert re.fullmatch(r"[1-9]\d*[MG]", settings["MemoryMax"][0])
    assert (settings["LimitCORE"], settings["UMask"]) == (["0"], ["0077"])


@pytest.mark.parametrize("name", [name for name, job in JOBS.items() if IMAGE in job.command])
def test_a_container_bounds_memory_and_leaves_no_core_file(name: str) -> None:
    """What a unit does for a run outside of a container, the flags of docker do for one inside."""
    flags = JOBS[name].command.replace("$RUN", JOBS[name].env.get("RUN", "")).split()
    assert {"--memory=8g", "--memory-swap=8g", "--ulimit=core=0"} <= set(flags)


@pytest.mark.parametrize(("name", "tenths"), [("model_etl.service", 10), ("model_etl-venv.service", 15)])
def test_systemd_counts_little_exposure(name: str, tenths: int) -> None:
    """The share of the machine that a unit leaves open, by systemd's own count from 0 to 10, does not grow."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={tenths}", DOCKER / name],
        capture_output=True, check=False, text=True,
    ) if shutil.which("systemd-analyze") else None  # fmt: skip
    if done is None or "unrecognized option" in done.stderr:
        pytest.skip("there is no systemd-analyze that reads units offline")
    assert done.returncode == 0, done.stdout
