"""One request on the wire: sent once, the answer read from the stream, or a Failure that says what kind of fault it was.

There are two ways. A server with a URL (our own vLLM and transformers servers, Ollama, any OpenAI-compatible one) is spoken
to directly, because litellm costs about 9 ms of CPU a request: at most 110 requests a second, where a server that answers 64
requests at once in 50 ms each needs 1,280. Providers go through litellm, which knows their dialects; their own
latency and limits are far above its cost. Neither way retries anything: `client` alone does.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Protocol

from contextrot import faults, litellm_reading, meaning
from contextrot.engines import Endpoint
from contextrot.event_stream import LARGEST_EVENT_BYTES, EventReader, whole_object
from contextrot.faults import Failure
from contextrot.meaning import Sent
from contextrot.reply import Reply

LARGEST_ERROR_BYTES = 2**16
DRAIN_SECONDS = 0.5
INFORMATIONAL = (100, 101, 102, 103, 104)


class Transport(Protocol):
    """Sends one request and reads its answer."""

    async def send(self, body: dict[str, Any], timeout_seconds: float, sent: Sent | None = None) -> Reply:
        """The answer to a chat-completion body; `sent` helps to tell what an error means. Raises Failure."""

    async def close(self) -> None:
        """Closes the connections."""


def transport_for(endpoint: Endpoint) -> Transport:
    """The direct way for a URL, litellm for a provider."""
    return DirectTransport(endpoint) if endpoint.base_url else LitellmTransport(endpoint)


class DirectTransport:
    """An OpenAI-compatible server, spoken to over HTTP with streaming, so that the time to the first token is known."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._session = None

    async def send(self, body: dict[str, Any], timeout_seconds: float, sent: Sent | None = None) -> Reply:
        import aiohttp

        if self._session is None:
            headers = {"Authorization": f"Bearer {self._endpoint.api_key}"} if self._endpoint.api_key else {}
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                timeout=aiohttp.ClientTimeout(total=None),
                headers={"Content-Type": "application/json", **headers},
                trace_configs=[_reuse_trace()],
                response_class=_final_response(),
            )
        body = {**body, "stream": True, "stream_options": {"include_usage": True}, **self._endpoint.extra_body}
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        begin, connection = time.perf_counter(), SimpleNamespace(reused=False, answered=False)
        url = f"{self._endpoint.base_url}/chat/completions"
        try:
            async with asyncio.timeout(timeout_seconds):
                async with self._session.post(url, data=content, allow_redirects=False, trace_request_ctx=connection) as answer:
                    connection.answered = True
                    reply = await _read(answer, begin, sent)
        except TimeoutError as error:
            raise faults.TimedOut(f"no complete answer within {timeout_seconds:.0f} s") from error
        except aiohttp.ClientPayloadError as error:
            raise faults.CutStream(f"the answer was cut off ({error})") from error
        except (aiohttp.ClientResponseError, aiohttp.http.HttpProcessingError) as error:  # its own text would show the URL
            raise faults.Malformed(f"the answer is not HTTP ({error.message[:200]})") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, aiohttp.ClientSSLError) as error:  # no time heals these
            raise faults.Denied(f"base_url cannot be spoken to ({type(error).__name__})") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _broken(error, connection) from error
        return reply

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _read(answer: Any, begin: float, sent: Sent | None) -> Reply:
    """The reply of an answer whose headers have come."""
    if not 200 <= answer.status < 300:
        if 300 <= answer.status < 400:
            raise faults.Denied(
                litellm_reading.redirect_of(answer.headers.get("Location", "")), answer.status
            )  # the key stays here
        text = (await _bounded(answer, LARGEST_ERROR_BYTES, cut=True)).decode("utf-8", "replace")
        raise meaning.failure_of(answer.status, meaning.error_of_body(text), answer.headers, sent)
    if "text/event-stream" in answer.headers.get("Content-Type", "").lower():
        return await _read_stream(answer, begin, sent)
    reply, content = Reply(), await _bounded(answer, LARGEST_EVENT_BYTES)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"data:", b"event:", b":")):
        reader = EventReader()  # a stream that the server calls JSON or text
        for event in (*reader.feed(content), *reader.end()):
            if event.chunk is not None:
                reply.add(event.chunk, 0.0, event.name, sent)
    else:
        reply.add(whole_object(content), 0.0, sent=sent)
    reply.first_token_seconds, reply.total_seconds = None, time.perf_counter() - begin
    return reply.finish(answer.status)


async def _read_stream(answer: Any, begin: float, sent: Sent | None) -> Reply:
    """The reply of a stream, up to `[DONE]` or to its end."""
    reply, reader, anything, done = Reply(), EventReader(), False, False
    async for data in answer.content.iter_any():
        for event in reader.feed(data):
            anything, done = True, done or event.chunk is None
            if event.chunk is not None:
                reply.add(event.chunk, time.perf_counter() - begin, event.name, sent)
        if done:
            break
    if not done:
        for event in reader.end():
            anything = True
            if event.chunk is not None:
                reply.add(event.chunk, time.perf_counter() - begin, event.name, sent)
    reply.total_seconds = time.perf_counter() - begin
    if not anything:
        raise faults.CutStream("the stream ended before it brought anything", answer.status)
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
    """The body, of at most so many bytes; a longer one is cut, or Malformed."""
    parts, size = [], 0
    async for data in answer.content.iter_any():
        parts.append(data)
        size += len(data)
        if size > most:
            if cut:
                break
            raise faults.Malformed(f"the answer is longer than {most} bytes", answer.status)
    return b"".join(parts)[:most]


def _final_response() -> Any:
    """aiohttp's response; an informational status that HTTP does not know is its end. aiohttp waits for another one, for ever."""
    import aiohttp

    class FinalResponse(aiohttp.ClientResponse):
        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            protocol, read = connection.protocol, connection.protocol.read

            async def read_known() -> Any:
                message, payload = await read()
                if 100 <= message.code < 200 and message.code not in INFORMATIONAL:
                    raise aiohttp.ClientResponseError(
                        self.request_info, self.history, status=message.code, message="no such status"
                    )
                return message, payload

            protocol.read = read_known
            try:
                return await super().start(connection)
            finally:
                del protocol.read

    return FinalResponse


def _reuse_trace() -> Any:
    """Notes for each request whether it went over a connection that had been kept alive."""
    import aiohttp

    async def reused(_session: Any, context: Any, _parameters: Any) -> None:
        context.trace_request_ctx.reused = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(reused)
    return trace


def _broken(error: Exception, connection: SimpleNamespace) -> Failure:
    """A connection that broke: stale if it had been kept alive and brought no byte, cut if the answer had begun."""
    import aiohttp

    message = f"{type(error).__name__}: {error}"
    if connection.answered:
        return faults.CutStream(f"the answer was cut off ({message})")
    broke = isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError))
    if broke and not isinstance(error, aiohttp.ClientConnectorError) and connection.reused:
        return faults.StaleConnection(message)
    return faults.Unreachable(message)


class LitellmTransport:
    """A provider, through litellm: its telemetry, price download and retries off."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        import litellm

        litellm.telemetry = False
        litellm.suppress_debug_info = True
        litellm.num_retries = 0
        litellm_reading.prepare(litellm)
        self._litellm = litellm

    async def send(self, body: dict[str, Any], timeout_seconds: float, sent: Sent | None = None) -> Reply:
        body = dict(body)
        name = body.pop("model")
        if self._endpoint.extra_body:
            body["extra_body"] = self._endpoint.extra_body
        begin, reply, heard = time.perf_counter(), Reply(), litellm_reading.Heard()
        try:
            with litellm_reading.listening(heard):
                async with asyncio.timeout(timeout_seconds):
                    stream = await self._litellm.acompletion(
                        model=f"{self._endpoint.provider}/{name}",
                        api_key=self._endpoint.api_key,
                        api_base=self._endpoint.base_url,
                        stream=True,
                        stream_options={"include_usage": True},
                        timeout=timeout_seconds,
                        num_retries=0,
                        max_retries=0,
                        **body,
                    )
                    await litellm_reading.read(stream, reply, begin, heard, sent)
        except TimeoutError as error:
            raise faults.TimedOut(f"no complete answer within {timeout_seconds:.0f} s") from error
        except Failure:
            raise
        except Exception as error:  # litellm raises each provider's own errors, and plain ones for broken bodies
            raise litellm_reading.failure_of(error, heard, sent) from error
        reply.total_seconds = time.perf_counter() - begin
        return reply.finish()

    async def close(self) -> None:
        closing = getattr(self._litellm, "close_litellm_async_clients", None)
        if closing:
            await closing()
