"""A folder in which the cases of local failures run."""

from __future__ import annotations

import contextlib
from pathlib import Path

from case import Builder, Case
from helpers.command import MODELS, Etl, minding_modes
from helpers.snapshots import snapshot

_cases = Builder(model="failing_models:Good", input_file="in.json", output_file="out.json")
fails, succeeds = _cases.fails, _cases.succeeds


class LocalPlace:
    """A folder with the input, earlier outputs and two folders beside them: `locked` and `sub`."""

    def __init__(self, etl: Etl) -> None:
        self._etl = etl
        self.folder = etl.folder

    def expand(self, text: str) -> str:
        """Return the text: a folder has no names of its own."""
        return text

    def prepare(self, case: Case) -> None:
        """Make the folders, the input and the earlier outputs."""
        for name in ("locked", "sub"):
            (self.folder / name).mkdir()
        if case.input is not None and case.input_file != "-":
            self._path(case.input_file).write_bytes(case.input)
        if case.set_up:
            case.set_up(self.folder)
        (self.folder / "out.log.ldjson").write_bytes(case.earlier["out.log.ldjson"])
        output = self._path(case.output_file)
        if case.output_file != "-" and output.parent.is_dir() and not output.exists():
            with contextlib.suppress(PermissionError):
                output.write_bytes(case.earlier["out.json"])

    def _path(self, name: str) -> Path:
        return self.folder / name.removeprefix("faulty://")

    def command(self, case: Case) -> list[str]:
        """Return the command; with a fault, the one that has a service whose files fail."""
        files = ("--input_file", case.input_file, "--output_file", case.output_file)
        command = self._etl.command(case.verb, "--model", case.model, *files, *case.arguments)
        if case.faults:
            command[1:3] = [str(MODELS / "failing_storage.py")]
        if case.shell:
            command = ["bash", "-c", case.shell, "bash", *command]
        return minding_modes(command) if case.mode_matters else command

    def environment(self, case: Case) -> dict[str, str]:
        """Return the environment, with what failing_storage is to raise."""
        fault = case.faults[0] if case.faults else "none:1:io"
        return self._etl.environment(FAULT=fault, PYTHONDONTWRITEBYTECODE="1", **case.env)

    def snapshot(self) -> dict[str, object]:
        """Return all that the folder holds."""
        return snapshot(self.folder)

    def check_files(self, case: Case) -> None:
        """Check nothing: the snapshot holds all."""

    def check_message(self, case: Case, err: str) -> None:
        """Check nothing: the table names the files in `says`."""
