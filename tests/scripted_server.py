"""A real HTTP server on a loopback port that answers chat completions as a script says, faults included, and logs what was asked.

It runs in a thread of the test's process, or by itself (`python -m tests.scripted_server LOG SECONDS`) where a test kills its clients.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.requests import take_request


@dataclass
class Act:
    """What the server does with one request.

    Attributes:
        text, reasoning, finish, model, refusal: of the answer; a model of None repeats the one that was asked.
        usage: token counts, as the server gives them.
        status, headers, body: another status or a body of its own instead of the answer.
        stream: whether the answer comes as server-sent events, if it was asked so.
        cut: end the connection in the middle of the stream.
        unfinished: end the stream properly, but without a finish reason and [DONE].
        reset: reset the connection instead of answering.
        silent: never answer.
        delay_seconds: time until the first byte.
    """

    text: str = "yes"
    reasoning: str | None = None
    finish: str | None = "stop"
    model: str | None = None
    refusal: str | None = None
    usage: dict[str, Any] = field(default_factory=lambda: {"prompt_tokens": 7, "completion_tokens": 2})
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    stream: bool = True
    cut: bool = False
    unfinished: bool = False
    reset: bool = False
    silent: bool = False
    delay_seconds: float = 0.0


def error(status: int, message: str = "broken", code: str | None = None, **headers: str) -> Act:
    """An error as OpenAI-compatible servers word it."""
    body = json.dumps({"error": {"message": message, "code": code}}).encode()
    return Act(status=status, body=body, headers={"Content-Type": "application/json", **headers})


Script = Callable[[str, int], Act]
"""From the last prompt and how many times it was asked before, to what the server does."""


class ScriptedServer:
    """A context manager; `url` is what `base_url` takes.

    Attributes:
        prompts: the last prompt of each request, in their order.
        requests: each request's body.
        authorizations: each request's Authorization header.
        pages: path -> JSON of everything but chat completions; 404 for what is not there.
        looks: paths that were asked for so.
        most_at_once: the most requests that were under way at one time.
    """

    def __init__(self, script: Script = lambda prompt, before: Act(), log: Path | None = None, port: int = 0) -> None:
        self.script = script
        self.prompts: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.pages: dict[str, Any] = {}
        self.looks: list[str] = []
        self.counts: Counter[str] = Counter()
        self.transports: set[asyncio.Transport] = set()
        self.active = self.most_at_once = 0
        self._log = log.open("a", buffering=1) if log else None
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._shut)
        self._thread.join(10)
        self._loop.close()
        if self._log:
            self._log.close()

    def _shut(self) -> None:
        for transport in self.transports:
            transport.abort()
        self._loop.call_soon(self._loop.stop)

    def _run(self) -> None:
        server = self._loop.run_until_complete(self._loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()

    def act(self, request: dict[str, Any], authorization: str | None) -> Act:
        """Logs a request, and gives what the script says."""
        prompt = request["messages"][-1]["content"]
        if isinstance(prompt, list):  # Anthropic's form
            prompt = "".join(part.get("text", "") for part in prompt)
        before = self.counts[prompt]
        self.counts[prompt] += 1
        self.prompts.append(prompt)
        self.requests.append(request)
        self.authorizations.append(authorization)
        if self._log:
            self._log.write(f"asked {prompt}\n")
        return self.script(prompt, before)

    def answered(self, request: dict[str, Any]) -> None:
        """Logs that an answer was sent whole."""
        if self._log:
            self._log.write(f"answered {request['messages'][-1]['content']}\n")


class _Connection(asyncio.Protocol):
    def __init__(self, server: ScriptedServer) -> None:
        self.server, self.buffer = server, b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.server.transports.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.transports.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        asked, self.buffer = take_request(self.buffer + data)
        while asked:
            if not asked.path.partition("?")[0].endswith(("/chat/completions", "/api/chat", "/messages", "/responses")):
                self._page(asked.path)
                asked, self.buffer = take_request(self.buffer)
                continue
            request, server = json.loads(asked.body), self.server
            act = server.act(request, asked.headers.get("authorization"))
            asked, self.buffer = take_request(self.buffer)
            server.active += 1
            server.most_at_once = max(server.most_at_once, server.active)
            if act.silent:
                continue
            asyncio.get_running_loop().call_later(act.delay_seconds, self.answer, act, request)

    def _page(self, path: str) -> None:
        self.server.looks.append(path)
        page = self.server.pages.get(path)
        body = json.dumps(page).encode()
        head = _head(404 if page is None else 200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
        self.transport.write(head + body)

    def answer(self, act: Act, request: dict[str, Any]) -> None:
        self.server.active -= 1
        if self.transport.is_closing():
            return
        if act.reset:
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
            return
        model = act.model or request["model"]
        streamed = act.stream and request.get("stream") and act.body is None
        if streamed:
            body = _events(act, model)
            if act.cut:
                head = _head(200, {"Content-Type": "text/event-stream", "Content-Length": str(len(body) + 100)})
                self.transport.write(head + body[: len(body) // 3])
                self.transport.close()
                return
            headers = {"Content-Type": "text/event-stream"}
        else:
            message = {"role": "assistant", "content": act.text, "reasoning_content": act.reasoning, "refusal": act.refusal}
            whole = {
                "model": model,
                "choices": [{"index": 0, "message": message, "finish_reason": act.finish}],
                "usage": act.usage,
            }
            body = json.dumps(whole).encode() if act.body is None else act.body
            headers = {"Content-Type": "application/json", **act.headers}
        self.transport.write(_head(act.status, {**headers, "Content-Length": str(len(body))}) + body)
        if act.status == 200:
            self.server.answered(request)


def _events(act: Act, model: str) -> bytes:
    half = len(act.text) // 2
    deltas = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": act.reasoning}] if act.reasoning else []
    deltas += [{"refusal": act.refusal}] if act.refusal else []
    deltas += [{"content": part} for part in (act.text[:half], act.text[half:]) if part]
    chunks = [
        {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
        }
        for delta in deltas
    ]
    if not act.unfinished:
        chunks.append(
            {"id": "1", "created": 1, "model": model, "choices": [{"index": 0, "delta": {}, "finish_reason": act.finish}]}
        )
        chunks.append({"id": "1", "created": 1, "model": model, "choices": [], "usage": act.usage})
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return "".join(lines if act.unfinished else [*lines, "data: [DONE]\n\n"]).encode()


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def main(log: str, seconds: str) -> None:
    """Serves until the process is ended; prints the port."""
    with ScriptedServer(
        lambda prompt, before: Act(text=f"answer to {prompt}", delay_seconds=float(seconds)), Path(log)
    ) as server:
        print(server.port, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
