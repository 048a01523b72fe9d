"""ROUGE-L as the package `rouge` computes it, which LongBench is scored by; package rouge-score gives other numbers.

Source: LongBench's metrics (Y. Bai et al. 2023, arXiv 2308.14508) with rouge 1.0.1: texts are split at full stops, words at spaces; of each
sentence of the reference the longest common subsequence with every sentence of the answer is taken, and the *different* words of all of
these are counted against the different words of either text.
"""

from __future__ import annotations

from collections.abc import Sequence

SMALL = 1e-8
"""What the package adds to the sum of precision and recall."""
MOST_STEPS = 990
"""The package steps back through two sentences by recursion, which Python ends after so many words of both."""


def rouge_l_f(answer: str, reference: str) -> float:
    """F of the summary-level ROUGE-L; 0 where the package raises, which LongBench counts so: a text without a sentence, or sentences of
    together more words than it can step through."""
    said, gold = _sentences(answer), _sentences(reference)
    if not answer or not said or not gold:
        return 0.0
    said_words, gold_words = {w for s in said for w in s}, {w for s in gold for w in s}
    if not said_words or not gold_words:
        return 0.0
    union: set[str] = set()
    for sentence in gold:
        for other in said:
            common = _common_subsequence(sentence, other)
            if common is None:
                return 0.0
            union |= set(common)
    precision, recall = len(union) / len(said_words), len(union) / len(gold_words)
    return 2 * (precision * recall / (precision + recall + SMALL))


def _sentences(text: str) -> list[list[str]]:
    """The words of each sentence; an empty one where only spaces stand between full stops."""
    return [" ".join(part.split()).split(" ") for part in text.split(".") if part]


def _common_subsequence(first: Sequence[str], second: Sequence[str]) -> list[str] | None:
    """A longest common subsequence, of several the one that the package finds: it steps back in `first` only where that is longer.

    None where it takes more than MOST_STEPS.
    """
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, word in enumerate(first, 1):
        above, row = table[i - 1], table[i]
        for j, other in enumerate(second, 1):
            row[j] = above[j - 1] + 1 if word == other else max(above[j], row[j - 1])
    found, i, j, steps = [], len(first), len(second), 0
    while i and j:
        steps += 1
        if steps > MOST_STEPS:
            return None
        if first[i - 1] == second[j - 1]:
            found.append(first[i - 1])
            i, j = i - 1, j - 1
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found[::-1]
