"""Ollama's own interface, /api/chat: the only one through which a request can say how long a window it wants.

Its OpenAI-compatible one takes no num_ctx and cuts what does not fit the server's default (docs.ollama.com/api/openai-compatibility,
"Setting the context size"). With `truncate: false` a prompt over the window is an error instead of a cut prompt, and with
`shift: false` a long answer ends at the window instead of pushing the prompt's beginning out.
"""

from __future__ import annotations

from typing import Any

OPTIONS = (
    "num_ctx", "num_keep", "num_batch", "num_gpu", "num_thread", "temperature", "top_p", "top_k", "min_p", "typical_p", "seed", "stop",
    "repeat_penalty", "repeat_last_n", "presence_penalty", "frequency_penalty", "num_predict",
)  # fmt: skip
"""Parameters that stand below `options`."""


def native_body(body: dict[str, Any]) -> dict[str, Any]:
    """A chat-completion request as /api/chat takes it; what it has no other name for goes as it is."""
    options = dict(body.get("options") or {})
    native: dict[str, Any] = {"truncate": False, "shift": False, "stream": True}
    for name, value in body.items():
        if name in ("max_tokens", "max_completion_tokens"):
            options["num_predict"] = value
        elif name == "reasoning_effort":
            native["think"] = False if value == "none" else value
        elif name == "response_format":
            schema = (value.get("json_schema") or {}).get("schema") if isinstance(value, dict) else None
            native["format"] = schema or "json"
        elif name in OPTIONS:
            options[name] = [value] if name == "stop" and isinstance(value, str) else value
        elif name not in ("options", "stream_options"):
            native[name] = value
    return {**native, "options": options}


def as_chunk(event: dict[str, Any]) -> dict[str, Any]:
    """One line of an answer as a chunk of OpenAI's stream, which the one reader of replies takes.

    Ends: `stop` and `length` are OpenAI's; any other `done_reason` stays as it is.
    """
    if "error" in event:
        return event
    message = event.get("message") if isinstance(event.get("message"), dict) else {}
    delta = {"content": message.get("content"), "reasoning_content": message.get("thinking")}
    choice = {"index": 0, "delta": delta, "finish_reason": (event.get("done_reason") or "stop") if event.get("done") else None}
    chunk: dict[str, Any] = {"model": event.get("model"), "choices": [choice]}
    if event.get("done"):
        counts = {"prompt_tokens": event.get("prompt_eval_count"), "completion_tokens": event.get("eval_count")}
        chunk["usage"] = {name: count for name, count in counts.items() if count is not None}
    return chunk
