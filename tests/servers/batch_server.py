"""Stands in for the batch APIs of OpenAI, Anthropic and Google, and for direct asking; keeps an account of what it billed for.

An answer follows from the request's messages alone. What goes wrong is drawn by a seed: requests that expire, fail or go missing, results
in another order and twice, a busy server at submission.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from tests.servers.local import LocalServer, QuietHandler


def answer_to(messages: Any) -> str:
    """What the stand-in says to a chat, in whatever form it came."""
    texts = re.findall(r"question [\w-]+", json.dumps(messages))
    return f"The answer is {hashlib.sha256(' '.join(texts).encode()).hexdigest()[:12]}."


class BatchServer(LocalServer):
    """A context manager; `url` is what `base_url` takes for OpenAI and `plain_url` for the others.

    Args:
        faults: share of a batch's requests that expire, fail or go missing, the first time they are asked.
        busy: how many submissions are answered with 429.
        looks: how often a batch is looked at before it has ended.
        seconds: between what a request does and its answer.

    Attributes:
        billed: how often each request (by its answer) was answered in a batch, and directly.
        submitted: number of requests of each batch.
        calls: HTTP requests so far.
    """

    def __init__(self, faults: float = 0.0, busy: int = 0, looks: int = 1, seed: int = 1, seconds: float = 0.0) -> None:
        self.faults, self.busy, self.looks, self.rng = faults, busy, looks, random.Random(seed)
        self.calls = 0
        self.billed: Counter[str] = Counter()
        self.direct: Counter[str] = Counter()
        self.submitted: list[int] = []
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, dict[str, Any]] = {}
        self._tried: set[str] = set()
        self.lock = threading.RLock()
        outer = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                outer.calls += 1
                self._say(*outer.get(self.path))

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                answer = outer.post(self.path, content)
                outer.calls += 1
                time.sleep(seconds)
                with suppress(OSError):
                    self._say(*answer)

            def _say(self, status: int, answer: Any) -> None:
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.say(status, content, **({"Retry-After": "0.05"} if status == 429 else {}))

        super().__init__(Handler)
        self.plain_url = self.address
        self.url = f"{self.plain_url}/v1"

    def end_soon(self) -> None:
        """Batches end at the next look."""
        with self.lock:
            self.looks = 0
            for batch in self._batches.values():
                batch["looks"] = min(batch["looks"], 0)

    def post(self, path: str, content: bytes) -> tuple[int, Any]:
        with self.lock:
            if path.endswith("/files"):
                name = f"file-{len(self._files)}"
                start = content.index(b'{"custom_id"')
                self._files[name] = content[start : content.rindex(b"\r\n--")]
                return 200, {"id": name, "object": "file"}
            if path.endswith("/chat/completions"):
                text = answer_to(json.loads(content)["messages"])
                self.direct[text] += 1
                return 200, self._completion(text)
            if self.busy:
                self.busy -= 1
                return 429, {"error": {"code": "rate_limit_exceeded", "message": "too many"}}
            asked = json.loads(content)
            if path.endswith("/v1/messages/batches"):
                items = {item["custom_id"]: item["params"]["messages"] for item in asked["requests"]}
                return 200, self._shown_anthropic(self._begin(items, None))
            if path.endswith(":batchGenerateContent"):
                batch = asked["batch"]
                items = {item["metadata"]["key"]: item["request"] for item in batch["input_config"]["requests"]["requests"]}
                return 200, {"name": f"batches/{self._begin(items, batch['display_name'])}"}
            lines = map(json.loads, self._files[asked["input_file_id"]].splitlines())
            items = {line["custom_id"]: line["body"]["messages"] for line in lines}
            return 200, self._shown_openai(self._begin(items, asked["metadata"]["contextrot"]))

    def _begin(self, items: dict[str, Any], name: str | None) -> str:
        batch = f"batch_{len(self._batches)}"
        results: dict[str, str | None] = {}
        for key, messages in items.items():
            fails = key not in self._tried and self.rng.random() < self.faults
            self._tried.add(key)
            results[key] = self.rng.choice(["expired", "failed", "missing"]) if fails else None
            if not fails:
                self.billed[answer_to(messages)] += 1
        self._batches[batch] = {"name": name, "items": items, "results": results, "looks": self.looks, "created": time.time()}
        self.submitted.append(len(items))
        return batch

    def get(self, path: str) -> tuple[int, Any]:
        with self.lock:
            if match := re.search(r"/files/out-(\w+)/content", path):
                return 200, self._lines(match[1], self._openai_line)
            if match := re.search(r"/messages/batches/(\w+)/results", path):
                return 200, self._lines(match[1], self._anthropic_line)
            if match := re.search(r"/messages/batches/(\w+)", path):
                return 200, self._shown_anthropic(match[1], look=True)
            if "/messages/batches" in path:
                return 200, {"data": [self._shown_anthropic(name) for name in reversed(self._batches)], "has_more": False}
            if match := re.search(r"/batches/(\w+)", path):
                shown = self._shown_openai if "/v1/" in path else self._shown_gemini
                return 200, shown(match[1], look=True)
            if "pageSize" in path:
                return 200, {"operations": [self._shown_gemini(name) for name in self._batches]}
            return 200, {"data": [self._shown_openai(name) for name in reversed(self._batches)], "has_more": False}

    def _has_ended(self, name: str, look: bool) -> bool:
        batch = self._batches[name]
        batch["looks"] -= look
        return batch["looks"] < 0

    def _lines(self, name: str, line_of: Any) -> bytes:
        """The results in any order, some twice, one that nobody asked."""
        batch = self._batches[name]
        lines = [line for key in batch["items"] if (line := line_of(batch, key)) is not None]
        lines += self.rng.sample(lines, len(lines) // 4)
        self.rng.shuffle(lines)
        return "\n".join(map(json.dumps, lines)).encode() + b'\n{"custom_id": "stranger"}\n{"half'

    @staticmethod
    def _completion(text: str) -> dict[str, Any]:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return {"model": "m", "choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 10}}

    def _openai_line(self, batch: dict[str, Any], key: str) -> dict[str, Any] | None:
        result, messages = batch["results"][key], batch["items"][key]
        if result == "missing":
            return None
        if result == "expired":
            return {"custom_id": key, "response": None, "error": {"code": "batch_expired", "message": "not in time"}}
        if result == "failed":
            return {
                "custom_id": key,
                "response": {"status_code": 500, "body": {"error": {"message": "our fault"}}},
                "error": None,
            }
        return {"custom_id": key, "response": {"status_code": 200, "body": self._completion(answer_to(messages))}, "error": None}

    def _anthropic_line(self, batch: dict[str, Any], key: str) -> dict[str, Any] | None:
        result = batch["results"][key]
        if result == "missing":
            return None
        if result == "expired":
            return {"custom_id": key, "result": {"type": "expired"}}
        if result == "failed":
            error = {"type": "error", "error": {"type": "api_error", "message": "our fault"}}
            return {"custom_id": key, "result": {"type": "errored", "error": error}}
        text = answer_to(batch["items"][key])
        message = {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": text}],
                   "stop_reason": "end_turn", "usage": {"input_tokens": 100, "output_tokens": 10}}  # fmt: skip
        return {"custom_id": key, "result": {"type": "succeeded", "message": message}}

    def _shown_openai(self, name: str, look: bool = False) -> dict[str, Any]:
        batch, ended = self._batches[name], self._has_ended(name, look)
        expired = "expired" in batch["results"].values()
        status = "in_progress" if not ended else "expired" if expired else "completed"
        return {
            "id": name, "object": "batch", "status": status, "created_at": int(batch["created"]), "metadata": {"contextrot": batch["name"]},
            "output_file_id": f"out-{name}" if ended else None, "error_file_id": None,
        }  # fmt: skip

    def _shown_anthropic(self, name: str, look: bool = False) -> dict[str, Any]:
        batch, ended = self._batches[name], self._has_ended(name, look)
        counts = {"processing": 0 if ended else len(batch["items"]), "succeeded": len(batch["items"]) if ended else 0}
        created = datetime.fromtimestamp(batch["created"], UTC).isoformat().replace("+00:00", "Z")
        return {
            "id": name,
            "processing_status": "ended" if ended else "in_progress",
            "created_at": created,
            "request_counts": counts,
        }

    def _shown_gemini(self, name: str, look: bool = False) -> dict[str, Any]:
        batch, ended = self._batches[name], self._has_ended(name, look)
        about = {"displayName": batch["name"], "state": "BATCH_STATE_SUCCEEDED" if ended else "BATCH_STATE_RUNNING"}
        shown: dict[str, Any] = {"name": f"batches/{name}", "metadata": about, "done": ended}
        if ended:
            responses = []
            for key, result in batch["results"].items():
                if result:
                    responses.append({"error": {"code": 500, "message": "our fault", "status": "INTERNAL"}})
                    continue
                content = {"role": "model", "parts": [{"text": answer_to(batch["items"][key])}]}
                usage = {"promptTokenCount": 100, "candidatesTokenCount": 10, "totalTokenCount": 110}
                candidate = {"content": content, "finishReason": "STOP", "index": 0}
                responses.append({"response": {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m"}})
            shown["response"] = {"inlinedResponses": {"inlinedResponses": responses}}
        return shown
