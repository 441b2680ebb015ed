"""What a person is told when more records were rejected than are tolerated."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from model_etl.settings.values import MaxErrors

FIRST = 5
"""Rejects that are named before they are only counted."""


def too_many(rejected: int, read: int, tolerated: MaxErrors, first: Sequence[bytes]) -> str:
    """Say that there are too many rejects, and name the first.

    Args:
        rejected: how many records were rejected.
        read: how many were read.
        tolerated: how many may be.
        first: lines of the rejects file; no more than `FIRST` are told.
    """
    told = [
        f"  record {reject['position']} of {reject['input']}, {reject['stage']}: {reject['type']}:"
        f" {' '.join(reject['message'].split())}"
        for reject in map(msgspec.json.decode, first[:FIRST])
    ]
    if told and len(told) < rejected:
        told.append(f"  and {rejected - len(told)} more")
    head = f"{rejected} of {read} records were rejected, {tolerated} are tolerated; nothing was published"
    return "\n".join([head, *told])
