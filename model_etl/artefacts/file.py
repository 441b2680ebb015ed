"""The bytes of an artefact: read once, so that what is loaded is what was digested."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from model_etl.errors import ModelUnavailable, PermissionRefused, printable

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class ArtefactFile:
    """A file or a folder that holds a model.

    Attributes:
        reference: the model as the user named it.
        path: where it lies on this machine.
        sha256: the digest of its bytes; of a folder, that of the digests and names of its files.
        size: number of bytes.
        content: its bytes; empty for a folder.
    """

    reference: str
    path: Path
    sha256: str
    size: int
    content: bytes = field(default=b"", repr=False)

    def damaged(self, cause: str, remedy: str = "") -> ModelUnavailable:
        """Return the error for an artefact that cannot be loaded.

        Args:
            cause: why not.
            remedy: what to do; by default to look at the file.
        """
        shown = " ".join(cause.split("Stack trace:", maxsplit=1)[0].split())
        return ModelUnavailable(
            f"cannot load the model {self.reference}: {printable(shown)}",
            remedy or f"Check that {self.path.name} is whole and what its name says; its SHA-256 is {self.sha256}.",
        )


def read_artefact(reference: str, location: str, *, folder: bool) -> ArtefactFile:
    """Read an artefact.

    Args:
        reference: the model as the user named it.
        location: a path, or a file:// URI.
        folder: whether the artefact is a folder, whose files are digested, and not kept.

    Raises:
        ModelUnavailable: if there is no such file or folder, or it is empty.
        PermissionRefused: if it may not be read.
    """
    is_uri = location.startswith("file://")
    path = Path(unquote(location.removeprefix("file://").removeprefix("localhost")) if is_uri else location)
    try:
        if not folder:
            content = path.read_bytes()
            if not content:
                raise _missing(reference, "the file is empty")
            return ArtefactFile(reference, path, hashlib.sha256(content).hexdigest(), len(content), content)
        if not path.is_dir():
            raise _missing(reference, "it is a file, not a folder" if path.exists() else "there is no such folder")
        digest, size = _folder_digest(path)
        return ArtefactFile(reference, path, digest, size)
    except FileNotFoundError:
        raise _missing(reference, "there is no such file") from None
    except IsADirectoryError:
        raise _missing(reference, "it is a folder, not a file") from None
    except PermissionError as exc:
        raise PermissionRefused(
            f"cannot read the model {reference}: permission refused", "Check who owns it and who runs this."
        ) from exc
    except (OSError, ValueError) as exc:
        raise _missing(reference, getattr(exc, "strerror", None) or str(exc)) from exc


def _missing(reference: str, cause: str) -> ModelUnavailable:
    return ModelUnavailable(f"cannot load the model {reference}: {cause}", "Check the path after --model.")


def _folder_digest(folder: Path) -> tuple[str, int]:
    """Return the SHA-256 of lines `DIGEST  NAME`, as sha256sum prints them, for all files in the order of names."""
    lines, size = hashlib.sha256(), 0
    for name in sorted(_files(folder)):
        digest = hashlib.sha256()
        with (folder / name).open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
                size += len(block)
        lines.update(f"{digest.hexdigest()}  {name}\n".encode("utf-8", "surrogateescape"))
    return lines.hexdigest(), size


def _files(folder: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]  # Python writes it when the model is loaded
        yield from (Path(parent, name).relative_to(folder).as_posix() for name in names)
