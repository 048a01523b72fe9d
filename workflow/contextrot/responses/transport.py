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
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

from contextrot.engines import Endpoint
from contextrot.responses import ollama, outgoing
from contextrot.wire import faults, http_reading, litellm_reading, meaning
from contextrot.wire.faults import Failure
from contextrot.wire.meaning import Sent
from contextrot.wire.reply import Reply

if TYPE_CHECKING:
    import aiohttp

DIRECT = ("hosted_vllm", "openrouter")


class Transport(Protocol):
    """Sends one request and reads its answer."""

    async def send(self, body: dict[str, Any], timeout_seconds: float, sent: Sent | None = None) -> Reply:
        """The answer to a chat-completion body; `sent` helps to tell what an error means. Raises Failure."""

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
    _as_chunk: http_reading.Translation = staticmethod(http_reading.as_it_is)

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._session: aiohttp.ClientSession | None = None
        self._url = endpoint.url(self._path)
        self._proxy = outgoing.proxy_for(self._url)

    def _content(self, body: dict[str, Any]) -> bytes:
        return outgoing.content(self._endpoint, body)

    async def send(self, body: dict[str, Any], timeout_seconds: float, sent: Sent | None = None) -> Reply:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                timeout=aiohttp.ClientTimeout(total=None),
                headers={"Content-Type": "application/json", **self._endpoint.request_headers},
                trace_configs=[http_reading.reuse_trace()],
            )
        content = self._content(body)
        begin, connection = time.perf_counter(), SimpleNamespace(reused=False, answered=False)
        further: dict[str, Any] = {"proxy": self._proxy, "allow_redirects": False, "trace_request_ctx": connection}
        try:
            async with asyncio.timeout(timeout_seconds):
                async with self._session.post(self._url, data=content, **further) as answer:
                    connection.answered = True
                    reply = await http_reading.read_reply(answer, begin, sent, self._as_chunk)
        except TimeoutError as error:
            raise faults.TimedOut(f"no complete answer within {timeout_seconds:.0f} s") from error
        except aiohttp.ClientPayloadError as error:
            raise faults.CutStream(f"the answer was cut off ({error})") from error
        except (aiohttp.ClientResponseError, aiohttp.http.HttpProcessingError) as error:  # its own text would show the URL
            raise faults.Malformed(f"the answer is not HTTP ({error.message[:200]})") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, aiohttp.ClientSSLError) as error:  # no time heals these
            raise faults.Denied(f"base_url cannot be spoken to ({type(error).__name__})") from error
        except (aiohttp.ClientError, OSError) as error:
            raise http_reading.broken(error, connection) from error
        return reply

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class OllamaTransport(DirectTransport):
    """Ollama, spoken to in its own way: one JSON object a line."""

    _path = "api/chat"
    _as_chunk = staticmethod(ollama.as_chunk)

    def _content(self, body: dict[str, Any]) -> bytes:
        native = ollama.native_body({**body, **self._endpoint.extra_body})
        return json.dumps(native, ensure_ascii=False).encode("utf-8", "surrogatepass")


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
        arguments = outgoing.litellm_arguments(self._endpoint, body, timeout_seconds)
        begin, reply, heard = time.perf_counter(), Reply(), litellm_reading.Heard()
        try:
            with litellm_reading.listening(heard):
                async with asyncio.timeout(timeout_seconds):
                    stream = await self._litellm.acompletion(**arguments)
                    await litellm_reading.read(stream, reply, begin, heard, sent)
        except TimeoutError as error:
            raise faults.TimedOut(f"no complete answer within {timeout_seconds:.0f} s") from error
        except Failure:
            raise
        except Exception as error:  # litellm raises each provider's own errors, and plain ones for broken bodies
            if not litellm_reading.is_whole(reply, heard, sent):
                failure = litellm_reading.failure_of(error, heard, sent)
                failure.billed = failure.billed or reply.begun or any(map(meaning.counts_tokens, heard.chunks()))
                raise failure from error
        reply.total_seconds = time.perf_counter() - begin
        return reply.finish()

    async def close(self) -> None:
        closing = getattr(self._litellm, "close_litellm_async_clients", None)
        if closing:
            await closing()
