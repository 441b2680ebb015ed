"""One end of what connects two processes: objects go through a pipe, the blocks of bytes in them through memory."""

from __future__ import annotations

import mmap
import pickle
from multiprocessing.connection import Connection
from typing import Any

from model_etl.records.batch import BATCH_BYTES

SLOT = 2 * BATCH_BYTES
"""Bytes of shared memory for one message: a batch and a line that was begun before it, with room to spare."""


class Channel:
    """Sends and receives objects.

    Args:
        connection: a pipe.
        memory: shared with the other end, in slots of `SLOT` bytes; None if there is none.
    """

    def __init__(self, connection: Connection[Any, Any], memory: mmap.mmap | None) -> None:
        self.connection = connection
        self._memory = None if memory is None else memoryview(memory)

    def send(self, value: object, slot: int = 0) -> None:
        """Send an object; what was sent in the same slot before must have been received.

        Raises:
            OSError: if the other end is closed.
        """
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(value, 5, buffer_callback=buffers.append)
        views = [buffer.raw() for buffer in buffers]
        if self._memory is None or sum(view.nbytes for view in views) > SLOT:
            self.connection.send((pickle.dumps(value, 5), ()))
            return
        start, spans = slot * SLOT, []
        for view in views:
            spans.append((start, start + view.nbytes))
            self._memory[slice(*spans[-1])] = view
            start = spans[-1][1]
        self.connection.send((pickled, spans))

    def receive(self) -> Any:
        """Wait for an object.

        Raises:
            EOFError, OSError: if the other end is closed.
        """
        pickled, spans = self.connection.recv()
        # Ours is the other end's pipe.
        return pickle.loads(pickled, buffers=[bytes(self._memory[slice(*span)]) for span in spans])  # type: ignore[index]  # noqa: S301
