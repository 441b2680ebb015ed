"""Notes in Kafka of the messages that are in hand, by which a message that kills processes is found.

The note of a partition is the metadata of its committed offset, so it goes with the partition to whichever process
takes that over, and is written and fenced like the offset. It lists ends: each is the offset after a batch that began
at the committed offset or before, and that was in hand when a process died, or is in hand now. So a message was in hand
at as many deaths as there are ends behind it.

After one death a partition's batches are small, after two each message is alone, after three it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from math import isqrt
from typing import NamedTuple

from aiokafka import TopicPartition

from model_etl.engines.kafka.messages import Message
from model_etl.errors import RecordError

ATTEMPTS = 3
"""At how many deaths a message must have been in hand, at the last of them alone, to be refused."""
KILLER = RecordError(
    "predict", "ProcessDied", f"{ATTEMPTS} processes died with this message in hand, the last of them with it alone"
)
"""Why a message is refused."""
_NOTE = re.compile("model_etl in hand until ([0-9]+(?:,[0-9]+)*)")


class Committed(NamedTuple):
    """The committed offset of a partition.

    Attributes:
        offset: of the next message.
        metadata: the note.
    """

    offset: int
    metadata: str


class InHandNotes:
    """The notes of the partitions that are assigned to a processor. Pure: it talks to no broker.

    Args:
        max_records: the most messages of a batch that nothing is known of.
    """

    def __init__(self, max_records: int) -> None:
        self._max_records = max_records
        self._sizes = (max_records, 1 + isqrt(max_records - 1), 1)
        self._ends: dict[TopicPartition, list[int]] = {}
        self._offsets: dict[TopicPartition, int] = {}
        self._noted: set[TopicPartition] = set()

    def take_over(self, committed: Mapping[TopicPartition, tuple[int, str]]) -> None:
        """Take over newly assigned partitions.

        Args:
            committed: their committed offsets and metadata; the offset is negative if there is none.
        """
        self.forget()
        for partition, (offset, metadata) in committed.items():
            found = _NOTE.fullmatch(metadata or "")
            self._offsets[partition] = offset
            self._ends[partition] = [int(end) for end in found[1].split(",")] if found else []

    def forget(self) -> None:
        """Forget all partitions, because they are assigned anew."""
        self._ends, self._offsets, self._noted = {}, {}, set()

    def deaths(self, partition: TopicPartition, offset: int) -> int:
        """Return the number of processes that died with a message in hand."""
        return sum(end > offset for end in self._ends.get(partition, ()))

    def batch_size(self, partition: TopicPartition) -> int:
        """Return the most messages of the next batch of a partition."""
        deaths = self.deaths(partition, self._offsets.get(partition, 0))
        return self._sizes[min(deaths, len(self._sizes) - 1)]

    def suspects(self, partitions: Collection[TopicPartition]) -> list[TopicPartition]:
        """Return the partitions whose next message was in hand when a process died, in a fixed order."""
        offsets = self._offsets
        return [partition for partition in sorted(partitions) if self.deaths(partition, offsets.get(partition, 0))]

    def refused(self, partition: TopicPartition, messages: Sequence[Message]) -> bool:
        """Return whether a batch is a single message that is to be refused."""
        return len(messages) == 1 and self.deaths(partition, messages[0].offset) >= ATTEMPTS

    def before(self, messages: Mapping[TopicPartition, Sequence[Message]]) -> dict[TopicPartition, Committed]:
        """Return what to commit before a batch is scored: the notes that are not in Kafka yet.

        Args:
            messages: the batch.
        """
        notes = {}
        for partition, received in messages.items():
            if partition not in self._noted and not self.refused(partition, received):
                notes[partition] = self._note(partition, received[0].offset, received[-1].offset + 1)
                self._offsets[partition] = received[0].offset
        self._noted.update(notes)
        return notes

    def after(self, messages: Mapping[TopicPartition, Sequence[Message]]) -> dict[TopicPartition, Committed]:
        """Return what to commit after a batch; unless it was a suspect's, the next batch is in hand by that.

        Args:
            messages: the batch.
        """
        notes = {}
        for partition, received in messages.items():
            offset = received[-1].offset + 1
            suspect = bool(self.deaths(partition, received[0].offset))
            notes[partition] = self._note(partition, offset, None if suspect else offset + self._max_records)
        return notes

    def committed(self, notes: Mapping[TopicPartition, Committed]) -> None:
        """Remember what `after` returned, once it is committed."""
        for partition, (offset, metadata) in notes.items():
            kept = [end for end in self._ends[partition] if end > offset]
            self._offsets[partition], self._ends[partition] = offset, kept
            if metadata == _encode(kept):
                self._noted.discard(partition)
            else:
                self._noted.add(partition)

    def release(self, kept: Collection[TopicPartition] = ()) -> dict[TopicPartition, Committed]:
        """Return what to commit when partitions are given up in good order: nothing is in hand any more.

        Args:
            kept: partitions whose notes stay, because their messages end this process.
        """
        noted, self._noted = self._noted - set(kept), set()
        return {partition: self._note(partition, self._offsets[partition], None) for partition in noted}

    def _note(self, partition: TopicPartition, offset: int, in_hand: int | None) -> Committed:
        ends = [end for end in self._ends.get(partition, ()) if end > offset]
        return Committed(offset, _encode(ends if in_hand is None else [*ends, in_hand]))


def _encode(ends: Sequence[int]) -> str:
    return f"model_etl in hand until {','.join(map(str, ends))}" if ends else ""
