"""Answers that their limit cut: they count as given, so that where there are many, scores show the limit and not the task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MOST_CUT = 0.1
"""Share of answers above which a result is warned of."""
_ROWS_AT_ONCE = 10_000


def cut_answers(scores: pd.DataFrame | None, responses: str | Path | None, judged: bool) -> dict[str, int | None]:
    """How many answers were cut before they said anything, as within a thought, and how many with a text that is not right.

    Args:
        scores: of the answers in question.
        responses: the experiment's responses.parquet.
        judged: whether a longer answer could have been right; None is counted of others, such as stories.
    """
    if scores is None or responses is None:
        return {"cut_unsaid": None, "cut_wrong": None}
    cut = scores[scores["outcome"] == "truncated"]
    unsaid = _without_text(responses) if len(cut) else set()
    silent = [place in unsaid for place in zip(cut["sample_id"], cut["turn"], strict=True)]
    said = cut[[not quiet for quiet in silent]]
    return {"cut_unsaid": sum(silent), "cut_wrong": int((said["score"] == 0).sum()) if judged and "score" in said else None}


def _without_text(responses: str | Path) -> set[tuple[str, int]]:
    """Sample and turn of each cut answer without a text."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found: set[tuple[str, int]] = set()
    with pq.ParquetFile(responses) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["sample_id", "turn", "outcome", "text"]):
            silent = pc.and_(pc.equal(batch["outcome"], "truncated"), pc.is_null(batch["text"]))
            rows = batch.select(["sample_id", "turn"]).filter(silent).to_pydict()
            found |= set(zip(rows["sample_id"], rows["turn"], strict=True))
    return found


def mostly_unsaid(cut: Mapping[str, Any], answers: int) -> bool:
    """Whether so many answers were cut before they said anything that scores say nothing about lengths."""
    return bool(answers) and (cut["cut_unsaid"] or 0) > MOST_CUT * answers


def limit_notes(row: Mapping[str, Any]) -> list[str]:
    """What must be said of an experiment whose answers were cut."""
    notes, answers = [], row["answers"] or 0
    where = f"{row['model_title']}, {row['experiment_title']}" + (f": {row['condition']}" if row["condition"] else "")
    if mostly_unsaid(row, answers):
        notes.append(
            f"{where}: {row['cut_unsaid']:.0f} of {answers:.0f} answers were cut before they said anything, as within a thought; they count as wrong, so "
            "the scores show the limit, not the task, and no effective length is given. Give the model room for thinking (`reasoning_tokens`), or turn it off."
        )
    if answers and (row["cut_wrong"] or 0) > MOST_CUT * answers:
        notes.append(
            f"{where}: {row['cut_wrong']:.0f} of {answers:.0f} answers are not right and were cut at their limit; part of what the scores show may be the "
            "limit, not the task. A higher one of the experiment (`answer_tokens`) tells."
        )
    return notes
