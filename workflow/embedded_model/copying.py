"""Random token sequences whose parts come again: what forms copying heads before any language is learnt."""

from __future__ import annotations

import numpy as np


def repeated_tokens(rng: np.random.Generator, length: int, first_token: int, vocab_size: int) -> tuple[list, list]:
    """One row of random tokens with repeats, and where the loss is.

    Half of the rows repeat one segment to the end; the others are a random text followed by chunks of it in random order.
    The alphabet of a row may be small, so that one token of context is not always enough to find the place.

    Returns:
        `length + 1` token ids, and `length` weights of predicting each next one.
    """
    if rng.random() < 0.4:
        # The easiest kind, which gets copying started: one short segment again and again.
        period = int(rng.integers(6, max(7, min(length // 3, 80))))
        repeated = np.tile(rng.integers(first_token, vocab_size, size=period), length // period + 2)[: length + 1].tolist()
        return repeated, [0.0] * period + [1.0] * (length - period)
    alphabet = int(2 ** rng.uniform(5, np.log2(vocab_size - first_token)))
    symbols = rng.integers(first_token, vocab_size, size=alphabet)
    row: list[int] = []
    weights: list[float] = []
    if rng.random() < 0.5:
        period = int(rng.integers(8, length // 2 + 1))
        segment = symbols[rng.integers(0, alphabet, size=period)]
        row = np.tile(segment, length // period + 2)[: length + 1].tolist()
        weights = [0.0] * period + [1.0] * (length - period)
    else:
        half = int(length * rng.uniform(0.3, 0.7))
        text = symbols[rng.integers(0, alphabet, size=half)]
        row, weights = text.tolist(), [0.0] * half
        while len(row) < length + 1:
            size = int(rng.integers(6, 33))
            start = int(rng.integers(0, max(1, half - size)))
            chunk = text[start : start + size].tolist()
            known = 1 if alphabet > 500 else 3
            row += chunk
            weights += [0.0] * min(known, len(chunk)) + [1.0] * max(0, len(chunk) - known)
        weights = weights[1:]
    return row[: length + 1], weights[:length]
