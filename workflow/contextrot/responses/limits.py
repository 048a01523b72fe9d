"""A model's rate limits: from config, else the defaults; and the bucket that keeps them, shared by the jobs on one request store."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from contextrot import engines
from contextrot.responses.clock import Stop
from contextrot.responses.ratelimit import TokenBucket
from contextrot.settings import ModelSettings

LOCAL_TOKENS_PER_MINUTE = 50_000
HOSTED_TOKENS_PER_MINUTE = 200_000


def rate_limits_of(model: ModelSettings) -> tuple[int | None, int | None]:
    """Tokens and requests per minute: from config, else the defaults for what we did not start ourselves."""
    if (tokens := model.tokens_per_minute) is None and engines.of(model).elsewhere:
        tokens = HOSTED_TOKENS_PER_MINUTE if model.hosted else LOCAL_TOKENS_PER_MINUTE
    return tokens, model.requests_per_minute


def bucket_of(model: ModelSettings, store: Path, stop: Stop) -> TokenBucket:
    """The model's rate limit, shared by jobs that run at once on the same store."""
    return TokenBucket(*rate_limits_of(model), store / "rate_limits" / f"{name_at_server(model)}.json", stop.clock, stop.sleep)


def name_at_server(model: ModelSettings) -> str:
    """The model and who serves it, as a file's name."""
    host = urlsplit(model.base_url).netloc.rpartition("@")[2] if model.base_url else model.provider or model.engine
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{host}_{model.name}")[:150].lstrip(".")
