"""How fast requests go out: tokens and requests per minute, pauses that the server asks for, and how many at once.

The bucket is kept as one number, the time at which it is next empty of debt (the generic cell rate algorithm), so it is
exact, has no timer, and jobs that run at once can share it through a small locked file: each takes its place in one queue.
Requests that are small beside the limits take their places some at a time, so that not each of a thousand a second locks the file.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from contextrot.responses.clock import Clock

BURST_SECONDS = 0.25  # idle time that may be caught up; larger bursts make providers answer 429
LEASE_SECONDS = 0.05  # of the limits, taken at a time from the shared file
CLOCK_STEP_SECONDS = 60  # clocks of hosts that share a limit differ by less
LONGEST_DEBT_SECONDS = 7 * 86_400  # what the shared file says of later times is no place in a queue

log = logging.getLogger(__name__)


class TokenBucket:
    """Paces requests by tokens and by requests per minute.

    Args:
        tokens_per_minute, requests_per_minute: limits; None for none.
        shared: file through which jobs on one model share the limits; None for this process alone.
        clock, sleep: the time, and how it is waited for.
    """

    def __init__(
        self,
        tokens_per_minute: float | None = None,
        requests_per_minute: float | None = None,
        shared: Path | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._sleep = sleep or self._clock.sleep
        self._rates = {"tokens": (tokens_per_minute or 0) / 60, "requests": (requests_per_minute or 0) / 60}
        self._limited = any(self._rates.values())
        self._shared = shared if self._limited else None
        self._file: int | None = None
        self._free_at: dict[str, float] = {}
        self._spent_tokens = 0
        self._lease: dict[str, float] = {}
        self._lease_until = 0.0
        self._turn = asyncio.Lock()

    @property
    def counts_tokens(self) -> bool:
        """Whether there is a limit of tokens."""
        return bool(self._rates["tokens"])

    async def acquire(self, tokens: int) -> None:
        """Waits until a request of so many tokens may go out. First come, first served; one place per job in the queue."""
        if not self._limited and not self._free_at:
            return
        async with self._turn:
            seconds = self._take(tokens)
            if seconds > 0:
                await self._sleep(seconds)

    def _take(self, tokens: int) -> float:
        """Takes the place of one request, from the lease or from the queue; seconds until it comes up."""
        now = self._clock.now()
        wanted = {kind: amount for kind, amount in (("tokens", tokens), ("requests", 1)) if self._rates[kind]}
        debts = {"tokens": self._spent_tokens, "requests": 0}
        self._spent_tokens = 0
        lease = self._lease if now < self._lease_until else {}
        if lease and all(lease[kind] >= amount + debts[kind] for kind, amount in wanted.items()):
            self._lease = {kind: lease[kind] - amount - debts[kind] for kind, amount in wanted.items()}
            return 0.0
        extra = {kind: self._rates[kind] * LEASE_SECONDS if self._shared else 0.0 for kind in wanted}
        if any(amount > extra[kind] for kind, amount in wanted.items()):
            extra = dict.fromkeys(wanted, 0.0)
        with self._state() as free_at:
            start = max(now, free_at.get("pause", 0))
            for kind, amount in wanted.items():
                begin = max(free_at.get(kind, now) + debts[kind] / self._rates[kind], now - BURST_SECONDS)
                left = lease.get(kind, 0.0) - amount
                bought = max(0.0, extra[kind] - left)
                free_at[kind] = begin + bought / self._rates[kind]
                self._lease[kind] = left + bought
                start = max(start, begin)
        self._lease_until = start + BURST_SECONDS
        return start - now

    def spend(self, tokens: int) -> None:
        """Debits tokens that are known only afterwards (the answer's); the next request pays for them."""
        self._spent_tokens += tokens

    def pause(self, seconds: float) -> None:
        """Holds all requests back, those of other jobs too: the server asked for it, or is down."""
        self._lease_until = 0.0
        with self._state() as free_at:
            free_at["pause"] = max(free_at.get("pause", 0), self._clock.now() + seconds)

    @contextmanager
    def _state(self) -> Iterator[dict[str, float]]:
        if self._shared is None:
            yield self._as_of_now(self._free_at)
            return
        import fcntl

        try:
            if self._file is None:
                self._shared.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._shared, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError as error:
            log.warning(
                "rate limit: %s cannot be shared between jobs (%s); this job keeps the limit by itself", self._shared, error
            )
            self._shared = None
            yield self._as_of_now(self._free_at)
            return
        try:
            free_at = self._as_of_now(self._read())
            yield free_at
            content = json.dumps(free_at).encode()
            with suppress(OSError):  # a full disk: the limit holds for this job alone
                os.pwrite(self._file, content, 0)
                os.ftruncate(self._file, len(content))
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _as_of_now(self, free_at: dict[str, float]) -> dict[str, float]:
        """The same places in the queue by the clock of now: where it was set back since the last was taken, so are they."""
        now = self._clock.now()
        ahead = free_at.get("at", now) - now
        if ahead > CLOCK_STEP_SECONDS:
            free_at.update({kind: value - ahead for kind, value in free_at.items()})
        free_at["at"] = now
        return free_at

    def _read(self) -> dict[str, float]:
        """What the shared file says, as far as it can be true."""
        try:
            found = dict(json.loads(os.pread(self._file, 4096, 0)))
        except (ValueError, TypeError, OSError, RecursionError):
            return {}
        latest = self._clock.now() + LONGEST_DEBT_SECONDS
        return {kind: value for kind, value in found.items() if isinstance(value, (int, float)) and -latest < value < latest}

    def close(self) -> None:
        """Closes the shared file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class AdaptiveConcurrency:
    """How many requests are under way at once: halved when the server says 429, raised again as answers come.

    `async with` it holds one of the places.

    Args:
        most: the limit that is never exceeded.
        clock: the time.
    """

    def __init__(self, most: int, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self.most = most
        self.limit = float(most)
        self.active = 0
        self._closed = False
        self._last_cut = float("-inf")
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._idle: asyncio.Future[None] | None = None
        self._restarting = asyncio.Lock()

    async def __aenter__(self) -> None:
        """Takes one of the places; first come, first served."""
        await self._enter(ahead=False)

    @asynccontextmanager
    async def ahead(self) -> AsyncIterator[None]:
        """Holds one of the places, taken before all who wait: a request that is repeated keeps its turn."""
        await self._enter(ahead=True)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, ahead: bool) -> None:
        if self._closed or self._waiting or self.active >= int(self.limit):
            place = asyncio.get_running_loop().create_future()
            self._waiting.appendleft(place) if ahead else self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._leave()
                raise
        else:
            self.active += 1

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Waits until nothing is under way, and lets nothing start meanwhile."""
        async with self._restarting:
            self._closed = True
            try:
                if self.active:
                    self._idle = asyncio.get_running_loop().create_future()
                    await self._idle
                yield
            finally:
                self._closed, self._idle = False, None
                self._admit()

    def _leave(self) -> None:
        self.active -= 1
        if not self.active and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
        self._admit()

    def _admit(self) -> None:
        while self._waiting and not self._closed and self.active < int(self.limit):
            place = self._waiting.popleft()
            if not place.done():
                self.active += 1
                place.set_result(None)

    def rejected(self, sent_at: float) -> None:
        """A 429 to a request sent at that time (time.monotonic); those sent before the last cut count once."""
        if sent_at > self._last_cut:
            self._last_cut = self._clock.monotonic()
            self.limit = max(1.0, self.limit / 2)

    def answered(self) -> None:
        """An answer came: one place more for each full round."""
        self.limit = min(float(self.most), self.limit + 1 / self.limit)
        self._admit()
