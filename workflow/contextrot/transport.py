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
import re
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from types import coroutine as coroutine_of_generator
from typing import Any, Protocol

from contextrot import faults, ollama, outgoing
from contextrot.engines import Endpoint
from contextrot.faults import Failure

OVER_WINDOW = re.compile(
    r"context.?length|context.?window|context size|maximum.{0,20}length|max_model_len|(prompt|input).{0,40}(too long|exceed|longer than)",
    re.IGNORECASE,
)
CONTENT_FILTER = re.compile(r"content.?(filter|policy|management)|safety|moderation|responsible.?ai", re.IGNORECASE)
NO_CREDIT = re.compile(
    r"insufficient.?(quota|credit|funds|balance)|exceeded your current quota|billing|credit balance", re.IGNORECASE
)


@dataclass
class Reply:
    """What a server answered; token counts are its own, None where it gave none."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    finish_reason: str | None = None
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    first_token_seconds: float | None = None
    total_seconds: float = 0.0
    logprobs: list[Any] = field(default_factory=list)

    def add(self, chunk: dict[str, Any], seconds: float) -> None:
        """Takes in one chunk of a stream, or a whole answer."""
        if error := chunk.get("error"):
            raise failure_of(_status_of(error), error)
        self.model = chunk.get("model") or self.model
        if usage := chunk.get("usage"):
            self.prompt_tokens = usage.get("prompt_tokens", self.prompt_tokens)
            self.completion_tokens = usage.get("completion_tokens", self.completion_tokens)
            self.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", self.cached_tokens)
            self.reasoning_tokens = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens", self.reasoning_tokens)
        for choice in (chunk.get("choices") or [])[:1]:
            part = choice.get("delta") or choice.get("message") or {}
            text, thought = part.get("content") or "", part.get("reasoning_content") or part.get("reasoning") or ""
            if (text or thought) and self.first_token_seconds is None:
                self.first_token_seconds = seconds
            self.text += text
            self.reasoning += thought
            self.refusal += part.get("refusal") or ""
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            self.logprobs += (choice.get("logprobs") or {}).get("content") or []


DIRECT = ("hosted_vllm", "openrouter")


class Transport(Protocol):
    """Sends one request and reads its answer."""

    async def send(self, body: dict[str, Any], timeout_seconds: float) -> Reply:
        """The answer to a chat-completion body. Raises Failure."""

    async def close(self) -> None:
        """Closes the connections."""


def transport_for(endpoint: Endpoint) -> Transport:
    """The direct way for a URL, Ollama's own for Ollama, litellm for a provider.

    OpenRouter goes the direct way too: of its streams litellm leaves out which upstream answered.
    """
    if endpoint.provider == "ollama":
        return OllamaTransport(endpoint)
    return DirectTransport(endpoint) if endpoint.base_url and endpoint.provider in DIRECT else LitellmTransport(endpoint)


class DirectTransport:
    """An OpenAI-compatible server, spoken to over HTTP with streaming, so that the time to the first token is known."""

    _path = "chat/completions"

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._session = None
        self._url = endpoint.url(self._path)
        self._proxy = outgoing.proxy_for(self._url)

    def _content(self, body: dict[str, Any]) -> bytes:
        return outgoing.content(self._endpoint, body)

    async def send(self, body: dict[str, Any], timeout_seconds: float) -> Reply:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                timeout=aiohttp.ClientTimeout(total=None),
                headers={"Content-Type": "application/json", **self._endpoint.request_headers},
                request_class=aiohttp.ClientRequest if sys.version_info >= (3, 12) else _eager_request(),
            )
        content = self._content(body)
        begin = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_seconds):
                async with self._session.post(self._url, data=content, proxy=self._proxy) as answer:
                    reply = await self._read(answer, begin)
        except TimeoutError as error:
            raise faults.TimedOut(f"no complete answer within {timeout_seconds:.0f} s") from error
        except aiohttp.ClientPayloadError as error:
            raise faults.CutStream(f"the answer was cut off ({error})") from error
        except (aiohttp.ClientError, OSError) as error:
            raise faults.Unreachable(f"{type(error).__name__}: {error}") from error
        reply.total_seconds = time.perf_counter() - begin
        return reply

    async def _read(self, answer: Any, begin: float) -> Reply:
        if answer.status != 200:
            text = (await answer.read())[:4000].decode("utf-8", "replace")
            raise failure_of(answer.status, _error_of(text), _seconds(answer.headers))
        reply, choices, rest, ended = Reply(), False, b"", False
        if "text/event-stream" not in answer.headers.get("Content-Type", ""):
            chunk = _parse(await answer.read())
            reply.add(chunk, time.perf_counter() - begin)
            choices, reply.first_token_seconds = bool(chunk.get("choices")), None
        else:
            async for data in answer.content.iter_any():
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    if not line.startswith(b"data:"):
                        continue
                    payload = line[5:].strip()
                    if payload == b"[DONE]":
                        ended = True
                        continue
                    chunk = _parse(payload)
                    reply.add(chunk, time.perf_counter() - begin)
                    choices = choices or bool(chunk.get("choices"))
            if not choices and not ended:
                raise faults.CutStream("the stream ended before it brought anything", answer.status)
        if not choices:
            raise faults.NoChoices("the answer holds no choices", answer.status)
        if reply.finish_reason is None:
            raise faults.CutStream("the answer ended without a finish reason", answer.status)
        if reply.finish_reason in ("error", "abort"):
            raise faults.ServerFault(f"the server gave up (finish reason {reply.finish_reason!r})", answer.status)
        return reply

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _eager_request() -> type:
    """aiohttp's request that sends its body at once, as it does from Python 3.12 on; before, it waits for a turn of the event loop."""
    import aiohttp

    class EagerRequest(aiohttp.ClientRequest):
        def write_bytes(self, *arguments: Any) -> Coroutine[Any, Any, None]:
            return begun(super().write_bytes(*arguments))

    return EagerRequest


def begun(coroutine: Coroutine[Any, Any, None]) -> Coroutine[Any, Any, None]:
    """A coroutine whose first step, up to where it must wait, is taken now; the rest is left to whoever awaits it."""

    @coroutine_of_generator
    def rest(waited_for: Any) -> Generator[Any, Any, None]:
        with suppress(StopIteration):
            while True:
                try:
                    value = yield waited_for
                except BaseException as error:
                    waited_for = coroutine.throw(error)
                else:
                    waited_for = coroutine.send(value)

    async def nothing() -> None:
        pass

    try:
        return rest(coroutine.send(None))
    except StopIteration:
        return nothing()


class OllamaTransport(DirectTransport):
    """Ollama, spoken to in its own way: one JSON object a line."""

    _path = "api/chat"

    def _content(self, body: dict[str, Any]) -> bytes:
        native = ollama.native_body({**body, **self._endpoint.extra_body})
        return json.dumps(native, ensure_ascii=False).encode("utf-8", "surrogatepass")

    async def _read(self, answer: Any, begin: float) -> Reply:
        if answer.status != 200:
            text = (await answer.read())[:4000].decode("utf-8", "replace")
            raise failure_of(answer.status, _error_of(text), _seconds(answer.headers))
        reply, choices, rest, lines_read = Reply(), False, b"", 0
        async for data in answer.content.iter_any():
            *lines, rest = (rest + data).split(b"\n")
            for line in filter(bytes.strip, lines):
                lines_read += 1
                reply.add(chunk := ollama.as_chunk(_parse(line)), time.perf_counter() - begin)
                choices = choices or bool(chunk.get("choices"))
        if rest.strip():
            lines_read += 1
            reply.add(chunk := ollama.as_chunk(_parse(rest)), time.perf_counter() - begin)
            choices = choices or bool(chunk.get("choices"))
        if not choices or reply.finish_reason is None:
            raise faults.CutStream("the answer ended without a reason (`done`)", answer.status)
        if lines_read == 1:
            reply.first_token_seconds = None  # a whole answer, not a stream
        return reply


async def _whole(answer: Any) -> AsyncIterator[Any]:
    """An answer that was not streamed, as the only part of a stream."""
    yield answer


class LitellmTransport:
    """A provider, through litellm: its telemetry, price download and retries off."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        import litellm

        litellm.telemetry = False
        litellm.suppress_debug_info = True
        litellm.num_retries = 0
        self._litellm = litellm

    async def send(self, body: dict[str, Any], timeout_seconds: float) -> Reply:
        arguments = outgoing.litellm_arguments(self._endpoint, body, timeout_seconds)
        begin, reply, choices = time.perf_counter(), Reply(), False
        try:
            async with asyncio.timeout(timeout_seconds):
                stream = await self._litellm.acompletion(**arguments)
                async for chunk in stream if arguments["stream"] else _whole(stream):
                    values = chunk.model_dump()
                    reply.add(values, time.perf_counter() - begin)
                    choices = choices or bool(values.get("choices"))
        except TimeoutError as error:
            raise faults.TimedOut(f"no complete answer within {timeout_seconds:.0f} s") from error
        except Failure:
            raise
        except Exception as error:  # litellm raises each provider's own errors, and plain ones for broken bodies
            raise _litellm_failure(error) from error
        reply.total_seconds = time.perf_counter() - begin
        if not choices:
            raise faults.NoChoices("the answer holds no choices")
        if not arguments["stream"]:
            reply.first_token_seconds = None
        elif not (getattr(stream, "received_finish_reason", None) or getattr(stream, "intermittent_finish_reason", None)):
            raise faults.CutStream("the answer ended without a finish reason")  # litellm itself reports "stop" then
        return reply

    async def close(self) -> None:
        closing = getattr(self._litellm, "close_litellm_async_clients", None)
        if closing:
            await closing()


def failure_of(status: int | None, message: str | dict[str, Any], retry_after: float | None = None) -> Failure:
    """The Failure that an HTTP status and error text mean."""
    code = ""
    if isinstance(message, dict):
        code = f"{message.get('code') or ''} {message.get('type') or ''} "
        message = str(message.get("message") or message)
    text = code + message
    if (status in (401, 403) and not CONTENT_FILTER.search(text)) or status == 404:
        kind = faults.Denied
    elif status == 402 or (status in (400, 429) and NO_CREDIT.search(text)):
        kind = faults.NoCredit
    elif status == 429:
        kind = faults.RateLimited
    elif status in (408, 504):
        kind = faults.TimedOut
    elif status is None or status >= 500 or status == 409:
        kind = faults.ServerFault
    elif status in (400, 413, 422) and OVER_WINDOW.search(text):
        kind = faults.OverWindow
    elif CONTENT_FILTER.search(text):
        kind = faults.ContentFilter
    else:
        kind = faults.BadRequest
    return kind(message[:1000], status, retry_after)


def _litellm_failure(error: Exception) -> Failure:
    name, message = type(error).__name__, str(error)[:1000]
    status = getattr(error, "status_code", None)
    headers = getattr(getattr(error, "response", None), "headers", None) or getattr(error, "litellm_response_headers", None) or {}
    named = {
        "ContextWindowExceededError": faults.OverWindow,
        "ContentPolicyViolationError": faults.ContentFilter,
        "Timeout": faults.TimedOut,
        "APIConnectionError": faults.Unreachable,
        "JSONDecodeError": faults.Malformed,
        "UnsupportedParamsError": faults.BadRequest,
    }
    if name in named:
        return named[name](message, status)
    if not isinstance(status, int):
        return faults.Unreachable(f"{name}: {message}")
    return failure_of(500 if status == 200 else status, message, _seconds(headers))


def _parse(payload: bytes) -> dict[str, Any]:
    try:
        value = json.loads(payload.decode())  # bytes would be searched for their encoding each time
    except ValueError as error:
        raise faults.Malformed(f"the body is not JSON: {payload[:200]!r}", 200) from error
    if not isinstance(value, dict):
        raise faults.Malformed(f"the body is not a JSON object: {payload[:200]!r}", 200)
    return value


def _error_of(text: str) -> str | dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    error = value.get("error", value) if isinstance(value, dict) else text
    return error if isinstance(error, dict) else str(error)


def _status_of(error: Any) -> int | None:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and code >= 400 else None


def _seconds(headers: Any) -> float | None:
    """Retry-After (or OpenAI's retry-after-ms) in seconds; both of its forms."""
    from email.utils import parsedate_to_datetime

    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after") or headers.get("Retry-After")
        if value is None:
            return None
        if re.fullmatch(r"\s*[\d.]+\s*", value):
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
