"""Haystacks of an exact number of tokens, made of whole sentences, with needles on sentence boundaries.

A corpus is tokenised once, sentence by sentence. A haystack of n tokens is the first sentences of an order whose counts
sum to n; the last one or two are exchanged for sentences of just the length that is missing. This adds up because a
sentence that follows a space begins a new token in the byte-level and SentencePiece tokenizers in use; `SentencePool`
checks that on the whole corpus, and a tokenizer for which it does not hold is counted in full instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from contextrot.tokenizers import Tokenizer

RECOUNT_TOKENS = 16_384
"""Prompts up to this length are always counted whole, as rendered."""
NEAR = 400
"""How many sentences after the haystack's end are looked at for ones of the missing length."""


@dataclass(frozen=True)
class Insertion:
    """A text to stand at `depth` (0 to 1, share of the haystack's tokens before it)."""

    text: str
    depth: float


@dataclass(frozen=True)
class Haystack:
    """A finished haystack.

    Attributes:
        text: the haystack with its insertions.
        prompt_tokens: tokens of the whole rendered prompt.
        depths: where each insertion really stands: share of the haystack's own tokens before it.
    """

    text: str
    prompt_tokens: int
    depths: list[float]


class SentencePool:
    """Sentences of a corpus with their token counts.

    Attributes:
        sentences: all sentences, documents in order.
        tokens: (sentences,) token count of each with the space before it.
        starts: (documents,) index of each document's first sentence.
        additive: whether counts of sentences sum to the count of their text.
    """

    def __init__(self, documents: Sequence[Sequence[str]], tokenizer: Tokenizer) -> None:
        self.sentences = [sentence for document in documents for sentence in document]
        self.pieces = [" " + sentence for sentence in self.sentences]
        self.tokens = np.array([len(ids) for ids in tokenizer.encode_batch(self.pieces)], dtype=np.int64)
        self.starts = np.cumsum([0, *(len(document) for document in documents[:-1])])
        self.additive = len(tokenizer.encode("".join(self.pieces))) == int(self.tokens.sum())

    def original_order(self, rng: np.random.Generator) -> np.ndarray:
        """Indices of all sentences in reading order, from the start of a random document."""
        return np.roll(np.arange(len(self.sentences)), -int(rng.choice(self.starts)))

    def shuffled_order(self, rng: np.random.Generator) -> np.ndarray:
        """Indices of all sentences in random order."""
        return rng.permutation(len(self.sentences))

    def compose(
        self,
        order: np.ndarray,
        insertions: Sequence[Insertion],
        target_tokens: int,
        count: Callable[[str], int],
    ) -> Haystack | None:
        """A haystack with which the prompt has `target_tokens` tokens, or as few less as the sentences allow.

        Args:
            order: (sentences,) indices in the order in which sentences are taken; repeated as often as needed.
            insertions: needles and distractors; at equal depth they keep their order.
            target_tokens: length of the whole rendered prompt.
            count: rendered prompt's tokens for a haystack text.

        Returns:
            The haystack, or None if the prompt is too long already without any sentence.
        """
        bare = count(" ".join(insertion.text for insertion in insertions))
        budget = target_tokens - bare
        best = None
        for _ in range(4):
            if budget < 0:
                break
            chosen = self._choose(order, budget)
            text, depths = self._insert(chosen, insertions)
            tokens = bare + int(self.tokens[chosen].sum())
            if not self.additive or tokens <= RECOUNT_TOKENS:
                tokens = count(text)
            if tokens <= target_tokens and (best is None or tokens > best.prompt_tokens):
                best = Haystack(text, tokens, depths)
            if tokens == target_tokens:
                break
            budget += target_tokens - tokens
        return best

    def _choose(self, order: np.ndarray, budget: int) -> np.ndarray:
        """Indices of sentences of `budget` tokens in all, or as few less as possible."""
        total = int(self.tokens.sum())
        if len(order) == 0 or total == 0:
            return np.array([], dtype=np.int64)
        rounds, rest = divmod(budget, total)
        cumulative = np.cumsum(self.tokens[order])
        taken = int(np.searchsorted(cumulative, rest, side="right"))
        missing = rest - (int(cumulative[taken - 1]) if taken else 0)
        chosen = np.concatenate([np.tile(order, rounds), order[:taken]])
        if missing == 0:
            return chosen
        following = np.roll(order, -taken)[:NEAR]
        for given_up in range(min(3, len(chosen)) + 1):
            need = missing + int(self.tokens[chosen[len(chosen) - given_up :]].sum())
            filler = self._filler(following, need)
            if filler is not None:
                return np.concatenate([chosen[: len(chosen) - given_up], filler])
        return chosen

    def _filler(self, candidates: np.ndarray, need: int) -> np.ndarray | None:
        """One or two of the candidates that have `need` tokens together, the earliest found."""
        tokens = self.tokens[candidates]
        one = np.flatnonzero(tokens == need)
        if len(one):
            return candidates[one[:1]]
        first_with = {int(count): i for i, count in reversed(list(enumerate(tokens)))}
        for i, count in enumerate(tokens):
            j = first_with.get(need - int(count))
            if j is not None and j != i:
                return candidates[[i, j]]
        return None

    def _insert(self, chosen: np.ndarray, insertions: Sequence[Insertion]) -> tuple[str, list[float]]:
        """The text of the chosen sentences with the insertions at the boundaries nearest to their depths."""
        before = np.concatenate([[0], np.cumsum(self.tokens[chosen])])
        total = max(int(before[-1]), 1)
        boundaries = [int(np.abs(before - insertion.depth * total).argmin()) for insertion in insertions]
        pieces = [self.pieces[i] for i in chosen]
        for i in sorted(range(len(insertions)), key=lambda i: (boundaries[i], i), reverse=True):
            pieces.insert(boundaries[i], " " + insertions[i].text)
        return "".join(pieces)[1:], [float(before[boundary]) / total for boundary in boundaries]
