"""Sends one request until it is answered, by what the failures mean: time ends the tries, not their number.

- What heals by itself (the server asks to wait, is down, loads, does not answer in time) is tried again until
  `retry_deadline_seconds` after the request was first sent. What the server asks to wait is waited, whatever the status.
- What came but is no answer may have been billed, and is tried `max_attempts` times.
- A kept-alive connection that the server had closed meanwhile costs no attempt and no pause; what was sent on it may have been billed.
- A server that is down is waited for by all requests together (`outages`), and by the other jobs that share its rate limit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from contextrot.engines import Endpoint
from contextrot.errors import EngineError
from contextrot.responses.clock import Clock, Stop
from contextrot.responses.outages import Outages, backoff
from contextrot.responses.ratelimit import AdaptiveConcurrency, TokenBucket
from contextrot.responses.spending import Account, Reservation
from contextrot.responses.transport import Reply
from contextrot.settings import Settings
from contextrot.wire import faults
from contextrot.wire.faults import Failure

MOST_RESTARTS = 3
MOST_STALE_CONNECTIONS = 5

log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """How a request ended.

    Attributes:
        attempts: requests that were sent for it.
        result: the reply, or the last failure.
        reservation: the money set aside for the reply, for the caller to settle; None for a failure.
        by_batch: whether it came in a batch, at a batch's price.
    """

    attempts: int
    result: Reply | Failure
    reservation: Reservation | None = None
    by_batch: bool = False


class Retrying:
    """Sends requests of one client, and keeps what their failures mean for all of them.

    Args:
        endpoint: restarted if it is a server of ours that has died.
        settings: retry_deadline_seconds, max_attempts.
        send: one attempt: the failure or None, and the reply.
        refuse: what to raise for a failure that no request of the job would escape.
        bucket, concurrency: how fast and how many.
        account: what it may cost.
        clock, stop: the time, and the job's end.
        first_pause: seconds before a second try; doubles up to a minute.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Settings,
        send: Callable[[dict[str, Any], int], Awaitable[tuple[Failure | None, Reply]]],
        refuse: Callable[[Failure], Exception],
        bucket: TokenBucket,
        concurrency: AdaptiveConcurrency,
        account: Account,
        clock: Clock,
        stop: Stop,
        first_pause: float,
    ) -> None:
        self._endpoint, self._settings, self._send, self.refuse = endpoint, settings, send, refuse
        self._bucket, self._concurrency, self._account = bucket, concurrency, account
        self._clock, self._stop, self._first_pause = clock, stop, first_pause
        name = endpoint.base_url or endpoint.provider
        self.outages = Outages(clock, first_pause, settings.retry_deadline_seconds, f"server {name}")
        self._restarts = 0

    async def send(self, body: dict[str, Any], key: str, prompt_tokens: int, bound: int) -> Outcome:
        """The reply to a request, or its last failure.

        Args:
            key: of the request, for the ledger.
            prompt_tokens: for the rate limit.
            bound: what the request may cost at most, pico-USD.

        Raises:
            RequestError: if no request makes sense any more (key, model name, budget).
            EngineError: if a server of ours cannot be brought back.
            StoreError: if the ledger cannot be written.
        """
        limit, clock, outages = self._settings.retry_deadline_seconds, self._clock, self.outages
        attempts = unreadable = 0
        deadline: float | None = None
        last: Failure | None = None
        while True:
            admitted = outages.since is not None
            if admitted and not await outages.admit(clock.monotonic() + limit if deadline is None else deadline):
                return Outcome(attempts, last or outages.last)
            await self._bucket.acquire(prompt_tokens)
            async with self._concurrency.ahead() if attempts else self._concurrency:
                self._stop.check()
                if outages.since is not None and not admitted:
                    continue
                failure, reply, reservation, sent_at = await self._once(body, key, prompt_tokens, bound)
                deadline = sent_at + limit if deadline is None else deadline
                attempts += 1
            if failure is None:
                self._concurrency.answered()
                outages.answered()
                return Outcome(attempts, reply, reservation)
            last = failure
            unreadable += isinstance(failure, faults.Unreadable)
            pause = backoff(self._first_pause, attempts, failure)
            ended = self._ended(failure, unreadable, deadline)
            await self._consequences(failure, sent_at, deadline, ended)
            if ended:
                return Outcome(attempts, failure)
            if outages.since is None:
                left = max(0.0, deadline - clock.monotonic())
                await self._stop.sleep(pause if failure.retry_after is not None else min(pause, left))

    async def _once(
        self, body: dict[str, Any], key: str, prompt_tokens: int, bound: int
    ) -> tuple[Failure | None, Reply, Reservation, float]:
        """One attempt, whose reservations are settled but for that of a reply; also the last one, and when it was first sent."""
        sent_at = None
        for again in range(MOST_STALE_CONNECTIONS, -1, -1):
            reservation = await self._account.reserve(key, bound)
            sent_at = self._clock.monotonic() if sent_at is None else sent_at
            try:
                failure, reply = await self._send(body, prompt_tokens)
            except BaseException:
                self._account.lose(reservation)
                raise
            if failure is not None:
                self._account.lose(reservation) if failure.billed else self._account.settle(reservation, 0)
            if not (again and isinstance(failure, faults.StaleConnection)):
                break
        return failure, reply, reservation, sent_at

    def _ended(self, failure: Failure, unreadable: int, deadline: float) -> bool:
        """Whether the request is not sent again."""
        now = self._clock.monotonic()
        if not failure.retried or unreadable >= self._settings.max_attempts:
            return True
        if failure.retry_after is not None and now + failure.retry_after > deadline:
            failure.message += (
                f" (the server asks to wait {failure.retry_after:.0f} s, but retry_deadline_seconds = "
                f"{self._settings.retry_deadline_seconds:g} is over before; raise it, or run the same command later)"
            )
            return True
        return now >= deadline

    async def _consequences(self, failure: Failure, sent_at: float, deadline: float, final: bool) -> None:
        """What a failed attempt means for all others."""
        log.warning("attempt failed: %s (status %s): %s", failure.kind, failure.status, failure.message[:300])
        if failure.stops:
            raise self.refuse(failure)
        if isinstance(failure, faults.RateLimited):
            self._concurrency.rejected(sent_at)
        if not failure.retried:
            self.outages.answered()
        elif not isinstance(failure, faults.Unreadable):
            pause = max(self.outages.failed(failure, deadline) or 0.0, failure.retry_after or 0.0)
            if pause and not final:
                self._bucket.pause(min(pause, self._settings.retry_deadline_seconds))
        if isinstance(failure, (faults.NoConnection, faults.CutStream, faults.TimedOut)):
            await self._revive()

    async def _revive(self) -> None:
        """Restarts a server of ours that has died; once for all requests that it took with it."""
        try:
            await asyncio.to_thread(self._endpoint.alive)
            return
        except EngineError as death:
            log.warning("%s", death)
        async with self._concurrency.exclusive():
            try:
                await asyncio.to_thread(self._endpoint.alive)
            except EngineError as death:
                self._restarts += 1
                if self._restarts > MOST_RESTARTS:
                    raise EngineError(f"{death} It was restarted {MOST_RESTARTS} times.") from death
                await asyncio.to_thread(self._endpoint.reset)
