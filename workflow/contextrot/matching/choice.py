"""What an answer chooses where the question names two things: "Which did I do first: A or B?"."""

from __future__ import annotations

from collections.abc import Sequence

import regex

from contextrot.matching import stance
from contextrot.matching.words import Span, Token, Words, words_of


def chosen(offered: tuple[str, str], gold: Words, said: Words) -> tuple[str | None, list[Span]] | None:
    """The choice between two things that the question names; None if the gold answer is neither."""
    first, second = (words_of(one, said.language).content for one in offered)
    own = [
        [token for token in one if not any(token.equals(t) for t in other)] for one, other in ((first, second), (second, first))
    ]
    overlap = [sum(any(token.equals(t) for t in gold.content) for token in one) / max(1, len(one)) for one in own]
    if overlap[0] == overlap[1]:
        return None
    right, wrong = (own[0], own[1]) if overlap[0] > overlap[1] else (own[1], own[0])

    def mentions(words: Sequence[Token]) -> list[Span]:
        need = min(2, (len(words) + 1) // 2)
        hits = [token for token in said.tokens if any(token.equals(word) for word in words)]
        distinct = sum(any(token.equals(word) for token in hits) for word in words)
        return [(token.start, token.end) for token in hits] if distinct >= need else []

    def plain(spans: list[Span]) -> list[Span]:
        return [
            span
            for span in spans
            if not stance.denied(said.text, *span)
            and not stance.one_of_several(said.text, *span)
            and not said.text[stance.sentence_bounds(said.text, *span)[0] : stance.sentence_bounds(said.text, *span)[1]]
            .rstrip()
            .endswith("?")
        ]

    def repeats(span: Span, others: list[Span]) -> bool:
        """Whether a clause only names both: "in the tin box or the oak chest"."""
        left, right = stance.clause_bounds(said.text, *span)
        return any(
            left <= other[0] < right and regex.search(r"\b(?:or|oder|ou|o)\b", said.text[slice(*sorted((span[0], other[0])))])
            for other in others
        )

    of_right, of_wrong = plain(mentions(right)), plain(mentions(wrong))
    alone = [span for span in of_right if not repeats(span, of_wrong)], [span for span in of_wrong if not repeats(span, of_right)]
    of_right, of_wrong = alone if any(alone) else (of_right, of_wrong)
    if not of_right or not of_wrong:
        return ("chosen", of_right) if of_right and not _leaves_open(said.text) else (None, [])
    return ("chosen", of_right) if _comes_first(said.text, of_right, of_wrong) else (None, [])


def _leaves_open(text: str) -> bool:
    """Whether a text leaves open which of two things it means."""
    return bool(regex.search(r"\b(?:either|whether)\b", text))


def _comes_first(text: str, right: list[Span], wrong: list[Span]) -> bool:
    """Whether a text that names both says that the right one came first."""
    between = [(a, b) for a in right for b in wrong]
    for cue, verdict in ((r"\bbefore\b|\bthan\b|\bcompared (?:to|with)\b", True), (r"\bafter\b|\blater than\b", False)):
        for found in regex.finditer(cue, text):
            left = [span for span in right + wrong if span[1] <= found.start()]
            behind = [span for span in right + wrong if span[0] >= found.end()]
            if left and behind and (left[-1] in right or max(left) in right) != (min(behind) in right):
                return (max(left) in right) == verdict
    for found in regex.finditer(r"\b1st\b", text):
        bounds = stance.clause_bounds(text, found.start(), found.end())
        inside = [span for span in right + wrong if bounds[0] <= span[0] < bounds[1]]
        if inside and all(span in right for span in inside) != all(span in wrong for span in inside):
            return all(span in right for span in inside)
    return min(a for a, _ in right) < min(b for b, _ in wrong) if between else bool(right)
