"""Sends each request to the prefill instance for its first token, then to the decode instance; a loopback server.

The decode instance must load the KV cache of the prompt. Its own count of cached prompt tokens says whether it did; if it
did not, the request fails. Each request is recorded: `GET /records` returns and clears the records.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
import urllib.request
from typing import Any
from uuid import uuid4

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

from contextrot.wire.event_stream import EventReader, whole_object
from contextrot.wire.faults import Failure
from contextrot.wire.reply import Reply

NIXL_PREFILL = {
    "do_remote_decode": True,
    "do_remote_prefill": False,
    "remote_engine_id": None,
    "remote_block_ids": None,
    "remote_host": None,
    "remote_port": None,
}
ONE_ANSWER = ("stream_options", "min_tokens", "logprobs", "top_logprobs", "n", "max_tokens", "max_completion_tokens")


def expected_tokens(prompt_tokens: int, block_size: int) -> int:
    """Tokens that decode must load: the prompt less its last block (whole, or begun)."""
    return (prompt_tokens - 1) // block_size * block_size


def enough_loaded(connector: str, cached_tokens: int, prompt_tokens: int, block_size: int) -> bool:
    """Whether the KV cache of the prompt was loaded: exactly up to the last block by files, at least so far by Nixl."""
    expected = expected_tokens(prompt_tokens, block_size)
    return cached_tokens == expected if connector == "file" else cached_tokens >= expected


def prefill_request(body: dict[str, Any], transfer: dict[str, Any]) -> dict[str, Any]:
    """The request for the first token alone."""
    kept = {name: value for name, value in body.items() if name not in ONE_ANSWER}
    limit = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
    return {**kept, "stream": False, limit: 1, "kv_transfer_params": transfer}


class Proxy:
    """Handlers of the proxy.

    Args:
        prefill, decode: URLs of the instances.
        connector: file or nixl.
        block_size: tokens in a block of the decode instance's KV cache.
    """

    def __init__(self, prefill: str, decode: str, connector: str, block_size: int) -> None:
        self.prefill, self.decode, self.connector, self.block_size = prefill, decode, connector, block_size
        self.records: list[dict[str, Any]] = []
        self.session: ClientSession | None = None

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answers a chat completion or a completion."""
        body = await request.json()
        key = uuid4().hex
        record: dict[str, Any] = {"request_id": request.headers.get("X-Request-Id"), "key": key}
        transfer = {"kv_key": key} if self.connector == "file" else NIXL_PREFILL
        started = time.perf_counter()
        try:
            async with self.session.post(f"{self.prefill}{request.path}", json=prefill_request(body, transfer)) as answer:
                if answer.status != 200:
                    return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")
                first = await answer.json()
            record["prefill_seconds"] = time.perf_counter() - started
            record["first_token"] = _text(first["choices"][0])
            if self.connector == "nixl":
                transfer = first.get("kv_transfer_params")
                if not transfer:
                    return _failure("the prefill instance returned no kv_transfer_params: its KV cache cannot be transferred")
            body["kv_transfer_params"] = transfer
            if body.get("stream"):
                body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
            async with self.session.post(f"{self.decode}{request.path}", json=body) as answer:
                if answer.status != 200:
                    return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")
                if body.get("stream"):
                    return await self._stream(request, answer, record)
                content, counts = await answer.read(), Reply()
                counts.add({"usage": whole_object(content).get("usage")}, 0.0)
                failure = self._check(record, counts)
                return failure or web.Response(body=content, content_type="application/json")
        except (ClientError, OSError, Failure) as error:
            return _failure(f"an instance of the pair does not answer: {error}")

    async def _stream(self, request: web.Request, answer: Any, record: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        reader, counts = EventReader(), Reply()
        try:
            async for part in answer.content.iter_any():
                await response.write(part)
                for event in reader.feed(part):
                    if event.chunk is not None and event.chunk.get("usage"):
                        counts.add({"usage": event.chunk["usage"]}, 0.0)
            complete = self._check(record, counts) is None
        except (ClientError, OSError, Failure) as error:
            print(f"the decode instance broke off: {error}", flush=True)
            complete = False
        if complete:
            await response.write_eof()
        elif request.transport is not None:
            # The text is on its way already: cutting the connection is what tells the client.
            request.transport.abort()
        return response

    def _check(self, record: dict[str, Any], counts: Reply) -> web.Response | None:
        prompt_tokens, cached_tokens = counts.prompt_tokens, counts.cached_tokens
        record |= {"prompt_tokens": prompt_tokens, "loaded_tokens": cached_tokens, "block_size": self.block_size}
        record["expected_tokens"] = None if prompt_tokens is None else expected_tokens(prompt_tokens, self.block_size)
        loaded = None not in (prompt_tokens, cached_tokens) and enough_loaded(
            self.connector, cached_tokens, prompt_tokens, self.block_size
        )
        record["loaded"] = loaded
        self.records.append(record)
        if loaded:
            return None
        message = f"the decode instance loaded {cached_tokens} of {record['expected_tokens']} prompt tokens and computed the others again"
        print(message, flush=True)
        return _failure(message)

    async def take_records(self, _: web.Request) -> web.Response:
        """Returns and clears the records."""
        records, self.records = self.records, []
        return web.json_response(records)

    async def health(self, _: web.Request) -> web.Response:
        """200 if both instances are healthy."""
        for url in (self.prefill, self.decode):
            async with self.session.get(f"{url}/health") as answer:
                if answer.status != 200:
                    return _failure(f"{url} is not healthy")
        return web.Response()

    async def models(self, request: web.Request) -> web.Response:
        """The decode instance's list of models."""
        async with self.session.get(f"{self.decode}{request.path}") as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")

    async def open(self, _: web.Application) -> Any:
        """Opens the connections for as long as the server runs."""
        self.session = ClientSession(timeout=ClientTimeout(total=None), connector=TCPConnector(limit=0))
        yield
        await self.session.close()


def block_size_of(url: str) -> int:
    """Tokens in a block of an instance's KV cache, as its own metrics tell."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return int(re.search(r'vllm:cache_config_info\{[^}]*\bblock_size="(\d+)"', text).group(1))


def _text(choice: dict[str, Any]) -> str:
    message = choice.get("message") or {}
    return message.get("content") or message.get("reasoning") or message.get("reasoning_content") or choice.get("text") or ""


def _failure(message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": "disaggregation_failed", "code": 502}}, status=502)


def main() -> None:
    """Serves until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prefill", required=True)
    parser.add_argument("--decode", required=True)
    parser.add_argument("--connector", choices=["file", "nixl"], required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    proxy = Proxy(arguments.prefill, arguments.decode, arguments.connector, block_size_of(arguments.decode))
    application = web.Application(client_max_size=1 << 30)
    application.cleanup_ctx.append(proxy.open)
    application.router.add_post("/v1/chat/completions", proxy.complete)
    application.router.add_post("/v1/completions", proxy.complete)
    application.router.add_get("/v1/models", proxy.models)
    application.router.add_get("/records", proxy.take_records)
    application.router.add_get("/health", proxy.health)
    asyncio.set_event_loop(asyncio.new_event_loop())
    web.run_app(application, host="127.0.0.1", port=arguments.port, print=None)


if __name__ == "__main__":
    main()
