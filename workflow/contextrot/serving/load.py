"""Sends prompts to an endpoint, so many at once, and times every token as vLLM's serving benchmark does.

Source of the definitions: vLLM, benchmarks/lib/endpoint_request_func.py and benchmarks/serve.py. The first token is the first
chunk of the stream that brings text, thought or a tool call (not one that only names the role, which servers send before they compute); a request ends with
the last chunk that has a choice, not with the chunk of the token counts.
TPOT = (end - first token) / (output tokens - 1), with the server's count of output tokens.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
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
        start: seconds of the monotonic clock when it was sent.
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

    @property
    def tpot_seconds(self) -> float | None:
        """Time per output token after the first; None for an answer of one token."""
        if self.completion_tokens < 2:
            return None
        return (self.end_to_end_seconds - self.ttft_seconds) / (self.completion_tokens - 1)


def run_load(
    endpoint: Endpoint, samples: Sequence[Sample], concurrency: int, options: dict[str, Any], timeout_seconds: float = 600
) -> tuple[list[Timing], float]:
    """Sends every sample once, at most `concurrency` at a time, each as soon as an earlier one ends.

    Args:
        options: fields of each request, such as temperature, seed, ignore_eos.

    Returns:
        A timing per sample, in order, and the seconds from the first sending to the last end.

    Raises:
        EngineError: if the engine has stopped.
        RequestError: if a request failed: a measurement with holes is none.
    """
    return asyncio.run(_run_load(endpoint, samples, concurrency, options, timeout_seconds))


async def _run_load(
    endpoint: Endpoint, samples: Sequence[Sample], concurrency: int, options: dict[str, Any], timeout_seconds: float
) -> tuple[list[Timing], float]:
    turn = asyncio.Semaphore(concurrency)
    timeout = ClientTimeout(total=timeout_seconds)
    async with ClientSession(timeout=timeout, connector=TCPConnector(limit=0), headers=_headers(endpoint)) as session:

        async def one(sample: Sample) -> Timing:
            async with turn:
                return await _send(session, endpoint, sample, options)

        tasks = [asyncio.create_task(one(sample)) for sample in samples]
        started = time.perf_counter()
        try:
            timings = await asyncio.gather(*tasks)
        except (ClientError, TimeoutError, OSError, ValueError, RequestError) as error:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _raise_if_stopped(endpoint)
            if isinstance(error, RequestError):
                raise
            what = f"no answer within {timeout_seconds:.0f} s" if isinstance(error, TimeoutError) else f"{error}"
            raise RequestError(f"a request of the measurement failed ({type(error).__name__}: {what}). Run again.") from error
        return list(timings), time.perf_counter() - started


async def _raise_if_stopped(endpoint: Endpoint) -> None:
    # A process that was just killed is reaped a moment after its connections break.
    for _ in range(20):
        endpoint.alive()
        await asyncio.sleep(0.1)


def _headers(endpoint: Endpoint) -> dict[str, str]:
    return endpoint.request_headers


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
    start = last = time.perf_counter()
    first, gaps, reply, reader, ended = None, [], Reply(), EventReader(), False
    url = endpoint.url("chat/completions")
    async with session.post(url, json=body, headers={"X-Request-Id": sample.sample_id}, allow_redirects=False) as answer:
        if answer.status != 200:
            raise RequestError(f"the engine answered {answer.status} to {sample.sample_id!r}: {(await answer.text())[:400]}")
        try:
            async for part in answer.content.iter_any():
                now = time.perf_counter()
                for event in reader.feed(part):
                    if event.chunk is None:
                        ended = True
                    elif reply.add(event.chunk, now - start, event.name) and first is None:
                        first = last = now
                    elif first is not None and event.chunk.get("choices"):
                        gaps.append(now - last)
                        last = now
            for event in reader.end():
                ended = ended or event.chunk is None
                if event.chunk is not None:
                    reply.add(event.chunk, time.perf_counter() - start, event.name)
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
