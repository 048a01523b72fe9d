"""Time that passes only while everybody waits, for tests of outages that last minutes."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Coroutine
from typing import Any

from contextrot.responses.clock import Clock


class VirtualClock(Clock):
    """Runs coroutines; each sleep ends at its time, and the time moves to the next end once nothing else can happen.

    Args:
        settle_seconds: real seconds given to threads before the time moves.
    """

    def __init__(self, settle_seconds: float = 0.002) -> None:
        self.time = 1_000_000_000.0
        self._settle_seconds = settle_seconds
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        sleeper = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.time + max(0.0, seconds), next(self._numbers), sleeper))
        await sleeper

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The coroutine's result."""
        return asyncio.run(self._run(coroutine))

    async def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.ensure_future(coroutine)
        while not task.done():
            for _ in range(10):
                await asyncio.sleep(0)
            await asyncio.sleep(self._settle_seconds)
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            if self._sleepers:
                self.time = max(self.time, self._sleepers[0][0])
                while self._sleepers and self._sleepers[0][0] <= self.time:
                    _, _, sleeper = heapq.heappop(self._sleepers)
                    if not sleeper.done():
                        sleeper.set_result(None)
        return task.result()
