"""The images: what they copy, the versions that they pin, and the links of the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from deploy_manifests import build_overlay
from deploy_references import pods
from deploy_tools import DEPLOY, ROOT

pytestmark = pytest.mark.timeout(1200)  # where nothing is built yet, the first tests build Argo's linter


@pytest.mark.parametrize(
    "file", sorted(path.name for path in (DEPLOY / "docker").glob("Dockerfile*") if path.suffix != ".dockerignore")
)
def test_what_an_image_copies_is_there(file: str) -> None:
    """Every source of a COPY exists in the build context, and every image runs as a numeric user."""
    text = (DEPLOY / "docker" / file).read_text()
    (folder,) = re.findall(rf"(?m)^# +docker build -f deploy/docker/{re.escape(file)} .*?(\S+)$", text)
    context = ROOT / folder
    sources = [word for line in re.findall(r"(?m)^COPY (?!--from)(.*)", text) for word in line.split()[:-1]]
    assert sources
    assert [source for source in sources if not (context / source).exists()] == []
    if context == ROOT:  # what is not named there does not get into the build
        let_in = re.findall(r"(?m)^!(.*)$", (DEPLOY / "docker" / f"{file}.dockerignore").read_text())
        assert [source for source in sources if not f"{source}/".startswith(tuple(f"{path}/" for path in let_in))] == []
    assert re.search(r"(?m)^USER \d+:\d+$", text)


def test_the_pipeline_image_has_what_is_tested() -> None:
    """The packages that the pipeline image adds have the versions that these tests run with."""
    pins = re.findall(r"(?m)^\S+==\S+", (DEPLOY / "docker" / "requirements.txt").read_text())
    tested = (ROOT / "test_requirements.txt").read_text()
    assert any(pin.startswith("scikit-learn==") for pin in pins)
    assert [pin for pin in pins if not re.search(rf"(?m)^{re.escape(pin)} ", tested)] == []


@pytest.mark.parametrize("file", [*(DEPLOY / "docker").glob("Dockerfile*"), ROOT / "docker" / "kafka.yaml"])
def test_an_image_takes_only_what_has_the_pinned_hash(file: Path) -> None:
    """What pip downloads for an image is compared with the hash in its requirements; nothing is fetched for a build."""
    installs = re.findall(r"RUN (pip (?:install|wheel) .*)", file.read_text())
    for install in installs:
        assert "--require-hashes --" in install or "--no-deps --no-build-isolation ." in install, install


def test_flink_and_beam_go_together() -> None:
    """The job server is built for the Flink and the Beam that the cluster runs."""
    images = {c["name"]: c["image"] for pod in pods(build_overlay("local")) for c in pod.spec["containers"]}
    ((flink, beam),) = re.findall(r"^apache/beam_flink([\d.]+)_job_server:([\d.]+)(?:@|$)", images["jobserver"])
    assert images["jobmanager"] == images["taskmanager"]
    assert images["jobmanager"].startswith(f"flink:{flink}.")
    assert f"\napache-beam=={beam} " in (ROOT / "engines" / "beam" / "requirements.txt").read_text()


def test_links_lead_somewhere() -> None:
    """Every relative link of deploy/README.md names a file that exists."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (DEPLOY / "README.md").read_text())
    assert links
    assert all((DEPLOY / link).exists() for link in links)
