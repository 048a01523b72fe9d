"""A server that is down is waited for once, by all requests together.

A few failures in a row without an answer between them are an outage. From then on requests stand in one queue; after each
pause, which doubles up to a minute unless the server says how long, one of them looks whether the server is back. It goes to the
end of the queue if not, so that one request that always fails holds up no other. While no new failure comes, twice as many follow
every two seconds, and the first answer lets all go on.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections import deque

from contextrot.printable import printable
from contextrot.responses.clock import Clock
from contextrot.wire.faults import Failure, RateLimited

FAILURES_OF_AN_OUTAGE = 3
LONGEST_PAUSE_SECONDS = 60.0
PROBE_SECONDS = 2.0
SECONDS_BETWEEN_LINES = 30.0
SECONDS_BEFORE_THE_FIRST_LINE = 5.0

log = logging.getLogger(__name__)


def backoff(first_pause: float, failures: int, failure: Failure) -> float:
    """Seconds before the next try after so many failures: doubled each time, with jitter; longer if the server asks for it, never less."""
    pause = min(first_pause * 2 ** min(failures - 1, 30) * (1 + random.random()), LONGEST_PAUSE_SECONDS)
    if failure.retry_after is None:
        return min(4 * pause, LONGEST_PAUSE_SECONDS) if isinstance(failure, RateLimited) else pause
    asked = failure.retry_after + random.random() * min(1.0, failure.retry_after / 10)
    return max(asked, min(pause / 4, 1.0))  # "Retry-After: 0" for ever is no reason to ask without pause


class Outages:
    """Tells outages from single failures, and lets requests through while there is one.

    Args:
        clock: the time.
        first_pause: seconds before the first look whether the server is back.
        limit_seconds: how long a request is tried (retry_deadline_seconds).
        name: who is waited for, in messages.

    Attributes:
        since: when the present outage began (monotonic); None without one.
        last: the last failure.
    """

    def __init__(self, clock: Clock, first_pause: float, limit_seconds: float, name: str) -> None:
        self.since: float | None = None
        self.last: Failure | None = None
        self._clock, self._first_pause, self._limit, self._name = clock, first_pause, limit_seconds, name
        self._in_a_row = self._rounds = 0
        self._first_at = self._retry_at = self._said_at = 0.0
        self._batch = 1
        self._queue: deque[tuple[float, asyncio.Future[bool]]] = deque()
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    def answered(self) -> None:
        """The server answers."""
        self._in_a_row = 0
        if self.since is None:
            return
        if self._said_at > self.since:
            self._say(f"{self._name} answers again, after {self._clock.monotonic() - self.since:.0f} s")
        self.since, self._rounds = None, 0
        self._let_go(len(self._queue))
        self._changed.set()

    def failed(self, failure: Failure, until: float) -> float | None:
        """A request that is tried until then failed in a way that time heals.

        Returns:
            The pause that all jobs should take now, None if that is no outage (or no new pause).
        """
        now = self._clock.monotonic()
        self.last = failure
        self._in_a_row += 1
        if self._in_a_row == 1:
            self._first_at = now
        if self.since is None:
            if self._in_a_row < FAILURES_OF_AN_OUTAGE:
                return None
            self.since = self._said_at = self._first_at
            self._retry_at, self._rounds = now, 0
        self._batch = 1
        if now < self._retry_at and failure.retry_after is None:
            return None
        self._rounds += now >= self._retry_at
        retry_at = max(self._retry_at, now + backoff(self._first_pause, self._rounds or 1, failure))
        if failure.retry_after is None:
            earliest = min([until, *(waits for waits, _ in self._queue)]) - min(1.0, self._limit / 20)
            retry_at = earliest if now < earliest < retry_at else retry_at  # a last look before the first must give up
        self._retry_at = retry_at
        self._changed.set()
        return retry_at - now if self._rounds > 1 else None  # the first pause of what may be no outage is nobody else's matter

    async def admit(self, until: float) -> bool:
        """Waits while the server is down until it is this request's turn; False if it is not before `until` (monotonic)."""
        if self.since is None:
            return True
        place = asyncio.get_running_loop().create_future()
        self._queue.append((until, place))
        self._changed.set()
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())
        return await place

    def release(self) -> None:
        """Lets all go on, because the job ends."""
        self.since = None
        self._let_go(len(self._queue))
        self._changed.set()

    async def _keep(self) -> None:
        try:
            while self._queue:
                now = self._clock.monotonic()
                self._tell(now)
                if now >= self._retry_at:
                    self._let_go(self._batch)
                    self._batch *= 2
                    await self._change(PROBE_SECONDS)
                else:
                    await self._change(min(self._retry_at - now, max(0.1, self._tell_at() - now)))
                now = self._clock.monotonic()
                for until, place in [entry for entry in self._queue if entry[0] <= now]:
                    self._queue.remove((until, place))
                    if not place.done():
                        place.set_result(False)
        finally:
            self._keeper = None

    def _let_go(self, count: int) -> None:
        while self._queue and count > 0:
            _, place = self._queue.popleft()
            if not place.done():
                place.set_result(True)
                count -= 1

    async def _change(self, seconds: float) -> None:
        """Waits so long, or until something has changed."""
        self._changed.clear()
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._changed.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _tell(self, now: float) -> None:
        if self.since is None or self.last is None:
            return
        if now >= self._tell_at():
            self._said_at = now
            says = f"answers {self.last.status}" if self.last.status else "cannot be reached"
            left = min(until for until, _ in self._queue) - now
            next_look = max(0.0, self._retry_at - now)
            self._say(
                f"waiting: {self._name} {says} ({self.last.message[:120]}), since {now - self.since:.0f} s; "
                f"asked again in {next_look:.0f} s, given up in {left:.0f} s"
            )

    def _tell_at(self) -> float:
        return self._said_at + (SECONDS_BEFORE_THE_FIRST_LINE if self._said_at == self.since else SECONDS_BETWEEN_LINES)

    def _say(self, line: str) -> None:
        log.warning("%s", line)
        print(printable(line), file=sys.stderr)
