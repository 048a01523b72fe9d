"""Gold answers of many words: steps in an order, descriptions, and sentences that an answer need only say most of."""

from __future__ import annotations

from collections.abc import Sequence

from contextrot.matching import stance
from contextrot.matching.words import Span, Token, Words

LONG_GOLD_WORDS = 6
MOST_WORDS = 0.6
PREFERRED_WORDS = 0.4
_WISHING = frozenset("user would prefer responses response suggestions suggestion suggest that may might can not".split())

_GOING = frozenset("attended attend visited visit went started had took i my friend friend's".split())


def rising(places: list[list[Span]]) -> bool:
    last = -1
    for spans in places:
        later = [start for start, _ in spans if start > last]
        if not later:
            return False
        last = min(later)
    return True


def share(words: Sequence[Token], said: Sequence[Token]) -> float:
    return sum(any(word.equals(token) for token in said) for word in words) / max(1, len(words))


def steps(parts: list[Words], said: Words, asked: Words) -> tuple[str | None, list[Span]]:
    """Steps of an order: each by most of its distinctive words, each behind the one before."""
    last, spans = -1, []
    for number, part in enumerate(parts):
        others = [token for k, other in enumerate(parts) if k != number for token in other.content]
        known = (*others, *asked.content)
        own = [token for token in part.content if token.text not in _GOING and not any(token.equals(t) for t in known)]
        own = own or list(part.content)
        hits = [token for token in said.content if any(token.equals(word) for word in own)]
        if share(own, hits) < 0.5:
            return None, []
        place = sorted(token.start for token in hits)[len(hits) // 2]
        if place <= last:
            return None, []
        last = place
        spans.append((hits[0].start, hits[-1].end))
    return "all parts", spans


def most_words(gold: Words, said: Words, asked: Words) -> tuple[str | None, list[Span]]:
    """A long gold answer: its first sentence's values and most of its own words are said."""
    if len(gold.content) < LONG_GOLD_WORDS or not all(token.spaced for token in gold.content):
        return None, []
    own = [token for token in gold.content if not any(token.equals(other) for other in asked.content)]
    words = [token for token in own if not token.value]
    head = stance.sentence_bounds(gold.text, 0, 1)[1]
    valued = any(token.value for token in gold.tokens)
    values = [
        token
        for token in gold.tokens
        if token.value and (token.start < head or not any(t.value for t in gold.tokens if t.start < head))
    ]
    if valued:
        sequence = [token for token in said.tokens if token.value]
        place = 0
        for value in (
            token for token in gold.tokens if token.value and (token in values or len([t for t in gold.tokens if t.value]) < 4)
        ):
            step = next((k for k in range(place, len(sequence)) if value.equals(sequence[k])), None)
            if step is None:
                return None, []
            place = step + 1
        counts = [token for token in sequence if token.value.kind == values[0].value.kind] if values else []
        if counts and not values[0].equals(counts[0]):
            return None, []
    if share(words, said.content) < (MOST_WORDS if not valued else 0.3):
        return None, []
    hits = [token for token in said.content if any(token.equals(word) for word in words)]
    if hits and stance.abstains(said.text):
        return None, []
    return "most words", [(token.start, token.end) for token in hits]


def preferred(gold: Words, said: Words, asked: Words) -> tuple[str | None, list[Span]]:
    """A description of a good reply: the answer has enough of the words that its first sentence adds to the question."""
    end = stance.sentence_bounds(gold.text, 0, 1)[1]
    own = [
        token
        for token in gold.content
        if token.start < end and token.text not in _WISHING and not any(token.equals(t) for t in asked.content)
    ]
    hits = [token for token in said.content if any(token.equals(one) for one in own)]
    return ("most words", [(hits[0].start, hits[-1].end)]) if own and share(own, hits) >= PREFERRED_WORDS else (None, [])
