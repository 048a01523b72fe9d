"""Tables of task `niah`: Chroma's files of prompts and answers, and the scores of each needle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from contextrot.errors import DataError
from contextrot.samples import published
from contextrot.tasks.niah.plan import spread

if TYPE_CHECKING:
    import pandas as pd

ASKED = ("length", "depth", "question")
"""Columns of Chroma's files by which rows are joined."""


def by_needle(scores: pd.DataFrame) -> pd.DataFrame:
    """One row for each needle of each answer, with its name, the depth that was asked for, and `needle_score`.

    A needle of an answer that does not count has no `needle_score`, and keeps the answer's outcome. Depths of several needles in one
    haystack are rounded to tens of percent.
    """
    import pandas as pd

    rows = []
    for row in scores.to_dict("records"):
        names, found = row["needle"].split("+"), row.get("needle_scores")
        depths = [10 * int(depth / 10 + 0.5) for depth in spread(row["depth"], len(names))] if len(names) > 1 else [row["depth"]]
        right = [None] * len(names) if found is None or isinstance(found, float) else found
        rows += [
            {**row, "needle": name, "depth": depth, "needle_score": value}
            for name, depth, value in zip(names, depths, right, strict=True)
        ]
    return pd.DataFrame(rows)


def read_table(path: Path, needed: str) -> dict[str, Mapping[str, str]]:
    """Rows of one of Chroma's files by sample id, which is made of what a row asks."""
    rows = published.read_rows(path, (*ASKED, "answer", needed))
    questions = list(dict.fromkeys(row["question"] for row in rows))
    named = {}
    for (length, depth, _, number), row in published.keyed(rows, ASKED).items():
        tokens = published.whole_number(length)
        try:
            where = f"{tokens:07d}-{float(depth):05.1f}"
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}: length {length!r} and depth {depth!r} of a row must be numbers.") from error
        named[f"csv-{where}-{questions.index(row['question'])}-{number}"] = row
    return named
