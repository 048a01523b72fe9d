#!/usr/bin/env python3
"""Stands in for `llama-server`: answers every chat after a moment, and keeps a book of all it was asked that outlives its end.

A line of the book is "WHAT PROMPT PID TIME", the prompt by its hash. WHAT is "asked"; then "answered", or "dropped" if the asker went away
before; and "twice" if a prompt comes while the same one is under way, here or at another server with the same book. For that each request
under way holds a lock, which the kernel takes back when its server ends.

With `--together N` no answer is given before N servers with the same book have been asked, so that they are at work at the same time.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import select
import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECONDS_FOR_ALL = 180.0
"""No longer is waited for the other servers."""
TELLS = {"default_generation_settings": {"n_ctx": 4096}, "total_slots": 4, "build_info": "stand-in"}


class Chats(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    book: int
    locks: Path
    seconds: float
    together: int
    begin: float

    def do_GET(self) -> None:
        self._say(TELLS)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "messages" not in asked:
            return self._say({})
        name = hashlib.sha256(json.dumps(asked["messages"]).encode()).hexdigest()[:16]
        with (self.locks / name).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._note("twice", name)
            self._note("asked", name)
            if not self._stays():
                self.close_connection = True
                return self._note("dropped", name)
            self._note("answered", name)  # first: from here on it may arrive, whoever is killed
            message = {"role": "assistant", "content": f"The answer is {name}."}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return self._say({"model": asked["model"], "choices": [choice]})

    def _stays(self) -> bool:
        """Takes its time, and waits for the other servers; whether the asker is still there after it."""
        while True:
            readable, _, _ = select.select([self.connection], [], [], self.seconds)
            if readable or self._all_are_asked():
                return not readable or self.connection.recv(1, socket.MSG_PEEK) != b""

    def _all_are_asked(self) -> bool:
        if Chats.together > 1:
            lines = os.pread(self.book, os.fstat(self.book).st_size, 0).decode().split("\n")[:-1]
            asked = {line.split()[2] for line in lines if line.startswith("asked ")}
            if len(asked) < Chats.together and time.monotonic() - self.begin < SECONDS_FOR_ALL:
                return False
            Chats.together = 1
        return True

    def _note(self, what: str, name: str) -> None:
        os.write(self.book, f"{what} {name} {os.getpid()} {time.time():.4f}\n".encode())

    def _say(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing: the book has it all."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--book", type=Path)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--together", type=int, default=1)
    given, _ = parser.parse_known_args()
    Chats.book = os.open(given.book, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    Chats.locks = given.book.with_name("under_way")
    Chats.locks.mkdir(exist_ok=True)
    Chats.seconds, Chats.together, Chats.begin = given.seconds, given.together, time.monotonic()
    ThreadingHTTPServer(("127.0.0.1", given.port), Chats).serve_forever()


if __name__ == "__main__":
    main()
