"""Turns of the models of a process: their batches go on at the same time, but a suspect batch is alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Turns:
    """Lets batches go on together, or one alone, so that only what killed the process was in hand."""

    def __init__(self) -> None:
        self._condition = asyncio.Condition()
        self._running = 0
        self._alone = 0

    @contextlib.asynccontextmanager
    async def take(self, *, alone: bool) -> AsyncIterator[None]:
        """Wait for a turn, and keep it until the block is left.

        Args:
            alone: whether no other batch may be in hand; others that come later wait for it.
        """
        async with self._condition:
            self._alone += alone
            try:
                await self._condition.wait_for(lambda: not self._running if alone else not self._alone)
            except BaseException:
                self._end(alone=alone)
                raise
            self._running += 1
        try:
            yield
        finally:
            async with self._condition:
                self._running -= 1
                self._end(alone=alone)

    def _end(self, *, alone: bool) -> None:
        self._alone -= alone
        self._condition.notify_all()
