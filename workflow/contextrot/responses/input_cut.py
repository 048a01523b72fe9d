"""What follows from the audit of prompt lengths: answers to cut prompts are marked, and a person is told what to set."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from contextrot import engines
from contextrot.records import SCORED_OUTCOMES, Response
from contextrot.responses.length_audit import SMALLEST_WINDOW, Count, LengthAudit, audit_counts

if TYPE_CHECKING:
    from contextrot.settings import ModelSettings

MARKED = "Their answers are marked input_cut: they are in no mean and no effective length."

log = logging.getLogger(__name__)


def counts_exactly(model: ModelSettings) -> bool:
    """Whether the tokenizer that builds a model's prompts is said to be its own; told without loading it."""
    return engines.of(model).counts_prompts and not (model.tokenizer or model.name).startswith("tiktoken:")


def count_of(response: Response, built: int | None) -> Count | None:
    """The two counts of a response's prompt; None if one is missing."""
    if response.built_tokens is not None:
        built = response.built_tokens
    if not built or not response.prompt_tokens:
        return None
    return Count(built, response.prompt_tokens, response.cached_tokens or 0, response.upstream)


def mark_cut(responses: Sequence[Response], built: Sequence[int | None], exact: bool) -> tuple[list[Response], LengthAudit]:
    """The responses, those to cut prompts with the outcome `input_cut` (their text is kept), and the audit.

    Args:
        built: length of each one's prompt by the tokenizer that built it, where it was counted.
    """
    sent = [at for at, response in enumerate(responses) if response.outcome in SCORED_OUTCOMES]
    counts = [count_of(responses[at], built[at]) for at in sent]
    audit = audit_counts(counts, exact)
    marked = list(responses)
    for place in audit.cut:
        count = counts[place]
        counted = f"the server counted {count.server:,} prompt tokens where {count.built:,} were sent"
        marked[sent[place]] = replace(responses[sent[place]], outcome="input_cut", error_type="input_cut", error_message=counted)
    return marked, audit


def what_to_set(base_url: str | None, kept_tokens: int | None) -> str:
    """What ends the cutting, for a person.

    Args:
        base_url: of the server; None for a provider.
        kept_tokens: the most tokens that were kept of a prompt.
    """
    if kept_tokens is not None and kept_tokens < SMALLEST_WINDOW:
        return (
            "No window is so small: if the server answers from whole prompts and only counts wrongly, set `request: {stream_options: null}` "
            "of the model, so that it is not asked for counts; the lengths are then not verified, and the summary says so."
        )
    limit = "what the server admits" if kept_tokens is None else f"{kept_tokens}, or what the server admits"
    lower = f"or set `window` of the model to {limit}, so that longer prompts are never sent"
    if base_url is None:
        return f"Turn the provider's truncation of prompts off (OpenRouter: `transforms: []`), {lower}."
    return (
        "Give the server a larger window (Ollama: num_ctx, or OLLAMA_CONTEXT_LENGTH when it starts; llama.cpp: -c; LM Studio: the "
        f"model's context length; others: their maximum model length), {lower}."
    )


def cut_facts(name: str, audit: LengthAudit) -> str:
    """Which prompts were cut, in a sentence."""
    return (
        f"{name}: the server cut {len(audit.cut)} of {audit.verified} prompts: of those, up to {audit.longest_cut_tokens:,} tokens "
        f"long, it counted {audit.kept_tokens:,} tokens at most."
    )


def tell_audit(name: str, audit: LengthAudit, base_url: str | None, so: str = MARKED) -> None:
    """Logs what the audit of all answers of an experiment found; what a person must act on stands on the terminal too.

    Args:
        name: of the model and experiment.
        base_url: of the server; None for a provider.
        so: what follows for cut prompts.
    """
    if audit.cut:
        message = f"{cut_facts(name, audit)} {so} {what_to_set(base_url, audit.kept_tokens)}"
        log.warning("%s", message)
        print(f"\nWARNING: {message}\n", file=sys.stderr)
    if not audit.verified and audit.unverified:
        log.warning("%s: lengths not verified: the server counts no prompt tokens", name)
    elif audit.unverified:
        log.warning("%s: %d of %d lengths not verified", name, audit.unverified, audit.verified + audit.unverified)
    if audit.surplus_tokens:
        log.info("%s: the server puts %d tokens of its own in each prompt", name, audit.surplus_tokens)
    if audit.another_tokenizer:
        log.warning("%s: the server counts otherwise than the model's `tokenizer` does; the lengths are estimates", name)
