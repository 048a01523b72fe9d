"""All runs at a glance: any number of results folders (one's own and other people's), tiers and models, ranked on the questions they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot import tasks
from contextrot.errors import DataError
from contextrot.records import write_table, write_text
from contextrot.report.html_table import html_table, shown
from contextrot.scores.comparison import compare
from contextrot.scores.score import read_scores

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("sample_id", "turn", "outcome", "score")
SAME = ("question", "cluster")
"""Columns in which answers to one question are alike, where runs have them: a sample's name alone is not believed."""


@dataclass(frozen=True)
class RunFile:
    """The scores of one run.

    Attributes:
        folder: the results folder, as config names it.
        tier, model, experiment: from the path.
        path: of scores.parquet.
    """

    folder: str
    tier: str
    model: str
    experiment: str
    path: Path


def runs_in(folders: Sequence[str]) -> list[RunFile]:
    """The runs of some results folders, in a fixed order.

    Raises:
        DataError: if a folder is not there or holds no scores.
    """
    found, seen = [], set()
    for folder in folders:
        if (where := Path(folder).resolve()) in seen:
            continue
        seen.add(where)
        paths = sorted(Path(folder).glob("*/*/*/scores.parquet"))
        if not paths:
            raise DataError(
                f"leaderboard: {folder} holds no {{tier}}/{{model}}/{{experiment}}/scores.parquet; name results folders, and run them first."
            )
        found += [RunFile(folder, path.parts[-4], path.parts[-3], path.parts[-2], path) for path in paths]
    return found


def leaderboard(runs: Sequence[RunFile], seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Standings and differences, an experiment after the other.

    Returns:
        Standings: a row for each run: experiment, place (`rank` on the questions that all runs of the experiment share, with its interval),
        score, interval, n, effective length. Differences: a row for each two runs of an experiment: first minus second on their shared
        questions, with interval, p values, and how many questions the second got better or worse.
    """
    import pandas as pd

    standings, differences = [], []
    several = len({run.folder for run in runs}) > 1, len({run.tier for run in runs}) > 1
    kinds = [tasks.load(name) for name in tasks.names()]
    apart, lengths = ({getattr(kind, name) for kind in kinds} - {None} for name in ("apart", "length_column"))
    asked: dict[str, dict[str, pd.DataFrame]] = {}
    for run in runs:
        rows = _read(run)
        for name, part in _conditions(run.experiment, rows, apart):
            if part["score"].notna().any():
                asked.setdefault(name, {})[_title(run, *several)] = part
    for experiment, scores in asked.items():
        scores = _with_names_of_their_own(scores)
        column = next((name for name in sorted(lengths) if all(_is_length(rows, name) for rows in scores.values())), None)
        found = compare(scores, column, seed, f"leaderboard {experiment}")
        standings.append(found.table.assign(experiment=experiment))
        if len(found.differences):
            changed = [_changed(scores[row["first"]], scores[row["second"]]) for row in found.differences.to_dict("records")]
            differences.append(pd.concat([found.differences, pd.DataFrame(changed)], axis=1).assign(experiment=experiment))
    if not standings:
        raise DataError("leaderboard: no run has a score.")
    table = pd.concat(standings, ignore_index=True).sort_values(["experiment", "rank", "title"], na_position="last")
    front = ["experiment", "title"]
    table = table[front + [name for name in table if name not in front]].reset_index(drop=True)
    pairs = pd.concat(differences, ignore_index=True) if differences else pd.DataFrame(columns=["experiment", "first", "second"])
    front = ["experiment", "first", "second"]
    return table, pairs[front + [name for name in pairs if name not in front]]


def _read(run: RunFile) -> pd.DataFrame:
    """The scores of a run.

    Raises:
        DataError: names the file, if it is not what this project writes.
    """
    import pandas as pd

    rows = read_scores(run.path)
    missing = [name for name in NEEDED if name not in rows]
    if missing:
        raise DataError(f"leaderboard: {run.path} has no column {missing[0]!r}; take its folder out of `leaderboard`.")
    scores = pd.to_numeric(rows["score"], errors="coerce")
    if (scores.isna() & rows["score"].notna()).any() or not scores.dropna().between(0, 1).all():
        raise DataError(
            f"leaderboard: {run.path} has scores that are no numbers from 0 to 1; take its folder out of `leaderboard`."
        )
    return rows.assign(score=scores, sample_id=rows["sample_id"].astype(str))


def _is_length(rows: pd.DataFrame, column: str) -> bool:
    import pandas as pd

    return (
        column in rows
        and pd.to_numeric(rows[column], errors="coerce").notna().all()
        and bool((rows[column].astype(float) > 0).all())
    )


def _with_names_of_their_own(scores: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The runs; a sample whose name stands for another question than in the first run that has it gets a name that no other run has."""
    known: dict[str, dict[str, str]] = {column: {} for column in SAME}
    found = {}
    for title, rows in scores.items():
        unlike = set()
        for column in SAME:
            if column in rows:
                for name, value in zip(rows["sample_id"], rows[column].astype(str), strict=True):
                    if known[column].setdefault(name, value) != value:
                        unlike.add(name)
        found[title] = rows.assign(sample_id=[f"{name} of {title}" if name in unlike else name for name in rows["sample_id"]])
    return found


def _conditions(experiment: str, rows: pd.DataFrame, apart: set[str]) -> list[tuple[str, pd.DataFrame]]:
    """The experiment, or each of its conditions that are no one thing together."""
    column = next((name for name in sorted(apart) if name in rows and rows[name].notna().any()), None)
    return [(experiment, rows)] if column is None else [(f"{experiment}: {value}", part) for value, part in rows.groupby(column)]


def _title(run: RunFile, folders: bool, tiers: bool) -> str:
    parts = [run.tier] * tiers + [run.folder] * folders
    return f"{run.model} ({', '.join(parts)})" if parts else run.model


def _changed(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, Any]:
    """On how many shared questions the second run scores higher, and lower, than the first."""
    from contextrot.scores.comparison import counting

    one, two = (counting(rows).groupby("sample_id")["score"].mean() for rows in (first, second))
    shared = one.index.intersection(two.index)
    return {"second_better": int((two[shared] > one[shared]).sum()), "second_worse": int((two[shared] < one[shared]).sum())}


def write_leaderboard(folders: Sequence[str], seed: int, table: Path, differences: Path, page: Path) -> None:
    """Writes leaderboard.csv, leaderboard_differences.csv and leaderboard.html."""
    standings, pairs = leaderboard(runs_in(folders), seed)
    write_table(table, standings)
    write_table(differences, pairs)
    about = [
        "Ranks, with 95 % intervals, are over the questions that all runs of an experiment answered (the same name and the same words); scores "
        "are over all that a run answered. "
        "A difference is the first run's score less the second's on their shared questions; p is corrected for the number of pairs (Holm).",
        *(_sentence(row) for row in pairs.to_dict("records")),
    ]
    write_text(page, html_table(readable(standings), "Leaderboard", about, "", ["Experiment", "Run"]))


def readable(standings: pd.DataFrame) -> pd.DataFrame:
    """The standings for people."""
    import pandas as pd

    def interval(row: dict[str, Any], value: str, low: str, high: str, form: str = "{:.2f}") -> str:
        known = row.get(value)
        if known is None or known != known:
            return ""
        ends = row.get(low), row.get(high)
        text = form.format(known)
        return (
            text if any(end is None or end != end for end in ends) else f"{text} [{form.format(ends[0])}, {form.format(ends[1])}]"
        )

    rows, runs = [], standings["experiment"].value_counts()
    for row in standings.to_dict("records"):
        rows.append(
            {
                "Experiment": row["experiment"],
                "Rank": interval(row, "rank", "rank_low", "rank_high", "{:.3g}") if runs[row["experiment"]] > 1 else "",
                "Run": row["title"],
                "Score": interval(row, "score", "score_low", "score_high"),
                "Effective length (NoLiMa)": interval(row, "nolima_crossing", "nolima_low", "nolima_high", "{:,.0f}"),
                "Answers": row.get("n"),
                "Shared questions": row.get("common"),
            }
        )
    return pd.DataFrame(rows)


def _sentence(row: dict[str, Any]) -> str:
    if row.get("difference") is None or row["difference"] != row["difference"]:
        return f"{row['experiment']}: {row['first']} and {row['second']} share no question."
    ends = "" if row["low"] is None or row["low"] != row["low"] else f" [{row['low']:+.2f}, {row['high']:+.2f}]"
    p = "" if row["p_holm"] is None or row["p_holm"] != row["p_holm"] else f", p = {shown(float(row['p_holm']))}"
    return (
        f"{row['experiment']}: {row['first']} less {row['second']}: {row['difference']:+.2f}{ends}{p}, n = {row['n']}; the second is better on "
        f"{row['second_better']}, worse on {row['second_worse']}."
    )
