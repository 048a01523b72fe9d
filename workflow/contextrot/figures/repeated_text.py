"""Whether the haystacks' own text repeats: what is hidden in it is then easier to tell from it, which figures and captions say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["repetitions", "length"]
"""How often a haystack holds the text that it is made of, and its length in tokens."""


def repeated_text(scores: pd.DataFrame | None) -> str:
    """From which length on text repeats and how often at most, in words; empty if none does, or nothing says so.

    Args:
        scores: rows of scores.parquet, whose `repetitions` is above 1 where text repeats.
    """
    if scores is None or not set(COLUMNS) <= set(scores):
        return ""
    repeated = scores[scores["repetitions"].astype(float) > 1]
    if repeated.empty:
        return ""
    most, first = repeated["repetitions"].astype(float).max(), repeated["length"].min()
    return f"text repeats from {first:,.0f} tokens on, up to {most:.1f} times"
