"""Whether an answer is a copy of its prompt."""

from __future__ import annotations

from collections.abc import Sequence

import regex

from contextrot.matching.language import SPACELESS

COPIED_RUN = 6
"""Words in a row that stand in the prompt as well are copied."""
COPIED_WORDS = 25
"""Copied words beside what was asked for from which on an answer is looked at as a copy."""


def copied(answer: str, found: Sequence[Sequence[str]], prompt: str) -> bool:
    """Whether an answer is a copy of the prompt that happens to hold the gold answer.

    Words are copied if they stand in a run of `COPIED_RUN` words that the prompt has too (of three times as many characters where there
    are no spaces). Those of one sentence that holds the gold answer do not count, so that a quotation of the needle is none.

    Args:
        found: the words of the gold answer's forms.
        prompt: folded by `plain`.
    """
    words = regex.findall(rf"[{SPACELESS}]|[^\W_]+", plain(answer))
    spaceless = sum(bool(regex.match(f"[{SPACELESS}]", word)) for word in words) * 2 > len(words)
    size, join = (3 * COPIED_RUN, "") if spaceless else (COPIED_RUN, " ")
    marked = [False] * len(words)
    for i in range(len(words) - size + 1):
        if join.join(words[i : i + size]) in prompt:
            marked[i : i + size] = [True] * size
    kept = sum(marked) - max((len(regex.findall(rf"[{SPACELESS}]|[^\W_]+", plain(str(one)))) for one in found), default=0)
    return kept >= COPIED_WORDS * (2 if spaceless else 1) and 2 * sum(marked) >= len(words)


def plain(text: str) -> str:
    """A text as its words alone, for finding what was copied from it."""
    text = regex.sub(r"[\W_]+", " ", text.casefold())
    return regex.sub(rf"(?<=[{SPACELESS}]) | (?=[{SPACELESS}])", "", text)


def may_be_copy(answer: str) -> bool:
    """Whether an answer is long enough to be a copy."""
    return len(regex.findall(rf"[{SPACELESS}]|[^\W_]+", answer)) > COPIED_WORDS
