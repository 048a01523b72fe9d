"""Stands in for Anthropic's messages with its rules of the prompt cache, and keeps its own account of tokens.

"Prompt caching" in Anthropic's documentation: at most 4 marked blocks; an entry is written where a block is marked and at least 1,024 tokens
stand before it, is there once the answer has begun, and is found by the same blocks at a mark or up to 20 blocks before it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from typing import Any

from tests.servers.local import LocalServer, QuietHandler
from tests.servers.wire import events

LEAST_TOKENS, MOST_MARKS, BLOCKS_BACK = 1024, 4, 20


@dataclass
class Account:
    """Tokens of prompts: read from the cache, written to it, and neither."""

    plain: int = 0
    written: int = 0
    read: int = 0
    requests: int = 0

    @property
    def all(self) -> int:
        return self.plain + self.written + self.read


class AnthropicCache(LocalServer):
    """A context manager; `url` is what `base_url` takes.

    Args:
        count: tokens of a text.
    """

    def __init__(self, count: Any, seconds: float = 0.0) -> None:
        self.account, self._count, self.bodies = Account(), count, []
        self._entries: set[str] = set()
        self._lock = threading.Lock()
        outer = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, content = outer.answer(body)
                self.say(status, content, "text/event-stream" if status == 200 else "application/json")

        super().__init__(Handler)
        self.url = self.address

    def answer(self, body: dict[str, Any]) -> tuple[int, bytes]:
        blocks = self._blocks(body)
        marks = [place for place, (_, _, marked) in enumerate(blocks) if marked]
        if len(marks) > MOST_MARKS or any(not text for _, text, _ in blocks):
            error = {"type": "invalid_request_error", "message": "at most 4 blocks with cache_control, no empty text"}
            return 400, json.dumps({"type": "error", "error": error}).encode()
        digest, names, ends, tokens = hashlib.sha256(), [], [], 0
        for role, text, _ in blocks:
            digest.update(f"{role}\0{text}\0".encode())
            tokens += self._count(text)
            names.append(digest.hexdigest())
            ends.append(tokens)
        with self._lock:
            looked_at = {place for mark in marks for place in range(max(0, mark - BLOCKS_BACK), mark + 1)}
            read = max((ends[place] for place in looked_at if names[place] in self._entries), default=0)
            kept = [place for place in marks if ends[place] >= LEAST_TOKENS]
            written = max(0, max((ends[place] for place in kept), default=0) - read)
            self._entries |= {names[place] for place in kept}
            self.bodies.append(body)
            self.account.requests += 1
            self.account.read += read
            self.account.written += written
            self.account.plain += tokens - read - written
        usage = {
            "input_tokens": tokens - read - written, "cache_creation_input_tokens": written, "cache_read_input_tokens": read,
            "output_tokens": 1,
        }  # fmt: skip
        message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": body["model"], "stop_reason": None,
                   "stop_sequence": None, "usage": usage}  # fmt: skip
        return 200, events(
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "yes"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
            done=False,
            names=True,
        )

    @staticmethod
    def _blocks(body: dict[str, Any]) -> list[tuple[str, str, bool]]:
        """Role, text and mark of each block, in the order in which they are rendered."""
        found = []
        system = body.get("system", [])
        for role, content in (("system", system), *((message["role"], message["content"]) for message in body["messages"])):
            parts = [{"text": content}] if isinstance(content, str) else content
            found += [(role, part["text"], "cache_control" in part) for part in parts]
        return found
