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
from typing import Any, Protocol

from contextrot import faults, http_reading, litellm_reading
from contextrot.engines import Endpoint
from contextrot.faults import Failure
from contextrot.meaning import Sent
from contextrot.reply import Reply


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
                trace_configs=[http_reading.reuse_trace()],
                response_class=http_reading.final_response(),
            )
        body = {**body, "stream": True, "stream_options": {"include_usage": True}, **self._endpoint.extra_body}
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        begin, connection = time.perf_counter(), SimpleNamespace(reused=False, answered=False)
        url = f"{self._endpoint.base_url}/chat/completions"
        try:
            async with asyncio.timeout(timeout_seconds):
                async with self._session.post(url, data=content, allow_redirects=False, trace_request_ctx=connection) as answer:
                    connection.answered = True
                    reply = await http_reading.read_reply(answer, begin, sent)
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
