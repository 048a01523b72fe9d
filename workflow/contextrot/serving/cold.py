"""Cold means cold: what tells that a server computed the prompts of a group, and did not read them from a cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextrot.samples.tokenizers import Tokenizer

BLOCK_TOKENS = 16
"""Caches hold whole blocks; so many tokens beyond the shared beginning are no sign of a prompt seen before."""
MUCH_QUICKER = 0.5
"""A prompt whose first token takes less than this share of a new prompt's was read from a cache."""


def shared_tokens(tokenizer: Tokenizer) -> int:
    """How many tokens all prompts may begin with: the chat template's, a system prompt of its own among them, and the word before the code."""
    return tokenizer.count_chat([{"role": "user", "content": "Text "}])


@dataclass(frozen=True)
class Coldness:
    """What is known of one group of requests.

    Attributes:
        warm: whether prompts of it were read from a cache that should not have held them; None where nothing tells.
        evidence: `prefix_cache_hits` (the server's counter), `cached_tokens` (of each answer), `probe` or `none`.
        cached_tokens: of all its prompts, by the evidence; None where it counts none.
    """

    warm: bool | None
    evidence: str
    cached_tokens: int | None = None


@dataclass(frozen=True)
class Probe:
    """Times to first token, seconds: the quickest of prompts that nobody has sent before, and of one of them sent again."""

    new_seconds: float
    repeated_seconds: float


def coldness(
    rows: Sequence[dict[str, Any]], prefix: str, shared_tokens: int, hits: int | None = None, probe: Probe | None = None
) -> Coldness:
    """Whether a group was cold: by the server's counter, else by its answers' counts, else against a prompt that is surely new.

    Args:
        rows: the group's answered requests; `reusable_tokens` of each are those that its own session, or an earlier prompt of a
            trace, has sent before.
        prefix: `unique`; `shared`: then all but the first may be read from the cache; or `trace`: prompts share what they share there,
            in whatever order they are computed.
        shared_tokens: how much of their beginning may be cached because every prompt has it.
        hits: growth of the counter of the instance that computes prompts, tokens; None where there is none.
        probe: of prompts of the same length; None if none was sent.
    """
    if not rows:
        return Coldness(None, "none")
    most = shared_tokens + BLOCK_TOKENS
    reusable = [row.get("reusable_tokens") or 0 for row in rows]
    each = [known + most for known in reusable]
    allowed: int | None = sum(each)
    if prefix == "shared":
        whole = [row["server_prompt_tokens"] for row in rows]
        allowed = None if None in whole else sum(whole) - max(whole) + most
    if allowed is not None and hits is not None:
        return Coldness(hits > allowed, "prefix_cache_hits", hits)
    counts = [row["cached_tokens"] for row in rows]
    if allowed is not None and None not in counts:
        beyond = any(count > limit for count, limit in zip(counts, each, strict=True))
        return Coldness(beyond if prefix == "unique" else sum(counts) > allowed, "cached_tokens", sum(counts))
    if probe is None:
        return Coldness(None, "none")
    if probe.repeated_seconds >= MUCH_QUICKER * probe.new_seconds:  # a server that reads no prompt from a cache, not even at once
        return Coldness(False, "probe")
    times = [row["ttft_seconds"] for row, known in zip(rows, reusable, strict=True) if not known and not row.get("turn")]
    quickest = max(times) if prefix == "shared" else min(times)
    return Coldness(quickest < MUCH_QUICKER * probe.new_seconds, "probe")
