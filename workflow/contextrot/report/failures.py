"""The answers that went wrong, as a table to read: what was asked, expected and answered, and why it counts as wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.records import read_judgements, read_responses, read_samples, write_text
from contextrot.report.html_table import html_table
from contextrot.responses.shards import PREFIX_COLUMN

if TYPE_CHECKING:
    import pandas as pd

    from contextrot.report.captions import Facts

MAX_ROWS = 500
ASKED_CHARACTERS = 240
ANSWER_CHARACTERS = 600
MAX_FILTER_VALUES = 40
NO_MENU = ("sample", "score", "asked (end)", "expected", "answered", "why")
NOT_CONDITIONS = {
    "sample_id", "turn", "target_tokens", "prompt_tokens", "server_prompt_tokens", "completion_tokens", "total_seconds",
    "outcome", "unjudged", "score", PREFIX_COLUMN, "actual_depth",
}  # fmt: skip
"""What the table shows elsewhere, or, as where a needle really stands, only for reading a file: it is what was asked, to 1 %."""


def list_failures(
    samples_path: str | Path, responses_path: str | Path, judgement_paths: Sequence[str | Path], scores_path: str | Path
) -> pd.DataFrame:
    """One row for each answer that is not simply right: wrong, without a clear verdict, disputed, or no answer at all.

    Columns: `problem`, `sample_id`, `turn`, conditions, `score`, each judge's verdict, then what was asked (its end),
    expected and answered (its start), and what the verdict rests on.
    """
    import pandas as pd

    samples = {sample.sample_id: sample for sample in read_samples(samples_path)}
    responses = {(r.sample_id, r.turn, r.mode): r for r in read_responses(responses_path)}
    reasons: dict[tuple[str, int], list[str]] = {}
    for path in judgement_paths:
        for judgement in read_judgements(path):
            if not judgement.verdict and judgement.explanation:
                reasons.setdefault((judgement.sample_id, judgement.turn), []).append(
                    f"{judgement.judge}: {judgement.explanation}"
                )
    scores = pd.read_parquet(scores_path)
    verdicts = [column for column in scores.columns if column.startswith("verdict_")]
    shown = [column for column in _conditions(scores, samples) if column not in verdicts]
    rows = []
    for score in scores.to_dict("records"):
        problem = problem_of(score, [score[column] for column in verdicts])
        if problem is None:
            continue
        sample = samples.get(score["sample_id"])
        response = responses[score["sample_id"], score["turn"], score.get("mode")]
        prompts = []
        if sample:
            prompts = [message["content"] for message in sample.messages if message["role"] == "user"][-1:] + sample.later_prompts
        asked = prompts[score["turn"]] if score["turn"] < len(prompts) else ""
        rows.append(
            {
                "problem": problem,
                "sample": score["sample_id"],
                "turn": score["turn"],
                **{column: score[column] for column in shown},
                "score": score.get("score"),
                **{column.removeprefix("verdict_") + " says": _verdict(score[column]) for column in verdicts},
                "asked (end)": _end(asked, ASKED_CHARACTERS),
                "expected": " | ".join(
                    _start(reference, ANSWER_CHARACTERS) for reference in (sample.references if sample else [])
                ),
                "answered": _start(response.text or "", ANSWER_CHARACTERS),
                "why": response.error_message or "; ".join(reasons.get((score["sample_id"], score["turn"]), [])),
            }
        )
    table = pd.DataFrame(rows)
    silent = [column for column in ("turn", "why") if len(table) and not table[column].any()]
    return table.drop(columns=silent)


def problem_of(score: dict[str, Any], verdicts: Sequence[float | None]) -> str | None:
    """Why a row of the scores is listed; None for an answer that all judges call right."""
    if score["outcome"] != "answered":
        return score["outcome"]
    if score["unjudged"]:
        return "unjudged"
    known = {verdict for verdict in verdicts if verdict is not None and verdict == verdict}
    if len(known) > 1:
        return "judges disagree"
    value = score.get("score")
    return "wrong" if value is not None and value < 1 else None


def write_failures_page(table: pd.DataFrame, scores_path: str | Path, facts: Facts, output: str | Path) -> None:
    """Writes the table as an HTML page with menus to filter it.

    Args:
        scores_path: scores.parquet, for the number of answers in all.
        facts: what is said about the experiment.
    """
    import pyarrow.parquet as pq

    about = [
        f"{len(table)} of {pq.read_metadata(scores_path).num_rows} answers are not simply right: wrong or partly wrong (score "
        "below 1), disputed between judges, without a clear verdict, or no answer at all. "
        f"Engine: {facts.engine}. Judge: {facts.judge}. Tier: {facts.tier}."
    ]
    if len(table) > MAX_ROWS:
        about.append(f"The first {MAX_ROWS} are shown; scores.parquet and responses.parquet beside this page hold all of them.")
    menus = [column for column in table.columns if column not in NO_MENU and 1 < _distinct(table[column]) <= MAX_FILTER_VALUES]
    title = f"{facts.model} — {facts.experiment}: failures"
    write_text(output, html_table(table.head(MAX_ROWS), title, about, facts.note, menus))


def _conditions(scores: pd.DataFrame, samples: dict[str, Any]) -> list[str]:
    """The condition columns that tell rows apart and are short enough to show."""
    known = set(next(iter(samples.values())).condition) if samples else set()
    return [
        column
        for column in scores.columns
        if column in known - NOT_CONDITIONS and 1 < _distinct(scores[column]) <= MAX_FILTER_VALUES
    ]


def _distinct(column: pd.Series) -> int:
    """Number of different values; 0 for columns of lists or of long texts, which no menu can show."""
    values = column.dropna()
    if any(isinstance(value, list | tuple | dict) or (hasattr(value, "shape") and value.shape) for value in values):
        return 0
    return 0 if values.astype(str).str.len().max() > 60 else values.nunique()


def _verdict(share: float | None) -> str | None:
    """A verdict share for people: right, wrong, or the share of several references."""
    if share is None or share != share:
        return None
    return {1.0: "right", 0.0: "wrong"}.get(share, f"{100 * share:.0f} % right")


def _start(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[:characters] + " …"


def _end(text: str, characters: int) -> str:
    return text if len(text) <= characters else "… " + text[-characters:]
