"""What comes back over HTTP: the reply of an answer, bounded in all its sizes, and what a broken connection means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from contextrot.wire import faults, litellm_reading, meaning
from contextrot.wire.event_stream import BLANK, LARGEST_EVENT_BYTES, EventReader, JsonLineReader, events_of
from contextrot.wire.faults import Failure
from contextrot.wire.meaning import Sent
from contextrot.wire.reply import Reply

LARGEST_ERROR_BYTES = 2**16
DRAIN_SECONDS = 0.5
Translation = Callable[[dict[str, Any]], dict[str, Any]]


def as_it_is(values: dict[str, Any]) -> dict[str, Any]:
    return values


async def read_reply(answer: Any, begin: float, sent: Sent | None = None, as_chunk: Translation = as_it_is) -> Reply:
    """The reply of an answer whose headers have come: a stream of events or of JSON lines, or a whole body.

    Args:
        answer: aiohttp's response.
        begin: when it was asked for, by the performance counter.
        sent: what was asked.
        as_chunk: makes a chunk as OpenAI's of one in another dialect.

    Raises:
        Failure: what the answer means if it is none.
    """
    if 300 <= answer.status < 400:  # not followed: the key would go where nobody sent it
        raise faults.Denied(litellm_reading.redirect_of(answer.headers.get("Location", "")), answer.status)
    if not 200 <= answer.status < 300:
        text = (await _bounded(answer, LARGEST_ERROR_BYTES, cut=True)).decode("utf-8", "replace")
        failure = meaning.failure_of(answer.status, meaning.error_of_body(text), answer.headers, sent)
        failure.billed = failure.billed or meaning.counts_tokens(meaning.object_of(text))
        raise failure
    form = answer.headers.get("Content-Type", "").lower()
    if "text/event-stream" in form:
        return await _read_stream(answer, begin, sent, as_chunk, EventReader())
    if "ndjson" in form or "jsonl" in form:
        return await _read_stream(answer, begin, sent, as_chunk, JsonLineReader())
    return _whole(await _bounded(answer, LARGEST_EVENT_BYTES), answer.status, begin, sent, as_chunk)


def _whole(content: bytes, status: int, begin: float, sent: Sent | None, as_chunk: Translation) -> Reply:
    """The reply of a body that is all there: an object, or a stream of events; what its headers call it does not matter."""
    reply = Reply()
    for event in events_of(content):
        if event.chunk is not None:
            reply.add(as_chunk(event.chunk), 0.0, event.name, sent)
    reply.first_token_seconds, reply.total_seconds = None, time.perf_counter() - begin
    return reply.finish(status)


async def _read_stream(
    answer: Any, begin: float, sent: Sent | None, as_chunk: Translation, reader: EventReader | JsonLineReader
) -> Reply:
    """The reply of a stream, up to `[DONE]` or to its end."""
    reply, chunks, done, begun = Reply(), 0, False, False
    async for data in answer.content.iter_any():
        if not begun and (start := data.lstrip(BLANK)):
            begun = True
            if start.startswith(b"{") and isinstance(reader, EventReader):  # a whole answer, or an error, that is called a stream
                content = data + await _bounded(answer, LARGEST_EVENT_BYTES)
                return _whole(content, answer.status, begin, sent, as_chunk)
        for event in reader.feed(data):
            chunks, done = chunks + 1, done or event.chunk is None
            if event.chunk is not None:
                reply.add(as_chunk(event.chunk), time.perf_counter() - begin, event.name, sent)
        if done:
            break
    for event in reader.end() if not done else ():
        chunks += 1
        if event.chunk is not None:
            reply.add(as_chunk(event.chunk), time.perf_counter() - begin, event.name, sent)
    reply.total_seconds = time.perf_counter() - begin
    if not chunks:
        raise faults.CutStream("the stream ended before it brought anything", answer.status)
    if chunks == 1 and isinstance(reader, JsonLineReader):
        reply.first_token_seconds = None  # a whole answer, not a stream
    reply.finish(answer.status)
    if done and not answer.content.at_eof():
        await _drain(answer)
    return reply


async def _drain(answer: Any) -> None:
    """Waits a moment for the end of an answer that is whole, so that its connection can be used again; what breaks now breaks nothing."""
    from aiohttp import ClientError

    with suppress(TimeoutError, ClientError, OSError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in answer.content.iter_any():
                pass


async def _bounded(answer: Any, most: int, cut: bool = False) -> bytes:
    """The body, of at most so many bytes; a longer one is Malformed, or `cut`, as is then one that breaks: the status says enough."""
    from aiohttp import ClientError

    parts, size = [], 0
    try:
        async for data in answer.content.iter_any():
            parts.append(data)
            size += len(data)
            if size > most:
                if cut:
                    break
                raise faults.Malformed(f"the answer is longer than {most} bytes", answer.status)
    except (ClientError, OSError):
        if not cut:
            raise
    return b"".join(parts)[:most]


def reuse_trace() -> Any:
    """Notes for each request whether it went over a connection that had been kept alive."""
    import aiohttp

    async def reused(_session: Any, context: Any, _parameters: Any) -> None:
        context.trace_request_ctx.reused = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(reused)
    return trace


def broken(error: Exception, connection: SimpleNamespace) -> Failure:
    """A connection that was not made or broke: stale if it had been kept alive and brought no byte, cut if the answer had begun."""
    import aiohttp

    message = f"{type(error).__name__}: {error}"
    if connection.answered:
        return faults.CutStream(f"the answer was cut off ({message})")
    if isinstance(error, aiohttp.ClientConnectorError):
        return faults.Unreachable(message)
    broke = isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError))
    return faults.StaleConnection(message) if broke and connection.reused else faults.Broken(message)
