"""Requests of the same content are asked once: within a job by one of those who want the answer, between jobs by a claim in the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from contextrot.records import Response
from contextrot.responses.claims import Claims
from contextrot.responses.clock import Stop
from contextrot.responses.store import RequestStore

SECONDS_BETWEEN_LOOKS = 0.05, 1.0
"""First and longest pause between looks whether another job has its answer."""

log = logging.getLogger(__name__)


class AskedOnce:
    """Who is asking what.

    Args:
        store: finished answers; its folder takes the claims.
        stop: the job's end, and the time.
    """

    def __init__(self, store: RequestStore, stop: Stop) -> None:
        self._store, self._stop = store, stop
        self._claims = Claims(store.folder)
        self._asking: dict[str, asyncio.Future[Response | None] | None] = {}

    async def answer(self, key: str, ask: Callable[[], Awaitable[Response]]) -> Response:
        """The stored answer, with `cached` set; else that of whoever is asking it now, else the one that `ask` brings.

        Raises:
            ContextRotError: of `ask`, or because the job has ended.
        """
        while key in self._asking:
            self._asking[key] = waiting = self._asking[key] or asyncio.get_running_loop().create_future()
            response = await asyncio.shield(waiting)
            if response is not None:
                return replace(response, cached=response.outcome not in ("failed", "over_window"))
            self._stop.check()  # else its asker was cancelled: somebody else asks
        self._asking[key] = None
        response = None
        try:
            response = await self._stored(key)
            if response is None:
                try:
                    response = await ask()
                finally:
                    self._claims.release(key)
            return response
        finally:
            follower = self._asking.pop(key)
            if follower is not None and not follower.done():
                follower.set_result(response and replace(response))  # the asker may go on to change its own

    async def _stored(self, key: str) -> Response | None:
        """The stored answer; None once no other job is asking it and the claim is ours."""
        pause, longest = SECONDS_BETWEEN_LOOKS
        while True:
            claimed = self._claims.take(key)  # before the look: an answer that comes between the two would be missed
            stored = self._store.get(key)
            if stored is not None:
                if claimed:
                    self._claims.release(key)
                return stored
            if claimed:
                return None
            if pause == SECONDS_BETWEEN_LOOKS[0]:
                log.info("another job is asking the request %s; its answer is waited for", key[:16])
            await self._stop.sleep(pause)
            pause = min(2 * pause, longest)

    def close(self) -> None:
        """Gives all claims back."""
        self._claims.close()
