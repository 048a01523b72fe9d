"""How repetitive a text is, in words: distinct n-grams, the longest span said twice, and what earlier texts said already.

All are linear in the number of words (a suffix automaton for the longest span), so an answer of 16,000 tokens takes a
fraction of a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+(?:['’][^\W{_CJK}]+)*")


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation; in scripts without spaces each character is a word."""
    return _WORD.findall(text.lower())


def distinct_n(words: Sequence[str], n: int) -> float | None:
    """Different n-grams for each n-gram, 0 to 1; None for fewer than n words.

    Source: Li et al. (2016), A diversity-promoting objective function for neural conversation models (distinct-1, -2).
    It falls with length by nature, so compare texts of like lengths, or see it beside the length.
    """
    grams = list(_ngrams(words, n))
    return len(set(grams)) / len(grams) if grams else None


def longest_repeated_span(words: Sequence[str]) -> int:
    """Words in the longest span that occurs twice without overlapping itself; 0 if no word occurs twice.

    From a suffix automaton (Blumer et al., 1985): a state's words end first at `first` and last at `last`, so spans of up
    to min(length, last - first) words stand there side by side.
    """
    lengths, links, first, last = [0], [-1], [-1], [-1]
    edges: list[dict[str, int]] = [{}]
    tail = 0
    for position, word in enumerate(words):
        state = _add_state(lengths, links, first, last, edges, lengths[tail] + 1, position)
        at = tail
        while at >= 0 and word not in edges[at]:
            edges[at][word] = state
            at = links[at]
        if at < 0:
            links[state] = 0
        else:
            target = edges[at][word]
            if lengths[at] + 1 == lengths[target]:
                links[state] = target
            else:
                clone = _add_state(lengths, links, first, last, edges, lengths[at] + 1, first[target])
                edges[clone] = dict(edges[target])
                links[clone] = links[target]
                while at >= 0 and edges[at].get(word) == target:
                    edges[at][word] = clone
                    at = links[at]
                links[target] = links[state] = clone
        tail = state
    for state in sorted(range(1, len(lengths)), key=lengths.__getitem__, reverse=True):
        link = links[state]
        last[link] = max(last[link], last[state])
    return max((min(lengths[s], last[s] - first[s]) for s in range(1, len(lengths))), default=0)


def _add_state(
    lengths: list[int], links: list[int], first: list[int], last: list[int], edges: list[dict], length: int, end: int
) -> int:
    lengths.append(length)
    links.append(0)
    first.append(end)
    last.append(end)
    edges.append({})
    return len(lengths) - 1


def overlap(words: Sequence[str], earlier: Iterable[Sequence[str]], n: int = 5) -> float | None:
    """Share of a text's n-grams that occur in any earlier text, 0 to 1.

    None for fewer than n words, or if there is no earlier text.
    """
    known = {gram for text in earlier for gram in _ngrams(text, n)}
    grams = list(_ngrams(words, n))
    if not grams or not known:
        return None
    return sum(gram in known for gram in grams) / len(grams)


def _ngrams(words: Sequence[str], n: int) -> Iterable[tuple[str, ...]]:
    return zip(*(words[i:] for i in range(n)), strict=False)
