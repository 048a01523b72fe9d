#!/usr/bin/env python3
"""Stands in for `llama-server`: answers every chat after a moment, and keeps a book of all it was asked that outlives its end.

A line of the book is "asked PROMPT PID TIME" or "answered PROMPT PID TIME", the prompt by its hash.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TELLS = {"default_generation_settings": {"n_ctx": 4096}, "total_slots": 4, "build_info": "stand-in"}


class Chats(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    book: int
    seconds: float

    def do_GET(self) -> None:
        self._say(TELLS)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "messages" not in asked:
            return self._say({})
        name = hashlib.sha256(json.dumps(asked["messages"]).encode()).hexdigest()[:16]
        self._note("asked", name)
        time.sleep(self.seconds)
        message = {"role": "assistant", "content": f"The answer is {name}."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._say({"model": asked["model"], "choices": [choice]})
        return self._note("answered", name)

    def _note(self, what: str, name: str) -> None:
        os.write(self.book, f"{what} {name} {os.getpid()} {time.time():.4f}\n".encode())

    def _say(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the book has it all."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--book")
    parser.add_argument("--seconds", type=float)
    given, _ = parser.parse_known_args()
    Chats.book = os.open(given.book, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    Chats.seconds = given.seconds
    ThreadingHTTPServer(("127.0.0.1", given.port), Chats).serve_forever()


if __name__ == "__main__":
    main()
