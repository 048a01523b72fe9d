"""A prompt taken apart: what stands before the context, the context in passages, what stands after it, and which passages are the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import regex

from contextrot.matching.language import SPACELESS
from contextrot.samples.sentences import separator, split_text

CHARACTERS_A_WORD = 3
"""So many characters count as a word where a script puts no spaces between words."""
_SPACELESS_TEXT = regex.compile(rf"(?:\p{{P}}*+[{SPACELESS}])+\p{{P}}*+")


@dataclass(frozen=True)
class Reading:
    """What a sample's prompt is made of; `before + context + after` is the prompt.

    Attributes:
        before, context, after: parts of the only user message.
        question: what is asked, for retrieval.
        passages: the context in pieces that may be left out or moved.
        evidence: numbers of the passages that the answer rests on; empty if that is not known.
        joint: stands between passages.
    """

    before: str
    context: str
    after: str
    question: str
    passages: list[str] = field(default_factory=list)
    evidence: frozenset[int] = frozenset()
    joint: str = "\n\n"

    def prompt(self, passages: Sequence[str]) -> str:
        """The prompt with these passages alone."""
        return f"{self.before}{self.joint.join(passages)}{self.after}"


def tagged_reading(prompt: str, tag: str, question: str, evidence: Sequence[str], passage_words: int) -> Reading | None:
    """A prompt whose context stands between `<tag>` and `</tag>`; None if there is no such context.

    Args:
        evidence: texts of the context that the answer rests on.
        passage_words: passages are as many whole sentences as have about so many words (see `word_count`).
    """
    start, end = prompt.find(f"<{tag}>\n"), prompt.rfind(f"\n</{tag}>")
    if start < 0 or end < start:
        return None
    start += len(tag) + 3
    context = prompt[start:end]
    passages = passages_of(context, passage_words)
    joined, spans = "", []  # without white space, which passages fold
    for passage in passages:
        squeezed = "".join(passage.split())
        spans.append((len(joined), len(joined) + len(squeezed)))
        joined += squeezed
    holding: set[int] = set()
    for text in evidence:
        wanted = "".join(text.split())
        at = joined.find(wanted)
        while wanted and at >= 0:
            holding |= {i for i, (first, last) in enumerate(spans) if first < at + len(wanted) and at < last}
            at = joined.find(wanted, at + 1)
    joint = separator(passages[0], passages[1]) if len(passages) > 1 else " "
    return Reading(prompt[:start], context, prompt[end:], question, passages, frozenset(holding), joint)


def passages_of(text: str, words: int) -> list[str]:
    """Whole sentences in passages of about so many words, white space folded."""
    passages, current, size = [], "", 0
    for piece in split_text(text):
        current, size = current + piece, size + word_count(piece)
        if size >= words:
            passages.append(current.strip())
            current, size = "", 0
    if current.strip():
        passages.append(current.strip())
    return passages


def word_count(text: str) -> int:
    """Words; every CHARACTERS_A_WORD characters count as one where a script puts no spaces between words (Chinese, Thai and others)."""
    spaceless = sum(len(found.group()) for found in _SPACELESS_TEXT.finditer(text))
    return len(_SPACELESS_TEXT.sub(" ", text).split()) - (-spaceless // CHARACTERS_A_WORD)
