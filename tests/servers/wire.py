"""A real HTTP server on a loopback port that sends what it is told, byte for byte, to whatever it is asked at whatever path."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.servers.requests import Asked, take_request


@dataclass
class Said:
    """One answer.

    Attributes:
        status, headers, body: of it.
        close: end the connection afterwards, although keep-alive was announced.
        raw: instead of all that, these bytes.
        pieces: the body in these pieces, each after a moment.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    close: bool = False
    raw: bytes | None = None
    pieces: list[bytes] | None = None


class WireServer:
    """A context manager; `url` is what `base_url` takes.

    Attributes:
        asked: path, headers and JSON body of each request.
        connections: how many were opened.
    """

    def __init__(self, answer: Said | Callable[[int], Said]) -> None:
        self._answer = answer if callable(answer) else lambda _: answer
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.connections = self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> WireServer:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._shut)
        self._thread.join(10)

    def _shut(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._loop.call_later(0.02, self._loop.stop)

    def _run(self) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        received, going_on = b"", True
        try:
            while going_on and (data := await reader.read(2**16)):
                asked, received = take_request(received + data)
                while asked and going_on:
                    going_on = await self._answer_one(asked, writer)
                    asked, received = take_request(received)
        except ConnectionError:
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer_one(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        said = self._answer(len(self.asked))
        self.asked.append((asked.path, asked.headers, json.loads(asked.body) if asked.body else None))
        if said.raw is not None:
            writer.write(said.raw)
            await writer.drain()
            return False
        length = len(said.body) if said.pieces is None else sum(map(len, said.pieces))
        sent = {"Content-Type": "application/json", **said.headers, "Content-Length": str(length)}
        lines = [f"HTTP/1.1 {said.status} Said", *(f"{name}: {value}" for name, value in sent.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + said.body)
        for piece in said.pieces or []:
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(piece)
        await writer.drain()
        return not said.close


def events(*chunks: Any, done: bool = True, names: bool = False, separator: str = "data: ", end: str = "\n") -> bytes:
    """A stream of these chunks; with `names` each is preceded by its type as the event's name, as Anthropic does."""
    lines = []
    for chunk in chunks:
        head = f"event: {chunk['type']}{end}" if names else ""
        lines.append(f"{head}{separator}{chunk if isinstance(chunk, str) else json.dumps(chunk)}{end}{end}")
    return ("".join(lines) + (f"{separator}[DONE]{end}{end}" if done else "")).encode()
