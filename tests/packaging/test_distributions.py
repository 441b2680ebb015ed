"""The wheel and the sdist: what they hold, and that both run in a folder whose names collide with ours."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("services", "graphs", "engines", "tests", "data", "formats", "settings", "examples")
"""Packages that a user's project may well have beside its data."""
MODULES = ("json", "numpy", "msgspec", "logging", "fs", "bonobo")
"""Modules of a user's project that have the name of one of the standard library or of a dependency."""
OTHERS = ("mlflow", "packaging", "jinja2", "setuptools", "black")
"""What a model's environment may have, each in its newest version."""
MODEL = """
from pydantic import BaseModel


class Input(BaseModel):
    x: float


class Output(BaseModel):
    y: float


class Doubled:
    display_name = qualified_name = "doubled"
    description = "Twice the input."
    version = "1.0.0"
    input_schema, output_schema = Input, Output

    def predict(self, data):
        return Output(y=2 * data.x)
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]


def command(*words: str | Path, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command without settings of Python's, of a virtual environment or of ours."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "MODEL_ETL_"))}
    return subprocess.run(
        list(map(str, words)), cwd=cwd, env={**kept, **environ}, capture_output=True, check=False, text=True
    )


def succeed(*words: str | Path, cwd: Path | None = None) -> None:
    """Run a command that may need the package index; skip the test if there is none, except in CI."""
    done = command(*words, cwd=cwd, PIP_DISABLE_PIP_VERSION_CHECK="1")
    if "No matching distribution" in done.stderr + done.stdout and not os.environ.get("CI"):
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stdout + done.stderr


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that one of the processes that run the tests has made for all of them."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    complete = folder.with_suffix(".complete")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            complete.touch()
    return folder


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an sdist, and a wheel from it, out of what git knows of."""

    def build(folder: Path) -> None:
        listed = command("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT)
        if listed.returncode:
            pytest.skip("this is not a git checkout")
        checkout = folder / "checkout"
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_file() or (ROOT / name).is_symlink():
                (checkout / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, checkout / name, follow_symlinks=False)
        succeed(sys.executable, "-m", "build", "--outdir", folder, checkout)

    return made_once(tmp_path_factory, "distributions", build)


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    """Return the wheel."""
    (path,) = distributions.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def sdist(distributions: Path) -> Path:
    """Return the sdist."""
    (path,) = distributions.glob("*.tar.gz")
    return path


@pytest.fixture(scope="session", params=["wheel", "sdist"])
def scripts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a distribution into an environment that had nothing in it; return the folder of its commands.

    The wheel gets what requirements.txt pins from the package index. The sdist is built and installed by pip, and then
    sees the dependencies of the tests' own environment, which is quicker.
    """
    distribution: Path = request.getfixturevalue(request.param)

    def make(folder: Path) -> None:
        succeed(sys.executable, "-m", "venv", folder)
        pip = (folder / "bin/python", "-m", "pip", "install", "--quiet")
        if request.param == "wheel":
            succeed(sys.executable, ROOT / "tools" / "relaxed_wheels.py", ROOT / "build" / "wheels")
            succeed(*pip, "--require-hashes", "--requirement", ROOT / "requirements.txt")
            succeed(*pip, "--no-deps", distribution)
            succeed(folder / "bin/python", "-m", "pip", "check")
        else:
            succeed(*pip, "--no-deps", distribution)
            (site_packages,) = folder.glob("lib/python3.*/site-packages")
            (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    return made_once(tmp_path_factory, f"installed-{request.param}", make) / "bin"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a user's project: a model, records, and packages that fail if they are imported."""
    (tmp_path / "doubled.py").write_text(MODEL)
    (tmp_path / "in.json").write_text('{"x": 1}\n{"x": 2.5}\n')
    for name in FOLDERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f'raise ImportError("{name} of the user was imported")\n')
    return tmp_path


def hide_modules(project: Path) -> None:
    """Add modules with the names of others, which fail if they are imported."""
    for name in MODULES:
        (project / f"{name}.py").write_text(f'raise ImportError("{name} of the user was imported")\n')


def test_the_wheel_owns_only_names_of_its_own(wheel: Path) -> None:
    """It has the folders of the repository below model_etl, and none of the tests."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"model_etl"}
    folders = {name.split("/")[1] for name in names if name.count("/") > 1}
    assert {"graphs", "services", "engines", "formats", "cli"} <= folders
    assert "model_etl/engines/shared/pieces.py" in names
    assert "model_etl/py.typed" in names
    assert not [name for name in names if "/tests/" in name]


def test_every_module_is_in_the_wheel(wheel: Path) -> None:
    """A new folder cannot be forgotten."""
    tops = (ROOT / "model_etl", *(ROOT / "model_etl" / name for name in ("graphs", "services", "engines")))
    modules = {path.relative_to(ROOT) for top in tops for path in top.rglob("*.py")}
    modules -= {path for path in modules if "tests" in path.parts}
    assert {str(path) for path in modules} == {n for n in zipfile.ZipFile(wheel).namelist() if n.endswith(".py")}


def test_the_sdist_has_files_where_the_checkout_has_links(sdist: Path) -> None:
    """It can be unpacked where links cannot be made."""
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert all(member.isfile() or member.isdir() for member in members)
    names = {member.name.partition("/")[2] for member in members}
    assert {"model_etl/graphs/scoring.py", "model_etl/services/s3/upload.py", "pyproject.toml", "LICENSE"} <= names


@pytest.mark.parametrize("path", ["", "."], ids=["no PYTHONPATH", "PYTHONPATH=."])
@pytest.mark.parametrize("program", ["model-etl", "python -m model_etl"])
@pytest.mark.parametrize("hidden", [False, True], ids=["packages", "packages and modules"])
def test_a_run_in_a_folder_with_names_like_ours(
    scripts: Path, project: Path, program: str, path: str, hidden: bool
) -> None:
    """Neither our names nor those of the standard library lead to the user's files."""
    if hidden:
        hide_modules(project)
    environ = {"PYTHONPATH": path} if path else {}
    words = [scripts / word if index == 0 else word for index, word in enumerate(program.split())]
    done = command(*words, "run", "-i", "in.json", "-o", "out.json", "-m", "doubled:Doubled", cwd=project, **environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [json.loads(line) for line in (project / "out.json").read_text().splitlines()] == [{"y": 2}, {"y": 5}]
    assert (project / "out.log.ldjson").read_text().count("\n") == 3


def test_an_installed_command_writes_a_new_package(scripts: Path, tmp_path: Path) -> None:
    """The templates are installed too, and the package that is made of them scores its sample."""
    succeed(scripts / "model-etl", "init", "churn", cwd=tmp_path)
    line = (tmp_path / "churn" / "crontab").read_text().splitlines()[-1]
    assert str(scripts / "model-etl") in line
    succeed("sh", "-c", line.partition("*  ")[2], cwd=tmp_path)
    assert (tmp_path / "churn" / "out.json").read_text() == '{"prediction":false}\n' * 8


def test_the_newest_packages_of_others_stay_as_they_are(wheel: Path, project: Path) -> None:
    """Installed beside MLflow and what else a model may need, the product adds packages and changes none; all run."""
    environment, wheels = project / "environment", project / "wheels"
    python = environment / "bin" / "python"
    succeed(sys.executable, "-m", "venv", environment)
    pip = (python, "-m", "pip", "install", "--quiet", "--no-compile")
    succeed(*pip, "--upgrade", *OTHERS)
    before = set(command(python, "-m", "pip", "list", "--format=freeze").stdout.splitlines())
    succeed(sys.executable, ROOT / "tools" / "relaxed_wheels.py", wheels)
    succeed(*pip, "--find-links", wheels, f"{wheel}[job]")
    after = set(command(python, "-m", "pip", "list", "--format=freeze").stdout.splitlines())
    assert before <= after
    assert "bonobo==0.6.4+relaxed.1" in after
    succeed(python, "-m", "pip", "check")
    done = command(
        environment / "bin/model-etl", "-i", "in.json", "-o", "out.json", "-m", "doubled:Doubled", cwd=project
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (project / "out.json").read_text() == '{"y":2.0}\n{"y":5.0}\n'
    succeed(python, "-c", "import mlflow, mlflow.pyfunc", cwd=environment)
    succeed(environment / "bin/black", "--quiet", project / "doubled.py")
    succeed(*pip, "pytest", "pytest-timeout", "skops")
    tests = ROOT / "tests"
    folders = tests / "artefacts" / "test_mlflow_folders.py"  # its tests are skipped where there is no MLflow
    options = ("-q", "--noconftest", "-p", "no:cacheprovider", "-o", "addopts=")
    path = f"{tests}:{tests / 'models'}"
    done = command(python, "-m", "pytest", *options, folders, cwd=ROOT, PYTHONPATH=path)
    assert (done.returncode, "skipped" in done.stdout) == (0, False), done.stdout


def test_a_user_cannot_import_our_folders_by_bare_names(scripts: Path, tmp_path: Path) -> None:
    """The names that others use are free in the environment."""
    for name in ("graphs", "services", "engines"):
        done = command(scripts / "python", "-c", f"import {name}", cwd=tmp_path)
        assert f"No module named '{name}'" in done.stderr
