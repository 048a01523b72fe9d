"""NoLiMa's base score and effective length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

BASE_LENGTHS_UP_TO = 1_000
SHARE = 0.85


def base_score(scores: pd.DataFrame, up_to: int = BASE_LENGTHS_UP_TO) -> float | None:
    """Mean over question-needle pairs of the best of their mean scores at the lengths up to 1,000 tokens.

    Source: NoLiMa (arXiv 2502.05167), section 4: 250, 500 and 1,000 tokens. None if there is no answer that counts at such a length.

    Args:
        scores: rows that count, with `pair`, `length` and `score`.
    """
    short = scores[scores["length"] <= up_to].dropna(subset=["score"])
    if short.empty:
        return None
    by_length = short.groupby(["pair", "length"])["score"].mean()
    return float(by_length.groupby("pair").max().mean())


def effective_length(base: float, by_length: Mapping[float, float]) -> float | None:
    """The largest length whose score is at least 85 % of the base score; None if none is."""
    passing = [length for length, score in by_length.items() if score >= SHARE * base - 1e-12]
    return max(passing, default=None)
