"""Cold means cold: prompts that no server has seen before, and what tells that it computed them.

Each measured prompt begins with a code (`Text 1a2b3c4d:`), so that nothing after it can be read from a prefix cache unless the same
prompt was sent before. A run writes codes of its own salt over them; the salt is recorded, and a run that is given it sends the same again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from contextrot.records import Sample

if TYPE_CHECKING:
    from contextrot.samples.tokenizers import Tokenizer

CODE = re.compile(r"\AText ([0-9a-f]{8}):")
CANDIDATES = 64
BLOCK_TOKENS = 16
"""Caches hold whole blocks; so many tokens beyond the shared beginning are no sign of a prompt seen before."""
MUCH_QUICKER = 0.5
"""A prompt whose first token takes less than this share of a new prompt's was read from a cache."""


def salted(sample: Sample, salt: str, count: Callable[[str], int]) -> Sample:
    """The sample with another code, of as many tokens as the one it had where a candidate has.

    Samples that share a code (a shared prefix) share the new one too.

    Args:
        count: tokens of a text.

    Raises:
        ValueError: if the prompt does not begin with a code.
    """
    first = sample.messages[0]
    match = CODE.match(first["content"])
    if match is None:
        raise ValueError(f"the prompt of {sample.sample_id!r} does not begin with a code")
    around = first["content"][: match.end() + 32]
    wanted = count(around)
    codes = [hashlib.sha256(f"{salt}\0{match[1]}\0{i}".encode()).hexdigest()[:8] for i in range(CANDIDATES)]
    code = next((one for one in codes if count(around.replace(match[1], one, 1)) == wanted), codes[0])
    content = f"Text {code}:{first['content'][match.end() :]}"
    return replace(sample, messages=[{**first, "content": content}, *sample.messages[1:]])


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


def coldness(
    rows: Sequence[dict[str, Any]], prefix: str, shared_tokens: int, hits: int | None = None, probe_seconds: float | None = None
) -> Coldness:
    """Whether a group was cold: by the server's counter, else by its answers' counts, else against a prompt that is surely new.

    Args:
        rows: the group's answered requests.
        prefix: `unique`, or `shared`: then all but the first may be read from the cache.
        shared_tokens: how much of their beginning may be cached because every prompt has it.
        hits: growth of the counter of the instance that computes prompts, tokens; None where there is none.
        probe_seconds: time to first token of a prompt of the same length that cannot have been seen; None if none was sent.
    """
    if not rows:
        return Coldness(None, "none")
    most = shared_tokens + BLOCK_TOKENS
    whole = [row["server_prompt_tokens"] for row in rows]
    allowed = sum(whole) - max(whole) + most if prefix == "shared" else most * len(rows)
    if hits is not None:
        return Coldness(hits > allowed, "prefix_cache_hits", hits)
    counts = [row["cached_tokens"] for row in rows]
    if all(count is not None for count in counts):
        warm = sum(counts) > allowed if prefix == "shared" else max(counts) > most
        return Coldness(warm, "cached_tokens", sum(counts))
    if probe_seconds is None:
        return Coldness(None, "none")
    times = [row["ttft_seconds"] for row in rows]
    quickest = max(times) if prefix == "shared" else min(times)
    return Coldness(quickest < MUCH_QUICKER * probe_seconds, "probe")
