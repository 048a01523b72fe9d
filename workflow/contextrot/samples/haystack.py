"""Haystacks of an exact number of tokens, made of whole sentences, with needles on sentence boundaries at the asked depths.

A corpus is tokenised once, piece by piece (sentences; long ones are cut inside). What stands before, between and after the insertions
are stretches of the corpus's order, each of just the tokens that the asked depths give it: its last pieces are exchanged for one or two
near ones of the length that is missing, and only where there are none is a piece cut, between words, else between characters. Every
finished prompt is counted whole, as it is rendered, so that the joins belong to the count; the next try corrects what they add.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from contextrot.samples.sentences import cuts, separator, word_cuts
from contextrot.samples.tokenizers import Tokenizer

LENGTH_TOLERANCE, DEPTH_TOLERANCE = 8, 0.01
"""Tokens that a prompt may have less than asked (never more), and by how much of the haystack a depth may differ."""
RECOUNT_TOKENS = 16_384
"""Prompts up to this length are counted once more when they are verified; all are counted whole when they are built."""
NEAR = 400
"""How many pieces after a stretch's end are looked at for ones of the missing length."""
TRIES = 12
"""Prompts counted whole for one haystack at most; nearly always one or two."""
NEARLY_TOKENS, MOST_MERGED = 20, 50.0
DEPTH_TRIES, NEAR_DEPTH = 4, 0.006
TELLING_TOKENS = 6
"""Pieces of at least so many tokens are the same text where they read the same, be it at other places of the corpus."""
SHORT_TOKENS = 2
"""A stretch may be so many tokens short before a piece is cut, where that is no half percent of the haystack."""


@dataclass(frozen=True)
class Insertion:
    """A text to stand at `depth` (0 to 1, share of the haystack's tokens before it); `exact` if it is refused elsewhere."""

    text: str
    depth: float
    exact: bool = True


@dataclass(frozen=True)
class Haystack:
    """A finished haystack.

    Attributes:
        text: the haystack with its insertions.
        prompt_tokens: tokens of the whole rendered prompt, counted.
        depths: where each insertion really stands: share of the haystack's own tokens before it.
        repetitions: tokens of the haystack's pieces over those of its distinct texts; 1 where no piece stands there twice.
    """

    text: str
    prompt_tokens: int
    depths: list[float]
    repetitions: float


class SentencePool:
    """Pieces of a corpus with their token counts.

    Attributes:
        pieces: all pieces with the separators before them, documents in order.
        tokens: (pieces,) token count of each.
        same: (pieces,) index of the first piece with the same text; its own for pieces of less than TELLING_TOKENS.
        starts: (documents,) index of each document's first piece.
    """

    def __init__(self, documents: Sequence[Sequence[str]], tokenizer: Tokenizer) -> None:
        documents = [document for document in documents if document]
        self.pieces = [piece for document in documents for piece in _separated(document)]
        # as they count behind another piece: alone, some tokenizers begin each text with a token of its own
        before = ["."] + [piece[-1:] for piece in self.pieces[:-1]]
        both = tokenizer.encode_batch([last + piece for last, piece in zip(before, self.pieces, strict=False)])
        alone = {last: len(tokenizer.encode(last)) for last in set(before)}
        counts = [max(1, len(ids) - alone[last]) for ids, last in zip(both, before, strict=False)]
        self.tokens = np.array(counts[: len(self.pieces)], dtype=np.int64)
        first: dict[str, int] = {}
        texts = [piece.strip() for piece in self.pieces]
        self.same = np.array(
            [
                first.setdefault(text, i) if n >= TELLING_TOKENS else i
                for i, (text, n) in enumerate(zip(texts, self.tokens, strict=True))
            ],
            dtype=np.int64,
        )
        self.starts = np.cumsum([0, *(len(document) for document in documents[:-1])])
        self._tokenizer = tokenizer
        self._cut: dict[tuple[int, int], str] = {}

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
        """A haystack with which the prompt has `target_tokens` tokens, or as few less as the corpus allows; never more.

        Args:
            order: (pieces,) indices in the order in which pieces are taken; repeated as often as needed.
            insertions: needles and distractors; at equal depth they keep their order.
            target_tokens: length of the whole rendered prompt.
            count: rendered prompt's tokens for a haystack text.

        Returns:
            The haystack, or None if the prompt is too long already without any piece.
        """
        bare = count(_joined([insertion.text for insertion in insertions]))
        best, shifts = None, [0] * len(insertions)
        for _ in range(DEPTH_TRIES):
            found = self._of_length(order, insertions, shifts, target_tokens, bare, count)
            if found is None:
                break
            worst = max((abs(d - i.depth) for d, i in zip(found.depths, insertions, strict=True)), default=0.0)
            if best is None or worst < best[0]:
                best = worst, found
            if worst <= NEAR_DEPTH:
                break
            own = target_tokens - bare
            shifts = [s + round((i.depth - d) * own) for s, i, d in zip(shifts, insertions, found.depths, strict=True)]
        return best[1] if best else None

    def _of_length(
        self,
        order: np.ndarray,
        insertions: Sequence[Insertion],
        shifts: Sequence[int],
        target_tokens: int,
        bare: int,
        count: Callable[[str], int],
    ) -> Haystack | None:
        """The haystack whose prompt comes nearest to the target from below."""
        own, best = target_tokens - bare, None
        tried: set[int] = set()
        while own >= 0 and own not in tried and len(tried) < TRIES:
            tried.add(own)
            parts, repetitions = self._build(order, insertions, shifts, own)
            text = "".join(parts).lstrip()
            tokens = count(text)
            if tokens <= target_tokens and (best is None or tokens > best[0]):
                best = tokens, text, parts, repetitions
            if tokens == target_tokens:
                break
            missing = target_tokens - tokens
            if (
                abs(missing) > NEARLY_TOKENS and tokens > bare
            ):  # pieces that merge where they meet: as many more as make so many tokens
                missing = round(missing * min(MOST_MERGED, own / (tokens - bare)))
            own += missing
            if own in tried:  # the joins differ from try to try: come nearer from below
                own = min(tried) - 1 if best is None else own + 1
        if best is None:
            return None
        tokens, text, parts, repetitions = best
        if target_tokens - tokens > SHORT_TOKENS and len(order):
            tokens, text, parts = self._filled_up(order, parts, tokens, target_tokens, count)
        return Haystack(text, tokens, self._depths(parts, insertions), repetitions)

    def _filled_up(
        self, order: np.ndarray, parts: list[str], tokens: int, target_tokens: int, count: Callable[[str], int]
    ) -> tuple[int, str, list[str]]:
        """The parts with as much more text in the longest stretch as the whole count allows, for tokenizers that merge across pieces."""
        at = max(range(0, len(parts), 2), key=lambda i: len(parts[i]))
        before, after, added = "".join(parts[: at + 1]), "".join(parts[at + 1 :]), ""
        for index in order[: 4 * NEAR]:
            piece = self.pieces[index]
            places = [*cuts(piece), len(piece)]
            low, high = 0, len(places)
            while low < high:
                middle = (low + high) // 2
                if count((before + added + piece[: places[middle]] + after).lstrip()) <= target_tokens:
                    low = middle + 1
                else:
                    high = middle
            added += piece[: places[low - 1]] if low else ""
            if low < len(places):
                break
        parts = [*parts[:at], parts[at] + added, *parts[at + 1 :]]
        text = "".join(parts).lstrip()
        return count(text), text, parts

    def _depths(self, parts: Sequence[str], insertions: Sequence[Insertion]) -> list[float]:
        """Where the insertions (every second part, by depth) stand, as the stretches between them are really counted."""
        stretches = [self._count(part) for part in parts[::2]]
        total = max(sum(stretches), 1)
        before = np.cumsum(stretches) / total
        depths = [0.0] * len(insertions)
        for place, i in enumerate(_by_depth(insertions)):
            depths[i] = float(before[place])
        return depths

    def _build(
        self, order: np.ndarray, insertions: Sequence[Insertion], shifts: Sequence[int], own: int
    ) -> tuple[list[str], float]:
        """A haystack with `own` tokens of the corpus: stretches and insertions in turn, and its repetitions."""
        walk = _Walk(self, order, own)
        parts: list[str] = []
        for i in _by_depth(insertions):
            parts.append("".join(walk.stretch(round(insertions[i].depth * own) + shifts[i])))
            parts.append(_after(parts, insertions[i].text))
        parts.append("".join(walk.stretch(own)))
        return parts, walk.repetitions

    def cut(self, index: int, tokens: int) -> str:
        """The beginning of a piece that has at most so many tokens: up to a word's end if that is near enough, else inside a word."""
        if (index, tokens) not in self._cut:
            piece = self.pieces[index]
            words = self._longest(piece, word_cuts(piece), tokens)
            near = self._count(words) >= tokens - SHORT_TOKENS if words else False
            self._cut[index, tokens] = words if near else self._longest(piece, cuts(piece), tokens) or words
        return self._cut[index, tokens]

    def _longest(self, piece: str, places: list[int], tokens: int) -> str:
        low, high = 0, len(places)
        while low < high:
            middle = (low + high) // 2
            if self._count(piece[: places[middle]]) <= tokens:
                low = middle + 1
            else:
                high = middle
        return piece[: places[low - 1]] if low else ""

    def _count(self, text: str) -> int:
        return len(self._tokenizer.encode("." + text)) - len(self._tokenizer.encode(".")) if text else 0


class _Walk:
    """One haystack's way through the corpus's order.

    Attributes:
        taken: tokens so far.
    """

    def __init__(self, pool: SentencePool, order: np.ndarray, own: int) -> None:
        self._pool, self._order = pool, order[pool.tokens[order] > 0]
        self._rest, self._whole = self._order, int(pool.tokens[self._order].sum())
        self._allowed = min(SHORT_TOKENS, own // 200)
        self._times = np.zeros(len(pool.pieces), dtype=np.int64)
        self.taken = 0

    @property
    def repetitions(self) -> float:
        """Tokens taken over those of distinct pieces."""
        tokens = self._pool.tokens
        distinct = int(tokens[self._times > 0].sum())
        return float((tokens * self._times).sum() / distinct) if distinct else 1.0

    def stretch(self, until: int) -> list[str]:
        """The next pieces, up to so many tokens taken in all."""
        need, texts = until - self.taken, []
        if not len(self._order):
            return texts
        while need > 0:
            chosen, left = self._choose(need)
            texts += [self._pool.pieces[i] for i in chosen]
            np.add.at(self._times, self._pool.same[chosen], 1)
            if left > self._allowed and (end := self._end(left)):
                index, text, tokens = end
                texts.append(text)
                self._times[self._pool.same[index]] += 1
                left -= tokens
            self.taken += need - left
            if left <= self._allowed or not (len(chosen) or texts):
                break
            if left == need:
                break
            need = left
        return texts

    def _choose(self, budget: int) -> tuple[np.ndarray, int]:
        """The next pieces of at most `budget` tokens, the last of them exchanged so that little is left; and what is left."""
        tokens, parts = self._pool.tokens, []
        while True:
            cumulative = np.cumsum(tokens[self._rest])
            taken = int(np.searchsorted(cumulative, budget, side="right"))
            if taken < len(self._rest):
                break
            parts.append(self._rest)  # the corpus is through: it begins again, whole as often as it fits
            rounds, budget = divmod(budget - (int(cumulative[-1]) if taken else 0), self._whole)
            parts.append(np.tile(self._order, rounds))
            self._rest = self._order
        chosen, rest = self._rest[:taken], self._rest[taken:]
        missing = budget - (int(cumulative[taken - 1]) if taken else 0)
        filler = np.array([], dtype=np.int64)
        if missing:
            for given_up in range(min(3, len(chosen)) + 1):
                end = len(chosen) - given_up
                found = self._filler(rest[:NEAR], missing + int(tokens[chosen[end:]].sum()))
                if found is not None:
                    filler, rest = rest[found], np.concatenate([chosen[end:], np.delete(rest, found)])
                    chosen, missing = chosen[:end], 0
                    break
        self._rest = rest if len(rest) else self._order
        return np.concatenate([*parts, chosen, filler]), missing

    def _filler(self, candidates: np.ndarray, need: int) -> np.ndarray | None:
        """Places of one or two of the candidates that have `need` tokens together, the earliest found."""
        tokens = self._pool.tokens[candidates]
        one = np.flatnonzero(tokens == need)
        if len(one):
            return one[:1]
        first_with = {int(count): i for i, count in reversed(list(enumerate(tokens)))}
        for i, count in enumerate(tokens):
            j = first_with.get(need - int(count))
            if j is not None and j != i:
                return np.array([i, j])
        return None

    def _end(self, tokens: int) -> tuple[int, str, int] | None:
        """A cut piece of at most so many tokens: its index, text and tokens; the rest of it is left out."""
        for place, index in enumerate(self._rest[:8]):
            text = self._pool.cut(int(index), tokens)
            if text.strip():
                rest = np.delete(self._rest, place)
                self._rest = rest if len(rest) else self._order
                return int(index), text, self._pool._count(text)
        return None


def _separated(document: Sequence[str]) -> list[str]:
    """A document's pieces; the first begins as if another text stood before it."""
    first = document[0]
    return [separator(first, first) + first, *document[1:]]


def _by_depth(insertions: Sequence[Insertion]) -> list[int]:
    return sorted(range(len(insertions)), key=lambda i: insertions[i].depth)


def _after(parts: Sequence[str], text: str) -> str:
    """A text with the separator from what stands before it."""
    return separator("".join(parts[-2:]), text) + text


def _joined(texts: Sequence[str]) -> str:
    joined = ""
    for text in texts:
        joined += separator(joined, text) + text
    return joined
