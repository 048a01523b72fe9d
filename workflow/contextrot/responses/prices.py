"""What a model's tokens cost: from the config, else from litellm's own table (its packaged copy; nothing is downloaded)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from contextrot import engines, secrets
from contextrot.settings import OWN_PROVIDERS, ModelSettings


@dataclass(frozen=True)
class Rate:
    """USD for one token: prompt, cached prompt, completion (reasoning included)."""

    prompt: float
    cached: float
    completion: float


@dataclass(frozen=True)
class Pricing:
    """Rates by length of the prompt: the last whose threshold the prompt exceeds holds for the whole request."""

    tiers: tuple[tuple[int, Rate], ...]

    def cost(self, prompt_tokens: int, completion_tokens: float, cached_tokens: int = 0) -> float:
        """USD for one request."""
        rate = [rate for threshold, rate in self.tiers if prompt_tokens > threshold or threshold == 0][-1]
        cached = min(cached_tokens, prompt_tokens)
        return (prompt_tokens - cached) * rate.prompt + cached * rate.cached + completion_tokens * rate.completion


HOSTS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.deepseek.com": "deepseek",
    "api.together.xyz": "together_ai",
    "api.x.ai": "xai",
    "generativelanguage.googleapis.com": "gemini",
}
"""Providers by the host of their OpenAI-compatible addresses."""
FREE = Pricing(((0, Rate(0.0, 0.0, 0.0)),))


def pricing_of(model: ModelSettings) -> Pricing | None:
    """The model's prices; None where they are unknown. Servers that this workflow starts, and those of this machine, bill nothing."""
    if model.price is not None:
        prompt = model.price.input_usd_per_million_tokens / 1e6
        cached = model.price.cached_input_usd_per_million_tokens
        completion = model.price.output_usd_per_million_tokens / 1e6
        return Pricing(((0, Rate(prompt, prompt if cached is None else cached / 1e6, completion)),))
    if not engines.of(model).elsewhere:
        return FREE
    if model.provider in OWN_PROVIDERS or (model.provider is None and on_this_machine(model.base_url)):
        return FREE
    entry = table_entry(model)
    return _from_table(entry) if entry else None


def on_this_machine(base_url: str | None) -> bool:
    """Whether an address is this machine's own."""
    host = (secrets.address_parts(base_url).hostname or "") if base_url else ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def table_entry(model: ModelSettings) -> dict[str, Any] | None:
    """What litellm's table says of a hosted model: prices, window, what it supports; None for one that it does not know."""
    provider = model.provider or HOSTS.get((secrets.address_parts(model.base_url).hostname or "") if model.base_url else "")
    if provider is None or not engines.of(model).elsewhere:
        return None
    table = _litellm_table()
    entry = table.get(f"{provider}/{model.name}")
    if entry is None and str((table.get(model.name) or {}).get("litellm_provider")).startswith(provider):
        entry = table[model.name]
    return entry


def family_entry(model: ModelSettings) -> dict[str, Any]:
    """As `table_entry`, or else what the table says of the same name wherever it is served: what it takes, not what it costs."""
    return table_entry(model) or _litellm_table().get(model.name.rpartition("/")[2]) or {}


def _from_table(entry: dict[str, Any]) -> Pricing | None:
    prompt, completion = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
    if prompt is None or completion is None:
        return None
    tiers = [(0, Rate(prompt, entry.get("cache_read_input_token_cost", prompt), completion))]
    for key in entry:
        if above := re.fullmatch(r"input_cost_per_token_above_(\d+)k_tokens", key):
            suffix = f"_above_{above[1]}k_tokens"
            rate = Rate(
                entry[key],
                entry.get(f"cache_read_input_token_cost{suffix}", entry[key]),
                entry.get(f"output_cost_per_token{suffix}", completion),
            )
            tiers.append((int(above[1]) * 1000, rate))
    return Pricing(tuple(sorted(tiers, key=lambda tier: tier[0])))


@cache
def _litellm_table() -> dict[str, Any]:
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        return {}
    path = Path(spec.origin).parent / "model_prices_and_context_window_backup.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
