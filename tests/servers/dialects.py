"""Whole answers in the dialects of the providers, with any end: as OpenAI, Anthropic and Google stream them."""

from __future__ import annotations

from typing import Any

from tests.servers.wire import Said, events

SSE = {"Content-Type": "text/event-stream"}
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


def openai(end: str | None = "stop", text: Any = "yes", usage: Any = USAGE, model: str = "m", **more: Any) -> Said:
    """OpenAI "The chat completion chunk object": role, text, end, then a chunk with counts and no choice."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model, **more}
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": end}]},
    ]
    if usage is not None:
        chunks.append({**head, "choices": [], "usage": usage})
    return Said(body=events(*chunks), headers=SSE)


def openai_error(error: Any, status: int = 200) -> Said:
    """An error inside of a stream, after its first chunk."""
    first = {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": "a"}}],
    }
    return Said(status, events(first, error), SSE)


def anthropic(end: str | None = "end_turn", text: str = "yes") -> Said:
    """Anthropic "Streaming messages"."""
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m", "stop_reason": None, "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 1},
    }  # fmt: skip
    chunks = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": end, "stop_sequence": None}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    return Said(body=events(*chunks, done=False, names=True), headers=SSE)


def anthropic_error(error: dict[str, Any]) -> Said:
    """Anthropic "Streaming messages", Error events."""
    start = {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "m",
             "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 7, "output_tokens": 1}}}  # fmt: skip
    return Said(body=events(start, {"type": "error", "error": error}, done=False, names=True), headers=SSE)


def gemini(end: str | None = "STOP", text: str | None = "yes") -> Said:
    """Google "GenerateContentResponse", streamed with alt=sse."""
    content = {"parts": [{"text": text}], "role": "model"} if text is not None else {}
    candidate = {"content": content, "index": 0} | ({"finishReason": end} if end else {})
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 2, "totalTokenCount": 9}
    return Said(body=events({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m"}, done=False), headers=SSE)
