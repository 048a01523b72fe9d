"""Haystacks of an exact number of tokens, made of whole sentences, with needles on sentence boundaries.

A corpus is tokenised once, sentence by sentence; sentences longer than `LONGEST_PIECE` are cut inside at clauses, else words,
else characters. A haystack of n tokens is the first pieces of an order whose counts sum to n; the last one or two are exchanged
for pieces of just the length that is missing, or one is cut. Counts of pieces are a guess only: where pieces meet the template or
an insertion the joins are counted, and what comes of it is counted whole as rendered, whatever its length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from contextrot.sentences import character_boundaries, clause_boundaries, with_separator, word_boundaries
from contextrot.tokenizers import Tokenizer

RECOUNT_TOKENS = 16_384
"""Above this length the first guess is made from the joins alone before the prompt is counted whole."""
LONGEST_PIECE = 96
"""Tokens of a piece; longer sentences are cut."""
NEAR = 400
"""How many sentences after the haystack's end are looked at for ones of the missing length."""
LENGTH_TOLERANCE = 8
"""Tokens that a prompt may have less than asked."""
DEPTH_TOLERANCE = 0.01
"""How far from its asked depth an insertion may stand, as a share of the haystack's tokens."""
TRIES = 8


@dataclass(frozen=True)
class Insertion:
    """A text to stand at `depth` (0 to 1, share of the haystack's tokens before it).

    Attributes:
        exact: whether the text around it may be cut inside a sentence to meet the depth; else it takes the nearest boundary.
    """

    text: str
    depth: float
    exact: bool = True


@dataclass(frozen=True)
class Haystack:
    """A finished haystack.

    Attributes:
        text: the haystack with its insertions.
        prompt_tokens: tokens of the whole rendered prompt, counted whole.
        depths: where each insertion really stands: share of the haystack's own tokens before it.
        repetitions: tokens taken from the corpus over those of the corpus's pieces that were taken; 1 if none is taken twice.
    """

    text: str
    prompt_tokens: int
    depths: list[float]
    repetitions: float = 1.0


@dataclass(frozen=True)
class _Part:
    """A piece of the text with its tokens."""

    text: str
    tokens: int


class SentencePool:
    """Sentences of a corpus with their token counts.

    Attributes:
        pieces: all sentences or parts of long ones, each with the separator before it, documents in order.
        tokens: (pieces,) token count of each.
        starts: (documents,) index of each document's first piece.
        additive: whether counts of pieces sum to the count of their text.
    """

    def __init__(self, documents: Sequence[Sequence[str]], tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        flat = [sentence for document in documents for sentence in document]
        whole = [with_separator(sentence, before) for before, sentence in zip(["", *flat], flat, strict=False)]
        if whole:
            whole[0] = with_separator(flat[0], flat[-1])  # what is taken after the end of the corpus
        counts = [len(ids) for ids in tokenizer.encode_batch(whole)]
        parts = [self._cut(piece, count) for piece, count in zip(whole, counts, strict=True)]
        self.pieces = [piece for cut in parts for piece in cut]
        self.sentences = [piece.strip() for piece in self.pieces]
        self.tokens = np.array([len(ids) for ids in tokenizer.encode_batch(self.pieces)], dtype=np.int64)
        first = np.cumsum([0, *(len(document) for document in documents[:-1])])
        self.starts = np.cumsum([0, *(len(cut) for cut in parts)])[first]
        self.additive = len(tokenizer.encode("".join(self.pieces))) == int(self.tokens.sum())

    def _cut(self, piece: str, tokens: int) -> list[str]:
        """The piece in parts of about LONGEST_PIECE tokens, cut at clauses where there are enough, else words, else characters."""
        if tokens <= LONGEST_PIECE:
            return [piece]
        step = max(1, int(len(piece) * LONGEST_PIECE / tokens / 2))
        clauses, words = (np.array(found(piece), dtype=np.int64) for found in (clause_boundaries, word_boundaries))
        characters = None
        at, cut = 0, []
        while len(piece) - at > 2 * step:
            for boundaries in (clauses, words):
                low, high = np.searchsorted(boundaries, [at + step, at + 2 * step])
                if high > low:
                    end = int(boundaries[high - 1])
                    break
            else:
                if characters is None:
                    characters = np.array(character_boundaries(piece), dtype=np.int64)
                low, high = np.searchsorted(characters, [at + 1, at + 2 * step], side="right")
                end = int(characters[high - 1]) if high > low else len(piece)
            cut.append(piece[at:end])
            at = end
        return [*cut, piece[at:]] if at < len(piece) else cut

    def original_order(self, rng: np.random.Generator) -> np.ndarray:
        """Indices of all pieces in reading order, from the start of a random document."""
        return np.roll(np.arange(len(self.pieces)), -int(rng.choice(self.starts)))

    def shuffled_order(self, rng: np.random.Generator) -> np.ndarray:
        """Indices of all pieces in random order."""
        return rng.permutation(len(self.pieces))

    def compose(
        self,
        order: np.ndarray,
        insertions: Sequence[Insertion],
        target_tokens: int,
        count: Callable[[str], int],
    ) -> Haystack | None:
        """A haystack with which the prompt has `target_tokens` tokens, or as few less as the pieces allow; never more.

        Args:
            order: (pieces,) indices in the order in which pieces are taken; repeated as often as needed.
            insertions: needles and distractors; at equal depth they keep their order.
            target_tokens: length of the whole rendered prompt.
            count: rendered prompt's tokens for a haystack text.

        Returns:
            The haystack, or None if the prompt is too long already without any sentence.
        """
        bare = count(" ".join(insertion.text for insertion in insertions))
        budget = target_tokens - bare
        best, tried = None, set()
        for _ in range(TRIES):
            if budget < 0 or budget in tried:
                break
            tried.add(budget)
            chosen, rest = self._choose(order, budget)
            parts, depths = self._insert(chosen, rest, insertions)
            if bare + budget > RECOUNT_TOKENS and self.additive and len(tried) == 1:
                # the joins alone, for far less than a count of the whole; what it says is counted whole below
                guess = self._guess(parts, {insertion.text for insertion in insertions}, count)
                if guess != target_tokens:
                    budget += target_tokens - guess
                    continue
            text = "".join(part.text for part in parts).lstrip()
            tokens = count(text)
            if tokens <= target_tokens and (best is None or tokens > best.prompt_tokens):
                distinct = int(self.tokens[np.unique(chosen)].sum())
                taken = int(self.tokens[chosen].sum())
                best = Haystack(text, tokens, depths, max(1.0, taken / distinct) if distinct else 1.0)
            if tokens == target_tokens:
                break
            budget += target_tokens - tokens
            while budget in tried and budget > 0:
                budget -= 1
        return best

    def _guess(self, parts: list[_Part], inserted: set[str], count: Callable[[str], int]) -> int:
        """The prompt's tokens, from a count of the parts that stand at joins and the sum of all others."""
        near = {0, 1, len(parts) - 2, len(parts) - 1}
        for i, part in enumerate(parts):
            if part.text.strip() in inserted:
                near |= {i - 1, i, i + 1}
        kept = [part for i, part in enumerate(parts) if i in near]
        others = sum(part.tokens for part in parts) - sum(part.tokens for part in kept)
        return count("".join(part.text for part in kept).lstrip()) + others

    def _choose(self, order: np.ndarray, budget: int) -> tuple[np.ndarray, _Part | None]:
        """Indices of pieces of `budget` tokens in all, and the beginning of another where they cannot fill it."""
        total = int(self.tokens.sum())
        if len(order) == 0 or total == 0:
            return np.array([], dtype=np.int64), None
        rounds, rest = divmod(budget, total)
        cumulative = np.cumsum(self.tokens[order])
        taken = int(np.searchsorted(cumulative, rest, side="right"))
        missing = rest - (int(cumulative[taken - 1]) if taken else 0)
        chosen = np.concatenate([np.tile(order, rounds), order[:taken]])
        if missing == 0:
            return chosen, None
        following = np.roll(order, -taken)[:NEAR]
        for given_up in range(min(3, len(chosen)) + 1):
            need = missing + int(self.tokens[chosen[len(chosen) - given_up :]].sum())
            filler = self._filler(following, need)
            if filler is not None:
                return np.concatenate([chosen[: len(chosen) - given_up], filler]), None
        return chosen, self._beginning(self.pieces[int(following[0])], missing)

    def _beginning(self, piece: str, tokens: int) -> _Part | None:
        """The longest beginning of a piece that has at most so many tokens and ends at a word's end, else within a word."""
        best = None
        for boundaries in (word_boundaries(piece), character_boundaries(piece)):
            for end in boundaries:
                part = self._part(piece[:end])
                if part.tokens <= tokens and (best is None or part.tokens > best.tokens):
                    best = part
            if best is not None and best.tokens >= tokens - 2:
                return best
        return best

    def _part(self, text: str) -> _Part:
        return _Part(text, len(self._tokenizer.encode(text)))

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

    def _insert(self, chosen: np.ndarray, rest: _Part | None, insertions: Sequence[Insertion]) -> tuple[list[_Part], list[float]]:
        """The parts of the text with the insertions at the boundaries nearest to their depths, and where these stand.

        A boundary between sentences is taken where one is within half the tolerance; else the sentence there is cut at a
        clause, a word or a character.
        """
        parts = [_Part(self.pieces[i], int(self.tokens[i])) for i in chosen] + ([rest] if rest else [])
        for insertion in insertions:
            if insertion.exact:
                parts = self._with_boundary(parts, insertion.depth)
        before = np.concatenate([[0], np.cumsum([part.tokens for part in parts])])
        total = max(int(before[-1]), 1)
        boundaries = [int(np.abs(before - insertion.depth * total).argmin()) for insertion in insertions]
        for i in sorted(range(len(insertions)), key=lambda i: (boundaries[i], i), reverse=True):
            text = with_separator(insertions[i].text)
            after = boundaries[i]
            if (
                after < len(parts)
                and parts[after].text[:1].strip()
                and with_separator(parts[after].text, text) != parts[after].text
            ):
                parts[after] = self._part(" " + parts[after].text)  # a word that was cut: the needle's end stays a boundary
            parts.insert(after, self._part(text))
        return parts, [float(before[boundary]) / total for boundary in boundaries]

    def _with_boundary(self, parts: list[_Part], depth: float) -> list[_Part]:
        """The parts with one of them cut, if no boundary is near enough to `depth`."""
        before = np.concatenate([[0], np.cumsum([part.tokens for part in parts])])
        total = int(before[-1])
        wanted, tolerance = depth * total, DEPTH_TOLERANCE / 2 * total
        if np.abs(before - wanted).min() <= tolerance:
            return parts
        at = int(np.searchsorted(before, wanted, side="right")) - 1
        piece = parts[at].text
        best: tuple[float, list[_Part]] | None = None
        for boundaries in (clause_boundaries(piece), word_boundaries(piece), character_boundaries(piece)):
            for end in boundaries:
                first, second = self._part(piece[:end]), self._part(piece[end:])
                cut_total = total - parts[at].tokens + first.tokens + second.tokens  # a cut word has more tokens
                error = abs(int(before[at]) + first.tokens - depth * cut_total)
                if best is None or error < best[0]:
                    best = (error, [first, second])
            if best is not None and best[0] <= tolerance:
                break
        return parts if best is None else [*parts[:at], *best[1], *parts[at + 1 :]]
