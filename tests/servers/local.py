"""The start and end of every stand-in that answers in threads of this process."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class QuietHandler(BaseHTTPRequestHandler):
    """Connections that are kept; nothing is logged."""

    protocol_version = "HTTP/1.1"

    def say(self, status: int, content: bytes, content_type: str = "application/json", **headers: str) -> None:
        """Answers."""
        self.send_response(status)
        for name, value in ({"Content-Type": content_type, "Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class LocalServer:
    """A context manager that serves at `address`, on a free port of this machine, until it is left."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
