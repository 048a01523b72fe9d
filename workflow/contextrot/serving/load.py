"""Sends prompts to an endpoint, so many at once, and times every token as vLLM's serving benchmark does.

Source of the definitions: vLLM, benchmarks/lib/endpoint_request_func.py and benchmarks/serve.py. The first token is the first
chunk of the stream that brings text, thought or a tool call (not one that only names the role, which servers send before they compute); a request ends with
the last chunk that has a choice, not with the chunk of the token counts.
TPOT = (end - first token) / (output tokens - 1), with the server's count of output tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from contextrot.engines import Endpoint
from contextrot.errors import RequestError
from contextrot.records import Sample
from contextrot.wire.event_stream import EventReader
from contextrot.wire.faults import Failure
from contextrot.wire.reply import Reply
from contextrot.wire.reply_form import whole_characters


@dataclass
class Timing:
    """What one request measured.

    Attributes:
        sample_id: which prompt.
        start: seconds of the monotonic clock when it was sent, or due.
        late_seconds: how much later than due it was sent.
        ttft_seconds: from sending to the first token.
        end_to_end_seconds: from sending to the last token.
        itl_seconds: between chunks; a chunk may hold several tokens.
        prompt_tokens, completion_tokens, cached_tokens: the server's counts.
        text: the answer.
    """

    sample_id: str
    start: float
    ttft_seconds: float
    end_to_end_seconds: float
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None
    text: str
    finish_reason: str | None = None
    itl_seconds: list[float] = field(default_factory=list)
    late_seconds: float = 0.0

    @property
    def tpot_seconds(self) -> float | None:
        """Time per output token after the first; None for an answer of one token."""
        if self.completion_tokens < 2:
            return None
        return (self.end_to_end_seconds - self.ttft_seconds) / (self.completion_tokens - 1)

    def counted_from(self, due: float) -> Timing:
        """The same with latencies from the time that it was due, so that waiting before it was sent is not left out."""
        late = self.start - due
        return replace(
            self,
            start=due,
            late_seconds=late,
            ttft_seconds=self.ttft_seconds + late,
            end_to_end_seconds=self.end_to_end_seconds + late,
        )


@dataclass
class FailedRequest:
    """A request without a whole answer.

    Attributes:
        start: seconds of the monotonic clock when it was sent.
        message: what went wrong.
    """

    sample_id: str
    start: float
    message: str


class LoadGenerator:
    """Sends requests over one pool of connections, which is kept from one group of requests to the next.

    Use it as a context manager.

    Args:
        loop: makes the event loop whose clock times requests; asyncio's own without it.
    """

    def __init__(
        self, endpoint: Endpoint, timeout_seconds: float = 600, loop: Callable[[], asyncio.AbstractEventLoop] | None = None
    ) -> None:
        self._endpoint, self._timeout_seconds = endpoint, timeout_seconds
        self._runner = asyncio.Runner(loop_factory=loop)
        self._session: ClientSession | None = None

    def __enter__(self) -> LoadGenerator:
        return self

    def __exit__(self, *_: object) -> None:
        if self._session is not None:
            self._runner.run(self._session.close())
        self._runner.close()

    def closed_loop(
        self, samples: Sequence[Sample], concurrency: int, options: dict[str, Any]
    ) -> tuple[list[Timing | FailedRequest], float]:
        """Sends every sample once, at most `concurrency` at a time, each as soon as an earlier one ends.

        Args:
            options: fields of each request, such as temperature, seed, ignore_eos.

        Returns:
            A timing per sample, in order, or what made it fail; and the seconds from the first sending to the last end.

        Raises:
            EngineError: if the engine has stopped.
        """
        return self._runner.run(self._closed_loop(samples, concurrency, options))

    def open_loop(
        self, samples: Sequence[Sample], due_seconds: Sequence[float], options: dict[str, Any]
    ) -> tuple[list[Timing | FailedRequest], float]:
        """Sends every sample when it is due, however many are under way; latencies count from the time it was due.

        Args:
            due_seconds: for each sample, from the beginning; ascending.

        Returns:
            As `closed_loop`; `Timing.start` is the time it was due, `Timing.late_seconds` how much later it was sent.

        Raises:
            EngineError: if the engine has stopped.
        """
        return self._runner.run(self._open_loop(samples, due_seconds, options))

    async def _closed_loop(
        self, samples: Sequence[Sample], concurrency: int, options: dict[str, Any]
    ) -> tuple[list[Timing | FailedRequest], float]:
        await self._connect(min(concurrency, len(samples)))
        turn = asyncio.Semaphore(concurrency)

        async def one(sample: Sample) -> Timing | FailedRequest:
            async with turn:
                return await self._answer(sample, options)

        started = now()
        answers = await asyncio.gather(*map(one, samples))
        seconds = now() - started
        await self._raise_if_stopped(answers)
        return list(answers), seconds

    async def _open_loop(
        self, samples: Sequence[Sample], due_seconds: Sequence[float], options: dict[str, Any]
    ) -> tuple[list[Timing | FailedRequest], float]:
        await self._connect(1)
        began = now()

        async def one(sample: Sample, due: float) -> Timing | FailedRequest:
            if (wait := began + due - now()) > 0:
                await asyncio.sleep(wait)
            return await self._answer(sample, options, due=began + due)

        answers = await asyncio.gather(*map(one, samples, due_seconds))
        seconds = now() - began
        await self._raise_if_stopped(answers)
        return list(answers), seconds

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

    async def _answer(self, sample: Sample, options: dict[str, Any], due: float | None = None) -> Timing | FailedRequest:
        start = now()
        try:
            timing = await _send(self._session, self._endpoint, sample, options)
        except RequestError as error:
            return FailedRequest(sample.sample_id, start, str(error))
        except TimeoutError:
            return FailedRequest(sample.sample_id, start, f"no answer within {self._timeout_seconds:.0f} s")
        except (ClientError, OSError, ValueError) as error:
            return FailedRequest(sample.sample_id, start, f"{type(error).__name__}: {error}")
        return timing if due is None else timing.counted_from(due)

    async def _raise_if_stopped(self, answers: Sequence[Timing | FailedRequest]) -> None:
        if not any(isinstance(answer, FailedRequest) for answer in answers):
            return
        # A process that was just killed is reaped a moment after its connections break.
        for _ in range(20):
            self._endpoint.alive()
            await asyncio.sleep(0.1)


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


def all_answered(answers: Sequence[Timing | FailedRequest]) -> list[Timing]:
    """The timings of requests of which none may fail.

    Raises:
        RequestError: if one did.
    """
    for answer in answers:
        if isinstance(answer, FailedRequest):
            raise RequestError(f"a request of the measurement failed ({answer.message}). Run again.")
    return [answer for answer in answers if isinstance(answer, Timing)]


def now() -> float:
    """Seconds of the running loop's monotonic clock."""
    return asyncio.get_running_loop().time()


async def _send(session: ClientSession, endpoint: Endpoint, sample: Sample, options: dict[str, Any]) -> Timing:
    body = {
        "model": endpoint.model,
        "messages": sample.messages,
        "max_tokens": sample.max_output_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        **endpoint.extra_body,
        **options,
    }
    start = last = now()
    first, gaps, reply, reader, ended = None, [], Reply(), EventReader(), False
    url = endpoint.url("chat/completions")
    async with session.post(url, json=body, headers={"X-Request-Id": sample.sample_id}, allow_redirects=False) as answer:
        if answer.status != 200:
            raise RequestError(f"the engine answered {answer.status} to {sample.sample_id!r}: {(await answer.text())[:400]}")
        try:
            async for part in answer.content.iter_any():
                at = now()
                for event in reader.feed(part):
                    if event.chunk is None:
                        ended = True
                    elif reply.add(event.chunk, at - start, event.name) and first is None:
                        first = last = at
                    elif first is not None and event.chunk.get("choices"):
                        gaps.append(at - last)
                        last = at
            for event in reader.end():
                ended = ended or event.chunk is None
                if event.chunk is not None:
                    reply.add(event.chunk, now() - start, event.name)
        except Failure as failure:
            raise RequestError(f"the engine broke off {sample.sample_id!r}: {failure.message}") from failure
    if ended and first is None:
        raise RequestError(f"the engine answered {sample.sample_id!r} without a single token of text: there is nothing to time.")
    if not ended or reply.prompt_tokens is None or reply.completion_tokens is None:
        raise RequestError(f"the stream of {sample.sample_id!r} was cut, or has no token counts (stream_options.include_usage).")
    return Timing(
        sample_id=sample.sample_id,
        start=start,
        ttft_seconds=first - start,
        end_to_end_seconds=last - start,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        cached_tokens=reply.cached_tokens,
        text=whole_characters(reply.reasoning + reply.text),
        finish_reason=reply.finish_reason,
        itl_seconds=gaps,
    )
