"""Sends prompts to an endpoint, so many at once, and times every token as vLLM's serving benchmark does.

Source of the definitions: vLLM, benchmarks/lib/endpoint_request_func.py and benchmarks/serve.py. The first token is the first
chunk of the stream that brings text, thought or a tool call (not one that only names the role, which servers send before they compute); a request ends with
the last chunk that has a choice, not with the chunk of the token counts.
TPOT = (end - first token) / (output tokens - 1), with the server's count of output tokens.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from aiohttp import (
    ClientConnectionResetError,
    ClientError,
    ClientOSError,
    ClientSession,
    ClientTimeout,
    ServerDisconnectedError,
    TCPConnector,
)

from contextrot.engines import Endpoint
from contextrot.errors import RequestError
from contextrot.records import Sample
from contextrot.serving.sending import Bodies, now, send
from contextrot.serving.timings import Answer, FailedRequest, Timing, Turn, all_answered
from contextrot.wire.faults import Failure

CLOSED_BEFORE = (ClientConnectionResetError, ClientOSError, ServerDisconnectedError)
"""What a request meets on a connection that is closed already, at once; later they mean that the server broke off."""
AT_ONCE_SECONDS = 0.5


class LoadGenerator:
    """Sends requests over one pool of connections, which is kept from one group of requests to the next.

    Use it as a context manager.

    Attributes:
        reconnected: requests that were sent again because the server had closed the connection before it read them.

    Args:
        bodies: makes the bodies of requests; without it as servers take them that this workflow starts.
        loop: makes the event loop whose clock times requests; asyncio's own without it.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        timeout_seconds: float = 600,
        bodies: Bodies | None = None,
        loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        self._endpoint, self._timeout_seconds = endpoint, timeout_seconds
        self.bodies = bodies or Bodies(endpoint)
        self.reconnected = 0
        self._runner = asyncio.Runner(loop_factory=loop)
        self._session: ClientSession | None = None

    def __enter__(self) -> LoadGenerator:
        return self

    def __exit__(self, *_: object) -> None:
        if self._session is not None:
            self._runner.run(self._session.close())
        self._runner.close()

    def closed_loop(self, samples: Sequence[Sample], concurrency: int, options: dict[str, Any]) -> tuple[list[Answer], float]:
        """Sends every sample once, at most `concurrency` at a time, each as soon as an earlier one ends; see `play`."""
        return self.play([[Turn(sample)] for sample in samples], options, concurrency)

    def play(
        self,
        sessions: Sequence[Sequence[Turn]],
        options: dict[str, Any] | Callable[[Sample], dict[str, Any]],
        at_once: int | None = None,
        window: int | None = None,
    ) -> tuple[list[Answer], float]:
        """Sends the turns of every session, one after the other; sessions go on side by side.

        A turn is sent when it is due and the one before it is answered and thought about. Latencies count from then (open loop), so that
        a sender that is late itself leaves nothing out; in a closed loop from when it is sent.

        Args:
            options: fields of each request, such as temperature, seed, ignore_eos.
            at_once: how many sessions may be under way; as many as are due without it.
            window: tokens of a chat, beyond which a growing session ends.

        Returns:
            For each turn, sessions in order, its timing or why there is none; and the seconds from the beginning to the last end.
            `Timing.start` is when it was due, `Timing.late_seconds` how much later it was sent.

        Raises:
            EngineError: if the engine has stopped.
        """
        return self._runner.run(self._play(sessions, options if callable(options) else lambda _: options, at_once, window))

    async def _play(
        self,
        sessions: Sequence[Sequence[Turn]],
        options: Callable[[Sample], dict[str, Any]],
        at_once: int | None,
        window: int | None,
    ) -> tuple[list[Answer], float]:
        await self._connect(min(at_once or 1, len(sessions)))
        places = asyncio.Semaphore(at_once or len(sessions) or 1)
        gc.collect()
        gc.freeze()  # the prompts of a long load are many objects, and looking through them takes longer than a request may be late
        began = now()

        async def one(turns: Sequence[Turn]) -> list[Answer]:
            async with places:
                return await self._answers(turns, options, began, window)

        tasks: dict[int, asyncio.Task[list[Answer]]] = {}
        try:
            # a session's task is made when it is due: many that are made together would keep the first ones waiting
            for index in sorted(range(len(sessions)), key=lambda index: sessions[index][0].due_seconds or 0.0):
                await _until(began + (sessions[index][0].due_seconds or 0.0))
                tasks[index] = asyncio.create_task(one(sessions[index]))
            answers = [answer for index in range(len(sessions)) for answer in await tasks[index]]
        finally:
            gc.unfreeze()
        seconds = now() - began
        await self._raise_if_stopped(answers)
        return answers, seconds

    async def _answers(
        self, turns: Sequence[Turn], options: Callable[[Sample], dict[str, Any]], began: float, window: int | None
    ) -> list[Answer]:
        answers: list[Answer] = []
        chat: list[dict[str, str]] = []
        end = None
        for number, turn in enumerate(turns):
            ready = None if end is None else end + turn.think_seconds
            due = ready if turn.due_seconds is None else max(began + turn.due_seconds, ready or 0.0)
            if due is not None:
                await _until(due)
            last = answers[-1] if turn.grows and answers else None
            if last is not None and (reason := _not_sent(last, number - 1, turn.sample, window)):
                answers.append(FailedRequest(turn.sample.sample_id, now(), reason[1], reason[0]))
                continue
            chat = (chat if turn.grows else []) + turn.sample.messages
            answer = await self._answer(replace(turn.sample, messages=chat), options(turn.sample), due)
            end = now()
            if isinstance(answer, Timing):
                chat = [*chat, {"role": "assistant", "content": answer.said}]
            answers.append(answer)
        return answers

    async def _connect(self, connections: int) -> None:
        """Opens the connections that a group begins with, so that none of its requests waits for one."""
        if self._session is None:
            timeout = ClientTimeout(total=self._timeout_seconds)
            connector = TCPConnector(limit=0, keepalive_timeout=75)
            self._session = ClientSession(timeout=timeout, connector=connector, headers=self._endpoint.request_headers)

        async def knock() -> None:
            with suppress(ClientError, TimeoutError, OSError):
                async with self._session.get(self._endpoint.url("models"), allow_redirects=False) as answer:
                    await answer.read()

        await asyncio.gather(*(knock() for _ in range(connections)))

    async def _answer(self, sample: Sample, options: dict[str, Any], due: float | None = None) -> Answer:
        start = now()
        url, body = self._endpoint.url("chat/completions"), self.bodies(sample, options)
        try:
            try:
                timing = await send(self._session, url, body, sample.sample_id)
            except CLOSED_BEFORE:
                # a connection of the pool that the server had closed after its last answer, whatever it announced
                if now() - start > AT_ONCE_SECONDS:
                    raise
                self.reconnected += 1
                timing = await send(self._session, url, body, sample.sample_id)
        except RequestError as error:
            return FailedRequest(sample.sample_id, start, str(error))
        except Failure as failure:
            message = f"the engine answered {failure.status} to {sample.sample_id!r}: {failure.message}"
            return FailedRequest(sample.sample_id, start, message, status=failure.status)
        except TimeoutError:
            return FailedRequest(sample.sample_id, start, f"no answer within {self._timeout_seconds:.0f} s")
        except (ClientError, OSError, ValueError) as error:
            return FailedRequest(sample.sample_id, start, f"{type(error).__name__}: {error}")
        return timing if due is None else timing.counted_from(due)

    async def _raise_if_stopped(self, answers: Sequence[Answer]) -> None:
        if not any(isinstance(answer, FailedRequest) for answer in answers):
            return
        # A process that was just killed is reaped a moment after its connections break.
        for _ in range(20):
            self._endpoint.alive()
            await asyncio.sleep(0.1)


async def _until(moment: float) -> None:
    if (wait := moment - now()) > 0:
        await asyncio.sleep(wait)


def _not_sent(last: Answer, number: int, sample: Sample, window: int | None) -> tuple[str, str] | None:
    """Outcome and reason of a growing session's turn that cannot be sent after turn `number`; None if it can."""
    if isinstance(last, FailedRequest):
        return last.outcome, f"not sent: turn {number} has no answer"
    if window is None or last.prompt_tokens is None or last.completion_tokens is None:
        return None
    needed = last.prompt_tokens + last.completion_tokens + (sample.prompt_tokens or 0) + sample.max_output_tokens
    return ("over_window", f"not sent: chat and answer need {needed} of {window} tokens") if needed > window else None


def run_load(
    endpoint: Endpoint, samples: Sequence[Sample], concurrency: int, options: dict[str, Any], timeout_seconds: float = 600
) -> tuple[list[Timing], float]:
    """One closed loop in which no request may fail.

    Raises:
        EngineError: if the engine has stopped.
        RequestError: if a request failed.
    """
    with LoadGenerator(endpoint, timeout_seconds) as load:
        answers, seconds = load.closed_loop(samples, concurrency, options)
    return all_answered(answers), seconds
