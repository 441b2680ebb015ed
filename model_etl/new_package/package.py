"""Write the package of a model: all of its files, or none."""

from __future__ import annotations

import contextlib
import importlib.resources
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from model_etl.errors import DataError, ModelEtlError, ModelUnavailable, OutputRefused, UsageError, printable
from model_etl.job.check import check_job
from model_etl.new_package.artefact import Artefact
from model_etl.new_package.plan import Prediction, input_names, package_name, prediction_of, without_dates
from model_etl.new_package.sample import Sample
from model_etl.new_package.schema_code import (
    FieldCode,
    camel_case,
    class_code,
    field_codes,
    imports_of,
    quoted,
    used_names,
)
from model_etl.runtime.system_errors import lack_of_resources_behind, storage_error
from model_etl.settings.job_config import JobConfig, ScoringSettings

_FILES = {
    "{package}/__init__.py": "init.py",
    "{package}/schemas.py": "schemas.py",
    "tests/test_model.py": "test_model.py",
    "pyproject.toml": "pyproject.toml",
    "Makefile": "Makefile",
    "README.md": "README.md",
    "crontab": "crontab",
    ".gitignore": "gitignore",
}
"""The files of each package, by the names of their templates."""
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class NewPackage:
    """A package that is to be written.

    Attributes:
        folder: the folder to make.
        sample: records of the kind that it scores.
        target: the field of the sample that the model predicts, or None.
        artefact: what predicts, or None for a model that predicts the same for each record.
        frame: whether the model gets data frames of pandas.
        flags: options with which the sample is read, for the line of the crontab.
    """

    folder: str
    sample: Sample
    target: str | None = None
    artefact: Artefact | None = None
    frame: bool = False
    flags: tuple[str, ...] = ()

    def write(self, publishing: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext) -> list[str]:
        """Write all files, once the model has predicted the sample.

        Args:
            publishing: a context in which the folder gets its name.

        Returns:
            Lines that say what was written, and what comes next.

        Raises:
            OutputRefused: if the folder has files, or cannot be made.
            ModelUnavailable: if the model cannot predict the sample.
            UsageError: if a name cannot be written into a crontab.
            UsageError, DataError: if the sample has not the columns of the model.
        """
        for path in self._paths():
            _require_printable(path)
        package = package_name(self.folder)
        schema = self.sample.schema(input_names(self.sample, self.target, self.artefact))
        prediction = prediction_of(self.sample, self.target, self.artefact)
        target = Path(self.folder)
        try:
            if os.path.lexists(target) and (not target.is_dir() or any(target.iterdir())):
                raise OutputRefused(
                    f"{printable(self.folder)} exists, and is not an empty folder", "Choose another name."
                )
            target.absolute().parent.mkdir(parents=True, exist_ok=True)
            staged = Path(tempfile.mkdtemp(prefix=f".{package}.", dir=target.absolute().parent))
        except OSError as exc:
            raise storage_error(exc, "write", printable(self.folder)) from exc
        try:
            self._write_checked(staged, package, schema, prediction)
            umask = os.umask(0)
            os.umask(umask)
            staged.chmod(0o777 & ~umask)
            with publishing():
                staged.replace(target)
        except OSError as exc:
            raise storage_error(exc, "write", printable(self.folder)) from exc
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return self._next_steps(package, len(schema["properties"]))

    def _write_checked(self, staged: Path, package: str, schema: Mapping[str, Any], prediction: Prediction) -> None:
        drafts = [schema]
        if self.artefact is not None and any("format" in field for field in schema["properties"].values()):
            drafts.append(without_dates(schema))
        errors = []
        for draft in drafts:
            for name, content in self._files(package, draft, prediction):
                path = staged / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            error = self._error_of_check(staged, package)
            if error is None:
                return
            errors.append(error)
        what = printable(self.artefact.name) if self.artefact is not None else "the model"
        sample = printable(self.sample.name) or "of model-etl"
        raise ModelUnavailable(
            f"{what} does not predict the sample {sample}; nothing was written\n  {errors[0]}",
            "Give a sample like the data that it was fitted with.",
        )

    def _files(self, package: str, schema: Mapping[str, Any], prediction: Prediction) -> Iterator[tuple[str, bytes]]:
        """Yield the names and the contents of all files."""
        fields = field_codes(schema)
        values = self._values(package, fields, prediction)
        template_name = "artefact" if self.artefact is not None else "frame" if self.frame else "record"
        for name, template in {**_FILES, "{package}/model.py": f"model_{template_name}.py"}.items():
            yield name.format(package=package), _rendered(template, values).encode()
        yield f"{package}/py.typed", b""
        if self.artefact is not None:
            yield f"{package}/{self._artefact_name}", self.artefact.content
        sample_name, content = self.sample.file(list(schema["properties"]))
        yield f"data/{sample_name}", content
        yield "data/record.json", self.sample.record(schema) + b"\n"

    def _values(self, package: str, fields: list[FieldCode], prediction: Prediction) -> dict[str, str]:
        """Return the values of the placeholders in the templates."""
        base = _class_base(package)
        title = package.replace("_", " ").capitalize()
        output = FieldCode("prediction", "prediction", prediction.annotation)
        code = f"{class_code(f'{base}Input', 'A record.', fields)}\n\n\n"
        code += class_code(f"{base}Output", "A prediction.", [output])
        description = f"Predicts with {self.artefact.name}." if self.artefact is not None else "A first draft."
        return {
            "package": package,
            "distribution": package.replace("_", "-"),
            "title": title,
            "title_literal": quoted(title),
            "description_literal": quoted(description),
            "model_class": f"{base}Model",
            "input_class": f"{base}Input",
            "output_class": f"{base}Output",
            "output_type": prediction.annotation,
            "baseline": prediction.baseline,
            "imports": imports_of(code),
            "classes": code,
            "sample_name": self.sample.file([])[0],
            "dependencies": "\n".join(f"    {json.dumps(name)}," for name in self._requirements()),
            "package_data": ", ".join(map(json.dumps, ["py.typed", *([self._artefact_name] if self.artefact else [])])),
            **self._artefact_values(fields),
            **self._crontab_values(),
        }

    @property
    def _artefact_name(self) -> str:
        name = self.artefact.name if self.artefact is not None else ""
        return name if _SAFE_NAME.fullmatch(name) else "artefact.joblib"

    def _artefact_values(self, fields: list[FieldCode]) -> dict[str, str]:
        if self.artefact is None:
            return {}
        names = used_names(fields)
        constant, argument = "", "frame"
        if self.artefact.feature_names is None:
            by_count = self.artefact.feature_count is not None
            argument = "frame.to_numpy()" if by_count else f"frame[{quoted(fields[0].attribute)}]"
        elif names:
            lines = "".join(f"    {quoted(attribute)}: {quoted(name)},\n" for attribute, name in names.items())
            constant = f'\n\nNAMES = {{\n{lines}}}\n"""The names that the artefact has for these columns."""'
            argument = "frame.rename(columns=NAMES)"
        return {
            "artefact_literal": quoted(self._artefact_name),
            "artefact_class": self.artefact.class_name,
            "names_constant": constant,
            "argument": argument,
        }

    def _paths(self) -> tuple[str, str]:
        """Return the names of the folder and of the sample as cron needs them; the sample's may be empty."""
        name = self.sample.name
        remote = not name or "://" in name or "--bucket" in self.flags
        return str(Path(self.folder).absolute()), name if remote else str(Path(name).absolute())

    def _crontab_values(self) -> dict[str, str]:
        script = Path(sys.executable).with_name("model-etl")
        command = [str(script)] if script.exists() else [sys.executable, "-m", "model_etl"]
        folder, source = self._paths()
        values = {
            "folder": shlex.quote(folder),
            "command": shlex.join(command),
            "input": shlex.quote(source) if source else f"data/{self.sample.file([])[0]}",
            "output": "out.json",
            "flags": "".join(f" {_shell_word(flag)}" for flag in self.flags),
        }
        return {name: value.replace("%", r"\%") for name, value in values.items()}

    def _requirements(self) -> list[str]:
        own = ["ml-base>=0.2.2", "pydantic>=2.10"]
        if self.artefact is not None:
            return sorted([*own, "model-etl", *self.artefact.requirements()])
        return sorted([*own, "model-etl", "pandas"]) if self.frame else own

    def _error_of_check(self, staged: Path, package: str) -> ModelEtlError | None:
        """Return why the model does not predict its sample, or None if it does."""
        sample_name, _ = self.sample.file([])
        scoring = ScoringSettings(f"{package}.model:{_class_base(package)}Model")
        try:
            with _importable(staged, package):
                check_job(JobConfig(str(staged / "data" / sample_name), str(staged / "out.json"), scoring))
        except (ModelUnavailable, DataError) as exc:  # others are of the machine
            if (lack := lack_of_resources_behind(exc)) is not None:
                raise lack from exc
            return exc
        return None

    def _next_steps(self, package: str, field_count: int) -> list[str]:
        crontab = (Path(self.folder) / "crontab").read_text(encoding="utf-8").splitlines()[-1]
        model = f"{package}.model:{_class_base(package)}Model"
        return [
            f"{printable(self.folder)} has the model {model}: it takes {field_count} fields and predicts its sample.",
            "",
            f"  cd {shlex.quote(self.folder)}",
            "  make test",
            f"  model-etl try -m {model} < data/record.json",
            f"  model-etl run -i data/{self.sample.file([])[0]} -o out.json -m {model}",
            "",
            "What a record is: the types in schemas.py were drafted from a sample, read them once. For each night:",
            "",
            f"  {crontab}",
        ]


@contextlib.contextmanager
def _importable(folder: Path, package: str) -> Iterator[None]:
    """Make the folder the current one, and forget the package at the end: it may be written again, or elsewhere."""
    current, writes_bytecode = Path.cwd(), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(current)
        sys.dont_write_bytecode = writes_bytecode
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]


def _require_printable(path: str) -> None:
    """Check that a name can stand in a crontab, where a line break begins another command, whatever quotes it has.

    Raises:
        UsageError: if it has control characters, or is not UTF-8.
    """
    if printable(path) != path:
        raise UsageError(
            f"the name {printable(path)} has control characters or is not UTF-8: a crontab cannot have it",
            "Rename the file or the folder.",
        )


def _shell_word(text: str) -> str:
    """Return a word of a command line for a crontab; a control character, such as a delimiter, becomes an escape."""
    if printable(text) == text:
        return shlex.quote(text)
    octal = "".join(f"\\{byte:03o}" for byte in text.encode("utf-8", "surrogateescape"))
    return f"\"$(printf '{octal}')\""


def _class_base(package: str) -> str:
    """Return the first part of the names of the classes in a package."""
    name = camel_case(package)
    return name.removesuffix("Model") or name


def _rendered(template: str, values: Mapping[str, str]) -> str:
    """Return the text of a template with its placeholders filled in."""
    file = importlib.resources.files("model_etl.new_package.templates") / f"{template}.tmpl"
    return Template(file.read_text(encoding="utf-8")).substitute(values)
