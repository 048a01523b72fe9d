"""What a model's tokens cost: from the config, else from litellm's own table (its packaged copy; nothing is downloaded)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from contextrot.settings import ModelSettings


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

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """USD for one request."""
        rate = [rate for threshold, rate in self.tiers if prompt_tokens > threshold or threshold == 0][-1]
        cached = min(cached_tokens, prompt_tokens)
        return (prompt_tokens - cached) * rate.prompt + cached * rate.cached + completion_tokens * rate.completion


FREE = Pricing(((0, Rate(0.0, 0.0, 0.0)),))


def pricing_of(model: ModelSettings) -> Pricing | None:
    """The model's prices; None where they are unknown. Servers that this workflow starts bill nothing."""
    if model.price is not None:
        prompt = model.price.input_usd_per_million_tokens / 1e6
        cached = model.price.cached_input_usd_per_million_tokens
        completion = model.price.output_usd_per_million_tokens / 1e6
        return Pricing(((0, Rate(prompt, prompt if cached is None else cached / 1e6, completion)),))
    if model.engine != "external":
        return FREE
    if model.base_url is not None:
        return None
    table = _litellm_table()
    entry = table.get(f"{model.provider}/{model.name}")
    if entry is None and (table.get(model.name) or {}).get("litellm_provider") == model.provider:
        entry = table[model.name]
    return _from_table(entry) if entry else None


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
