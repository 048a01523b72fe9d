"""Responses and judgements to scores (one row an answer), and scores to metrics (with n, interval and outcome counts)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contextrot.errors import DataError
from contextrot.records import (
    OUTCOMES,
    SCORED_OUTCOMES,
    Response,
    Sample,
    is_judged,
    read_judgements,
    read_responses,
    read_samples,
    write_table,
)
from contextrot.scores.clusters import clustered_mean
from contextrot.scores.stats import mean_interval

if TYPE_CHECKING:
    import pandas as pd

    from contextrot.task import Task


def score_responses(
    task: Task,
    samples_path: Path,
    responses_path: Path,
    judgement_paths: Sequence[Path],
    output: Path,
    added_paths: Sequence[Path] = (),
    population: str = "kind",
) -> None:
    """Writes scores.parquet: condition columns, outcome, token counts, times, cost and the task's measures, one row an answer.

    Args:
        judgement_paths: the first judge's file gives the score; each judge's verdict share is a column `verdict_{judge}`.
        added_paths: parquet files with one row a sample, whose columns are added.
        population: what intervals are to speak for: `kind` (the column `cluster` then is the needle or item) or `these` (the haystack,
            or the sample).

    Raises:
        DataError: if an answer has no judgement, or a response no sample.
    """
    import pandas as pd

    samples = {sample.sample_id: sample for sample in read_samples(samples_path, columns=[])}
    judgements = [read_judgements(path) for path in judgement_paths]
    verdicts = [{(j.sample_id, j.turn, j.item): j.verdict for j in by_judge} for by_judge in judgements]
    ratings = {
        (j.sample_id, j.turn, j.item): j.rating for by_judge in reversed(judgements) for j in by_judge if j.rating is not None
    }
    judges = [Path(path).stem for path in judgement_paths]
    if judgements and judgements[0] and not task.criteria:
        _refuse_unjudged(judges[0], [judgement.verdict for judgement in judgements[0]])
    rows = []
    answers: dict[str, list[Response]] = {}
    for response in read_responses(responses_path):
        sample = samples.get(response.sample_id)
        if sample is None:
            raise DataError(f"{responses_path} answers {response.sample_id!r}, which {samples_path} does not ask.")
        row = {
            "sample_id": sample.sample_id,
            "turn": response.turn,
            **sample.condition,
            "target_tokens": sample.target_tokens,
            "prompt_tokens": sample.prompt_tokens
            if response.built_tokens is None and not response.turn
            else response.built_tokens,
            "server_prompt_tokens": response.prompt_tokens,
            "completion_tokens": response.completion_tokens,
            "cached_tokens": response.cached_tokens,
            "reasoning_tokens": response.reasoning_tokens,
            "first_token_seconds": response.first_token_seconds,
            "total_seconds": response.total_seconds,
            "cost_usd": response.cost_usd,
            "outcome": response.outcome,
            "unjudged": False,
            **task.columns(response),
            CLUSTER: cluster_of(task, sample, population),
        }
        earlier = answers.setdefault(response.sample_id, [])
        if response.outcome in SCORED_OUTCOMES:
            given = []
            for judge, by_answer in zip(judges, verdicts, strict=True):
                keys = [(sample.sample_id, response.turn, item) for item in range(len(sample.references or task.criteria))]
                missing = [key for key in keys if key not in by_answer]
                if missing and is_judged(response):
                    raise DataError(f"judge {judge!r} has not judged {missing[0][0]!r}; delete its file and run again.")
                given.append([by_answer.get(key, False) for key in keys])
                known = [v for v in given[-1] if v is not None]
                row[f"verdict_{judge}"] = sum(known) / len(known) if known else None
            first = given[0] if given else []
            row["unjudged"] = any(v is None for v in first)
            row |= task.score_turn(sample, response, first, earlier)
            for item, criterion in enumerate(task.criteria):
                if (key := (sample.sample_id, response.turn, item)) in ratings:
                    row[criterion] = ratings[key]
        earlier.append(response)
        rows.append(row)
    frame = pd.DataFrame(rows)
    for path in added_paths if rows else ():
        frame = frame.merge(pd.read_parquet(path), on="sample_id", how="left", validate="many_to_one")
    for measure in task.measures:
        if measure not in frame:
            frame[measure] = pd.Series(dtype="float64")
    write_table(output, frame)


MOST_UNJUDGED = 0.5
"""Share of the answers without a verdict above which a score would say more of the judge than of the model."""


def _refuse_unjudged(judge: str, verdicts: Sequence[bool | None]) -> None:
    """Raises DataError where the judge that gives the score gave too few verdicts for one."""
    unjudged = sum(verdict is None for verdict in verdicts)
    if unjudged > MOST_UNJUDGED * len(verdicts):
        raise DataError(
            f"judge {judge!r} gave no verdict on {unjudged:,} of {len(verdicts):,} answers, so that a score would say nothing of the model. Name a "
            "judge that judges them first in the experiment's `judges`, such as match; why it gave none stands in its judgements (`explanation`)."
        )


CLUSTER = "cluster"
"""Column of the scores: what a row's answer has in common with others, so that they are not independent."""


def clusters_of(rows: pd.DataFrame) -> list[str] | None:
    """The needle, item or haystack of each row, where the scores say it."""
    return rows[CLUSTER].astype(str).tolist() if CLUSTER in rows else None


def cluster_of(task: Task, sample: Sample, population: str) -> str:
    """The cluster of a sample: its needle or item for the kind, its haystack or itself for these."""
    column = task.cluster_column if population == "kind" else "prefix_group"
    value = sample.condition.get(column) if column else None
    return str(sample.sample_id if value is None else value)


def summarize_scores(task: Task, scores_path: Path, output: Path) -> None:
    """Writes metrics.csv."""
    scores = read_scores(scores_path)
    metrics = task.metrics(scores)
    write_table(output, averages(task, scores) if metrics is None else metrics)


def averages(task: Task, scores: pd.DataFrame) -> pd.DataFrame:
    """The task's measures averaged over each of its groupings; see `aggregate`."""
    return aggregate(scores, task.groupings, task.measures, task.ranges)


def aggregate(
    scores: pd.DataFrame,
    groupings: Sequence[tuple[str, ...]],
    measures: Sequence[str],
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> pd.DataFrame:
    """Each measure's mean with a 95 % interval, over each grouping.

    Args:
        ranges: measure -> smallest and largest value that there can be, which its interval respects; `score` is from 0 to 1.

    Columns: `grouping` (its columns, joined by commas), `measure`, every column of any grouping (empty where it is not of
    this one), `value`, `low`, `high`, `n` (rows that count), `clusters` (needles, items or haystacks for whose kind the interval speaks;
    empty where it speaks for the rows alone: there is no column `cluster`, or one cluster only), then the number of rows of each outcome, and `unjudged`
    (rows whose judge gave no verdict; they count as not right).
    A group without a row that counts has no value: it is empty, never 0.
    """
    import pandas as pd

    limits = {"score": (0, 1), **(ranges or {})}
    columns = list(dict.fromkeys(name for grouping in groupings for name in grouping))
    rows = []
    for grouping in groupings:
        groups = scores.groupby(list(grouping), dropna=False, sort=True) if grouping else [((), scores)]
        for key, group in groups:
            counted = group[group["outcome"].isin(SCORED_OUTCOMES)]
            outcomes = group["outcome"].value_counts()
            for measure in measures:
                values = counted[measure].dropna().astype(float)
                value, low, high, clusters = mean_with_interval(values, counted, limits.get(measure))
                rows.append(
                    {
                        "grouping": ",".join(grouping),
                        "measure": measure,
                        **dict(zip(grouping, key, strict=True)),
                        "value": value,
                        "low": low,
                        "high": high,
                        "n": len(values),
                        "clusters": clusters,
                        **{outcome: int(outcomes.get(outcome, 0)) for outcome in OUTCOMES},
                        "unjudged": int(counted["unjudged"].sum()),
                    }
                )
    order = ["grouping", "measure", *columns, "value", "low", "high", "n", "clusters", *OUTCOMES, "unjudged"]
    return pd.DataFrame(rows).reindex(columns=order)


def mean_with_interval(
    values: pd.Series, rows: pd.DataFrame, limits: tuple[float, float] | None
) -> tuple[float | None, float | None, float | None, int | None]:
    """Mean, interval, and the clusters that it rests on."""
    if CLUSTER in rows and len(values):
        clusters = rows.loc[values.index, CLUSTER].astype(str)
        if clusters.nunique() > 1:
            found = clustered_mean(values.to_numpy(), clusters.to_numpy(), limits)
            return found.mean, found.low, found.high, found.clusters
    return *mean_interval(values.to_numpy(), limits), None


def read_scores(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The rows of scores.parquet that metrics, figures and comparisons are made of.

    Rows whose samples turned out to be something else than what was asked for (column `on_target` false) are left out; all of them
    stand in the file.

    Args:
        columns: those of interest, as far as there are such; all without it.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    held = pq.read_schema(path).names
    scores = pd.read_parquet(path, columns=columns and [name for name in held if name in (*columns, "on_target")])
    return on_target(scores)


def on_target(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of all answers whose samples are what was asked for; see `read_scores`."""
    if "on_target" not in scores:
        return scores
    return scores[[value is None or value != value or bool(value) for value in scores["on_target"]]]


def select(metrics: pd.DataFrame, measure: str, *grouping: str) -> pd.DataFrame:
    """The rows of one measure over one grouping, whatever the order of its columns."""
    asked = sorted(grouping)
    over = metrics["grouping"].fillna("").map(lambda text: sorted(filter(None, text.split(","))) == asked)
    return metrics[(metrics["measure"] == measure) & over.astype(bool)]
