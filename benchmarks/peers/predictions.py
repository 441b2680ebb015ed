"""What a peer wrote, made comparable."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec

_BLOCK_BYTES = 1 << 20


class _Line(msgspec.Struct):
    species: str


@dataclass(frozen=True)
class Predictions:
    """The predictions in a file of JSON Lines, however their JSON is spaced.

    Attributes:
        digest: SHA-256 of the predictions in their order.
        counts: how often each occurs.
    """

    digest: str
    counts: dict[str, int]

    def same(self, other: Predictions, *, order: bool) -> bool:
        """Return whether both hold the same; those without an order are compared as multisets."""
        return self.counts == other.counts and (self.digest == other.digest or not order)


def read(path: Path) -> Predictions:
    """Read a file."""
    digest, counts = hashlib.sha256(), Counter[str]()
    decoder = msgspec.json.Decoder(_Line)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            species = [line.species for line in decoder.decode_lines(block + file.readline())]
            counts.update(species)
            digest.update("".join(f"{name}\n" for name in species).encode())
    return Predictions(digest.hexdigest(), dict(sorted(counts.items())))
