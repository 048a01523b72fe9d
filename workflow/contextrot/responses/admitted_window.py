"""How long a window a server admits, asked of the server itself where it tells, else read from litellm's table."""

from __future__ import annotations

import json
from typing import Any

from contextrot.engines import Endpoint
from contextrot.responses import outgoing, prices
from contextrot.responses.model_names import same_model
from contextrot.settings import ModelSettings
from contextrot.wire.reply_form import mapping

MODEL_LIST_FIELDS = ("max_model_len", "loaded_context_length", "context_length", "context_window", "max_context_length")
"""What vLLM, LM Studio, OpenRouter, Groq and Mistral call it in their lists of models."""
LONGEST_WINDOW = 10**9
DEAREST = 1e6
"""USD a million tokens; what is more is no price."""
LONGEST_ANSWER_BYTES = 20_000_000


async def admitted_window(endpoint: Endpoint, model: ModelSettings, seconds: float = 5.0) -> tuple[int | None, str | None]:
    """Tokens, and who says so; both None if nobody does.

    Sources: vLLM's /v1/models (`max_model_len`), llama-server's /props (`n_ctx` of a slot), Ollama's /api/ps and /api/show,
    TGI's /info (`max_total_tokens`), LM Studio's /api/v0/models, OpenRouter's list.

    Args:
        seconds: patience with each question; a server that has no such address answers 404 at once.
    """
    if endpoint.provider == "ollama":
        found = await _of_ollama(endpoint, model.name, seconds)
    elif endpoint.provider == "hosted_vllm" and endpoint.base_url:
        found = await _of_server(endpoint, model.name, seconds)
    elif endpoint.provider == "openrouter":
        listed = await _get(endpoint, endpoint.url("models"), seconds)
        found = (_in_list(listed, model.name), "OpenRouter's list")
    else:
        found = (None, None)
    if found[0] is None:
        table = (prices.table_entry(model) or {}).get("max_input_tokens")
        found = (table, "litellm's table") if _length(table) else (None, None)
    return found


async def listed_price(endpoint: Endpoint, model: ModelSettings, seconds: float = 5.0) -> dict[str, float] | None:
    """A model's prices as OpenRouter's list has them, in the form of config's `price`; None elsewhere."""
    if endpoint.provider != "openrouter":
        return None
    for entry in _entries(await _get(endpoint, endpoint.url("models"), seconds), "data"):
        if _below(entry, "id") == model.name:
            try:
                prompt, completion = (float(_below(entry, "pricing", name)) * 1e6 for name in ("prompt", "completion"))
            except (TypeError, ValueError, OverflowError):
                return None
            if not (0 <= prompt <= DEAREST and 0 <= completion <= DEAREST):
                return None
            return {"input_usd_per_million_tokens": round(prompt, 6), "output_usd_per_million_tokens": round(completion, 6)}
    return None


async def _of_server(endpoint: Endpoint, name: str, seconds: float) -> tuple[int | None, str | None]:
    root = endpoint.base_url.removesuffix("/v1")
    props = await _get(endpoint, f"{root}/props", seconds)
    if window := _length(_below(props, "default_generation_settings", "n_ctx")):
        return window, "/props"
    window, source = await _of_ollama(endpoint, name, seconds, root)
    if window:
        return window, source
    if window := _in_list(await _get(endpoint, endpoint.url("models"), seconds), name):
        return window, "/v1/models"
    info = await _get(endpoint, f"{root}/info", seconds)
    if window := _length(_below(info, "max_total_tokens")) or _length(_below(info, "max_input_tokens")):
        return window, "/info"
    if window := _in_list(await _get(endpoint, f"{root}/api/v0/models", seconds), name):
        return window, "/api/v0/models"
    return None, None


async def _of_ollama(endpoint: Endpoint, name: str, seconds: float, root: str | None = None) -> tuple[int | None, str | None]:
    """The window that the loaded model has, else the longest that the model was made for (which a request can ask for)."""
    root = root or endpoint.base_url
    loaded = await _get(endpoint, f"{root}/api/ps", seconds)
    for entry in _entries(loaded, "models"):
        if same_model(name, str(_below(entry, "name") or _below(entry, "model"))) and (
            window := _length(_below(entry, "context_length"))
        ):
            return window, "/api/ps"
    if endpoint.provider != "ollama":
        return None, None
    shown = await _get(endpoint, f"{root}/api/show", seconds, {"model": name})
    about = mapping(_below(shown, "model_info"))
    made_for = [_length(value) for key, value in about.items() if key.endswith(".context_length")]
    return (made_for[0], "/api/show") if made_for and made_for[0] else (None, None)


def _in_list(listed: Any, name: str) -> int | None:
    entries = _entries(listed, "data")
    named = [entry for entry in entries if str(entry.get("id")) == name] or [
        entry for entry in entries if same_model(name, str(entry.get("id")))
    ]
    for entry in named or (entries if len(entries) == 1 else []):
        for field in MODEL_LIST_FIELDS:
            if window := _length(entry.get(field)):
                return window
        if window := _length(_below(entry, "meta", "n_ctx")):
            return window
    return None


def _below(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _entries(value: Any, name: str) -> list[dict[str, Any]]:
    """The objects of a list in an object."""
    entries = _below(value, name)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _length(value: Any) -> int | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= LONGEST_WINDOW
    return int(value) if known else None


async def _get(endpoint: Endpoint, url: str, seconds: float, body: dict[str, Any] | None = None) -> Any:
    """The JSON at an address; None for anything else."""
    import asyncio

    import aiohttp

    try:
        async with (
            asyncio.timeout(seconds),
            aiohttp.ClientSession(headers=endpoint.request_headers) as session,
            session.request("POST" if body else "GET", url, proxy=outgoing.proxy_for(url), json=body or None) as answer,
        ):
            if answer.status != 200:
                return None
            return json.loads(await answer.content.read(LONGEST_ANSWER_BYTES))
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError, RecursionError):
        return None
