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
    """USD for one token: prompt, cached prompt, completion (reasoning included), prompt that is put into the cache (None: as any other)."""

    prompt: float
    cached: float
    completion: float
    written: float | None = None

    @property
    def write(self) -> float:
        return self.prompt if self.written is None else self.written


@dataclass(frozen=True)
class Pricing:
    """Rates by length of the prompt: the last whose threshold the prompt exceeds holds for the whole request."""

    tiers: tuple[tuple[int, Rate], ...]

    def cost(self, prompt_tokens: int, completion_tokens: float, cached_tokens: int = 0, written_tokens: int = 0) -> float:
        """USD for one request.

        Args:
            cached_tokens, written_tokens: of the prompt's, those read from the provider's cache, and those put into it.
        """
        rate = self._rate(prompt_tokens)
        cached = min(cached_tokens, prompt_tokens)
        written = min(written_tokens, prompt_tokens - cached)
        plain = prompt_tokens - cached - written
        return plain * rate.prompt + cached * rate.cached + written * rate.write + completion_tokens * rate.completion

    def at_most(self, prompt_tokens: int, completion_tokens: float) -> float:
        """USD for one request at most, whatever of its prompt the provider's cache takes in or gives."""
        rate = self._rate(prompt_tokens)
        dearest = max(rate.prompt, rate.cached, rate.write)
        return prompt_tokens * dearest + completion_tokens * rate.completion

    def _rate(self, prompt_tokens: int) -> Rate:
        return [rate for threshold, rate in self.tiers if prompt_tokens > threshold or threshold == 0][-1]


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
        written = model.price.cache_write_usd_per_million_tokens
        completion = model.price.output_usd_per_million_tokens / 1e6
        read, write = (prompt if usd is None else usd / 1e6 for usd in (cached, written))
        return Pricing(((0, Rate(prompt, read, completion, write)),))
    if not engines.of(model).elsewhere:
        return FREE
    if model.provider in OWN_PROVIDERS or (model.provider is None and on_this_machine(model.base_url)):
        return FREE
    entry = table_entry(model)
    return _from_table(entry) if entry else None


BATCH_SHARE = 0.5
"""What a request in a batch costs of its price: OpenAI, Anthropic and Google all take half."""


def batch_pricing(pricing: Pricing | None) -> Pricing | None:
    """The prices of the same tokens in a batch."""
    if pricing is None:
        return None
    halves = [
        (
            above,
            Rate(
                *(None if usd is None else usd * BATCH_SHARE for usd in (rate.prompt, rate.cached, rate.completion, rate.written))
            ),
        )
        for above, rate in pricing.tiers
    ]
    return Pricing(tuple(halves))


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
    read, write = "cache_read_input_token_cost", "cache_creation_input_token_cost"
    tiers = [(0, Rate(prompt, _known(entry, read, prompt), completion, _known(entry, write, prompt)))]
    for key in entry:
        if above := re.fullmatch(r"input_cost_per_token_above_(\d+)k_tokens", key):
            suffix = f"_above_{above[1]}k_tokens"
            rate = Rate(
                entry[key],
                _known(entry, f"{read}{suffix}", entry[key]),
                _known(entry, f"output_cost_per_token{suffix}", completion),
                _known(entry, f"{write}{suffix}", entry[key]),
            )
            tiers.append((int(above[1]) * 1000, rate))
    return Pricing(tuple(sorted(tiers, key=lambda tier: tier[0])))


def _known(entry: dict[str, Any], name: str, otherwise: float) -> float:
    value = entry.get(name)
    return otherwise if value is None else value


@cache
def _litellm_table() -> dict[str, Any]:
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        return {}
    path = Path(spec.origin).parent / "model_prices_and_context_window_backup.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
