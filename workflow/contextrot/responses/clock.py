"""Time as the client sees it: passed in, so that a test of an outage of two minutes takes none."""

from __future__ import annotations

import asyncio
import time

from contextrot.errors import ContextRotError


class Clock:
    """The machine's own time."""

    def now(self) -> float:
        """Seconds since the epoch, the same in all processes."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never jump, from an arbitrary beginning."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)


class Stop:
    """Whether a job has come to its end early, and sleep that ends then too.

    Attributes:
        error: why; None as long as the job goes on. The first one stays.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.error: ContextRotError | None = None
        self._sleeping: set[asyncio.Future[None]] = set()

    def set(self, error: ContextRotError | None) -> None:
        """Ends the job: whoever sleeps or sleeps later raises the error."""
        self.error = self.error or error
        if self.error is not None:
            for sleeper in self._sleeping:
                if not sleeper.done():
                    sleeper.cancel()

    def check(self) -> None:
        """Raises the error, if there is one."""
        if self.error is not None:
            raise self.error

    async def sleep(self, seconds: float) -> None:
        """Waits so long, or until the job ends.

        Raises:
            ContextRotError: the reason, if the job has ended.
        """
        self.check()
        sleeper = asyncio.ensure_future(self.clock.sleep(seconds))
        self._sleeping.add(sleeper)
        try:
            await asyncio.wait({sleeper})
        finally:
            self._sleeping.discard(sleeper)
            sleeper.cancel()
        self.check()
