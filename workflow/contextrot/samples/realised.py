"""Whether a built sample is what was asked: its length, its depths, its planted texts; counted anew from its messages."""

from __future__ import annotations

from collections.abc import Sequence

from contextrot.samples.chat_templates import FastTokenizer, TemplatedTokenizer
from contextrot.samples.haystack import DEPTH_TOLERANCE, LENGTH_TOLERANCE, RECOUNT_TOKENS, Haystack, Insertion
from contextrot.samples.tokenizers import HuggingFaceTokenizer, Tokenizer


def length_fault(asked: int, realised: int) -> str | None:
    """What is wrong with a prompt's length, or None."""
    if asked - LENGTH_TOLERANCE <= realised <= asked:
        return None
    return f"{asked} tokens asked, {realised} realised (allowed: {asked - LENGTH_TOLERANCE} to {asked})"


def length_class(tokens: int) -> float:
    """The smallest power of two that is not under a number of tokens: the length as which prompts that nobody padded or cut are compared."""
    return float(1 << max(0, tokens - 1).bit_length())


def verify(
    haystack: Haystack, insertions: Sequence[Insertion], asked: int, messages: list[dict[str, str]], tokenizer: Tokenizer
) -> list[str]:
    """What is wrong with a sample; empty if nothing is.

    Prompts up to RECOUNT_TOKENS are counted again, and what stands before each insertion; longer ones were counted whole when they were
    built, stretch by stretch. Whether the template keeps the text is looked at in all of them, of a server's template in the shorter ones.
    """
    text, content = haystack.text, messages[-1]["content"]
    realised = tokenizer.count_chat(messages) if asked <= RECOUNT_TOKENS else haystack.prompt_tokens
    faults = [fault for fault in [length_fault(asked, realised)] if fault]
    if text not in content:
        faults.append("the haystack does not stand whole in the prompt")
    elif (
        isinstance(tokenizer, TemplatedTokenizer) and _looks_at(tokenizer, asked) and text not in tokenizer.render_chat(messages)
    ):
        faults.append("the chat template changes the haystack's text (another `chat_template` may keep it)")
    bare = text
    for insertion in insertions:
        found = text.count(insertion.text)
        if found != 1:
            faults.append(f"the planted text {insertion.text[:40]!r} stands {found} times in the haystack")
        bare = bare.replace(insertion.text, "", 1)
    if faults:
        return faults
    total = None
    for insertion, claimed in zip(insertions, haystack.depths, strict=True):
        if insertion.exact and abs(claimed - insertion.depth) > DEPTH_TOLERANCE + 1e-9:
            faults.append(f"depth {100 * insertion.depth:.1f} % asked, {100 * claimed:.1f} % realised")
            continue
        if asked > RECOUNT_TOKENS:
            continue
        total = max(len(tokenizer.encode(bare)), 1) if total is None else total
        before = text.partition(insertion.text)[0]
        for other in insertions:
            before = before.replace(other.text, "")
        counted = len(tokenizer.encode(before)) / total
        if abs(counted - claimed) > DEPTH_TOLERANCE + 4 / total:
            faults.append(f"depth {100 * claimed:.1f} % recorded, {100 * counted:.1f} % counted")
    return faults


def _looks_at(tokenizer: TemplatedTokenizer, asked: int) -> bool:
    return asked <= RECOUNT_TOKENS or isinstance(tokenizer, FastTokenizer | HuggingFaceTokenizer)
