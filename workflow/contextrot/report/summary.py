"""One table of a tier: model x experiment, with scores at the ends of the lengths, effective length, failures, cost, time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.plan.provenance import by_experiment, responses_summary
from contextrot.randomness import generator_for
from contextrot.records import SCORED_OUTCOMES, write_table, write_text
from contextrot.report.cut_answers import cut_answers, limit_notes, mostly_unsaid
from contextrot.report.estimates import counted_answers, estimate_table, estimates_of
from contextrot.report.html_table import html_table
from contextrot.report.summary_words import NO_ANSWER, cut_note, few_note, format_note, missing, readable
from contextrot.responses.input_cut import counts_exactly
from contextrot.responses.length_audit import Count, audit_counts
from contextrot.scores.rot_curves import DEFINITIONS, effective_length
from contextrot.scores.sample_size import seen_difference
from contextrot.scores.score import clusters_of, on_target, select

if TYPE_CHECKING:
    import pandas as pd

    from contextrot.plan.runs import Run
    from contextrot.report.captions import Facts
    from contextrot.settings import ModelSettings

MOST_FORMAT_ERRORS = 0.1
"""Share of answers in no readable form above which a result is warned of."""
ESTIMATED = ("estimated_tokens", "estimated_usd", "tokens")
TOTALS = (("cost_usd", "cost_usd"), ("request_seconds", "total_seconds"))


def summarize_experiment(
    run: Run, seed: int, files: Mapping[str, Path], condition: str | None = None, estimates: str | Path | None = None
) -> dict[str, Any]:
    """One row of the summary; what is not known is None.

    Args:
        seed: of the bootstrap.
        files: the experiment's metrics.csv, and its scores, responses and samples where they are there.
        condition: the value of the task's `apart` that the row is about.
        estimates: the tier's cost_estimate.json, if one was made.
    """
    import pandas as pd

    scores = pd.read_parquet(files["scores.parquet"]) if "scores.parquet" in files else None
    return _row_of(run, seed, files, pd.read_csv(files["metrics.csv"]), scores, condition, estimates)


def _row_of(
    run: Run, seed: int, files: Mapping[str, Path], metrics: pd.DataFrame, scores: pd.DataFrame | None, condition: str | None,
    estimates: str | Path | None,
) -> dict[str, Any]:  # fmt: skip
    """As `summarize_experiment`, of the experiment's metrics and scores, which are read once for all its conditions."""
    import pandas as pd

    task, apart = run.task, []
    if condition is not None:
        apart, metrics = [task.apart], _under(metrics, task.apart, condition)
        scores = None if scores is None else _under(scores, task.apart, condition)
    counted_here = None if scores is None else on_target(scores)
    row: dict[str, Any] = {
        "model": run.model,
        "experiment": run.experiment,
        "model_title": run.model_title,
        "experiment_title": run.experiment_title,
        "engine": run.settings.engine,
        "hosted": run.settings.hosted,
        "judge": ", ".join(run.judges) or None,
        "length": task.length_column,
        "condition": condition,
        **_mean("overall", select(metrics, "score", *apart)),
    }
    by_length = pd.DataFrame()
    if task.length_column:
        by_length = (
            select(metrics, "score", *apart, task.length_column)
            .dropna(subset=["value", task.length_column])
            .sort_values(task.length_column)
        )
    for name, rows in (("shortest", by_length.head(1)), ("longest", by_length.tail(1))):
        row[f"{name}_length"] = rows[task.length_column].iloc[0] if len(rows) else None
        row |= _mean(name, rows)
    cut = cut_answers(scores, files.get("responses.parquet"), task.judged)
    curve = None if scores is None or mostly_unsaid(cut, len(scores)) else counted_here
    row |= _effective_lengths(seed, run, curve, condition) | _population(run, counted_here)
    row |= {"samples": None, "answers": None, **dict.fromkeys(NO_ANSWER), "cost_usd": None, "request_seconds": None}
    if "responses.parquet" in files:
        responses = responses_summary(files["responses.parquet"])
        row |= {name: responses[name] for name in ("answers", "cost_usd", "request_seconds")}
        row |= {outcome: responses["outcomes"].get(outcome, 0) for outcome in NO_ANSWER}
    if "samples.parquet" in files:
        import pyarrow.parquet as pq

        row["samples"] = pq.read_metadata(files["samples.parquet"]).num_rows
    if condition is not None and scores is not None:
        row |= _of_condition(scores)
    row |= dict.fromkeys(ESTIMATED)
    if condition is None and "responses.parquet" in files:
        counted = [responses[f"{kind}_tokens"] for kind in ("prompt", "completion")]
        row["tokens"] = None if None in counted else int(sum(counted))
        if counts := counted_answers(files.get("token_summary.json")):
            found = {"tokens": counts["total_tokens"], "cost_usd": counts["cost_usd"]}
            row |= {
                name: value for name, value in found.items() if row[name] is not None
            }  # unknown of one answer is unknown of all
    if condition is None and (told := estimates_of(estimates).get((run.model, run.experiment))):
        row |= {"estimated_tokens": told["prompt_tokens"] + told["output_tokens"], "estimated_usd": told["usd"]}
    row |= _lengths(run.settings, scores)
    row["format_errors"] = _format_errors(metrics)
    row |= cut
    row["note"] = run.note or None
    return row


def summarize_tier(
    runs: Sequence[Run], seed: int, files: Sequence[str | Path], estimates: str | Path | None = None
) -> pd.DataFrame:
    """One row for each model's experiment, from their files; see `summarize_experiment`."""
    import pandas as pd

    found, rows = by_experiment(files), []
    for run in runs:
        of_run = found[run.model, run.experiment]
        metrics = pd.read_csv(of_run["metrics.csv"])
        scores = pd.read_parquet(of_run["scores.parquet"]) if "scores.parquet" in of_run else None
        for condition in _conditions(run.task.apart, metrics):
            rows.append(_row_of(run, seed, of_run, metrics, scores, condition, estimates))
    return pd.DataFrame(rows)


def _conditions(apart: str | None, metrics: pd.DataFrame) -> list[str | None]:
    """What an experiment has a row for each of: the values of the task's `apart`, or the whole."""
    if apart is None or apart not in metrics:
        return [None]
    return list(dict.fromkeys(metrics[apart].dropna().astype(str))) or [None]


def _under(table: pd.DataFrame, apart: str, condition: str) -> pd.DataFrame:
    """The rows of one condition."""
    return table[table[apart].astype(str) == condition]


def _of_condition(mine: pd.DataFrame) -> dict[str, Any]:
    """Samples, answers, outcomes, cost and seconds of the answers under one condition; None where one of the answers has none."""
    sent = mine[mine["outcome"] != "over_window"]
    totals = {name: None if sent[column].isna().any() else float(sent[column].sum()) for name, column in TOTALS if column in sent}
    counts = {outcome: int((mine["outcome"] == outcome).sum()) for outcome in NO_ANSWER}
    return {"samples": int(mine["sample_id"].nunique()), "answers": len(mine), **totals, **counts}


def write_summary(
    runs: Sequence[Run],
    seed: int,
    files: Sequence[str | Path],
    csv: str | Path,
    markdown: str | Path,
    html: str | Path,
    estimates: str | Path | None = None,
) -> None:
    """Writes the summary in three forms: for programs, for a README or paper, and for the report.

    Args:
        runs: of one tier; see summarize_tier.
    """
    summary, tier = summarize_tier(runs, seed, files, estimates), runs[0].tier
    addresses = {run.model: run.settings.base_url for run in runs}
    table = readable(summary)
    cut = [
        cut_note(row, addresses[row["model"]])
        for row in summary.to_dict("records")
        if row["input_cut"] and not missing(row["input_cut"])
    ]
    formats = [format_note(row) for row in summary.to_dict("records") if (row["format_errors"] or 0) > MOST_FORMAT_ERRORS]
    limits = [note for row in summary.to_dict("records") for note in limit_notes(row)]
    notes = (
        cut
        + formats
        + limits
        + sorted({note for row in summary.to_dict("records") if (note := few_note(row))})
        + sorted({f"{row['model_title']}: {row['note']}." for row in summary.to_dict("records") if not missing(row["note"])})
    )
    about = [
        f"Tier {tier}: {runs[0].tier_description}.",
        "Mean scores from 0 to 1 with 95 % intervals. Answers to one needle or item are alike: with two and more of them the interval "
        "holds for others of the kind (t over them; `population: these` in config for these alone), else it is Wilson's for right or "
        "wrong and Gaffke's for other scores. n is the number of "
        "answers that count, and an answer that was cut, refused or empty counts as given. "
        "Requests over the model's window are never sent.",
        "Lengths are verified where the server's own count of each prompt agrees with ours; an answer to a prompt that the server cut "
        "(input cut) or with an unknown end (ended otherwise) counts nowhere.",
        "Could have seen: the smallest difference from the mean score of another such run that 80 % of such runs would find at 5 %, as if "
        "their needles were others; on the same ones it is smaller.",
        "Effective length: where the curve of scores falls below 0.856 (RULER) or below 85 % of the score at the shortest length "
        "(NoLiMa), with an interval of the same kind that claims no more than the measured lengths can tell.",
    ]
    write_table(csv, summary)
    compared = estimate_table(runs, by_experiment(files), estimates)
    beside = ["## Used, against the estimate", _markdown(compared)] if len(compared) else []
    parts = [f"# Summary, tier {tier}", *(f"**{note}**" for note in notes), _markdown(table), *about, *beside]
    write_text(markdown, "\n\n".join(parts) + "\n")
    write_text(html, html_table(table.map(_unbroken), f"Summary, tier {tier}", about, "\n".join(notes), ["Model", "Experiment"]))


def write_metrics_page(metrics_path: str | Path, facts: Facts, output: str | Path) -> None:
    """Writes an experiment's metrics as an HTML page, without columns that are empty or the same in every row.

    Args:
        facts: see captions.experiment_facts.
    """
    import pandas as pd

    metrics = pd.read_csv(metrics_path)
    told = ["grouping", "measure", "value", "low", "high", "n"]
    table = metrics[[c for c in metrics if c in told or (metrics[c].notna().any() and not (metrics[c].fillna(0) == 0).all())]]
    about = [
        f"{facts.question} Engine: {facts.engine}. Judge: {facts.judge}. Tier: {facts.tier}.",
        "Each measure is averaged over each grouping of the conditions: value with its 95 % interval (low, high), n answers that "
        "count, and the number of each outcome. Columns that are 0 or empty throughout are left out.",
    ]
    title = f"{facts.model} — {facts.experiment}: metrics"
    write_text(output, html_table(table, title, about, facts.note, ["grouping", "measure"]))


def _effective_lengths(seed: int, run: Run, scores: pd.DataFrame | None, condition: str | None) -> dict[str, Any]:
    """Effective length by each definition: where the curve crosses, its interval, and whether that is within the lengths."""
    found, column = {}, run.task.length_column
    if column and scores is not None:
        scores = scores[scores["outcome"].isin(SCORED_OUTCOMES)]
        for name in DEFINITIONS if "score" in scores else ():
            rng = generator_for(seed, "summary", run.model, run.experiment, name, *filter(None, [condition]))
            found[name] = effective_length(
                scores[column].to_numpy(float),
                scores["score"].to_numpy(float),
                rng,
                scores["sample_id"],
                name,
                needles=scores.get("cluster"),
            )
    return {
        f"effective_length_{name}{suffix}": getattr(found[name], part) if name in found else None
        for name in DEFINITIONS
        for suffix, part in (("", "crossing"), ("_low", "low"), ("_high", "high"), ("_status", "status"))
    }


def _population(run: Run, scores: pd.DataFrame | None) -> dict[str, Any]:
    """What the intervals speak for (`kind` or `these`), of how many needles or items, and the difference that the run could have seen."""
    found: dict[str, Any] = dict.fromkeys(("population", "clusters", "smallest_difference"))
    if scores is not None and "score" in scores and (names := clusters_of(scores)) is not None:
        counted = (scores["outcome"].isin(SCORED_OUTCOMES) & scores["score"].notna()).to_numpy()
        column = run.task.cluster_column
        by_kind = column in scores and names == scores[column].astype(str).tolist()
        kept = [name for name, counts in zip(names, counted, strict=True) if counts]
        difference = seen_difference(scores["score"].to_numpy(float)[counted], kept)
        found = {
            "population": "kind" if by_kind else "these",
            "clusters": len(set(kept)),
            "smallest_difference": difference,
        }
    return found


def _lengths(model: ModelSettings, scores: pd.DataFrame | None) -> dict[str, Any]:
    """How many prompts have the server's count beside ours, how many were sent, and what the server adds or keeps."""
    names = ("lengths_sent", "lengths_verified", "surplus_tokens", "kept_tokens", "estimated_lengths")
    found: dict[str, Any] = dict.fromkeys(names)
    if scores is not None:
        columns = ["outcome", "prompt_tokens", "server_prompt_tokens"]
        if set(columns) <= set(scores):
            scores = scores[scores["outcome"].isin((*SCORED_OUTCOMES, "input_cut"))]
            pairs = scores[["prompt_tokens", "server_prompt_tokens"]].astype(float).fillna(0).astype(int).itertuples(index=False)
            exact = counts_exactly(model)
            audit = audit_counts([Count(*pair) if min(pair) > 0 else None for pair in pairs], exact)
            kept = scores.loc[scores["outcome"] == "input_cut", "server_prompt_tokens"].max()
            kept = None if missing(kept) else int(kept)
            values = (len(scores), audit.verified, audit.surplus_tokens, kept, not exact or audit.another_tokenizer)
            found = dict(zip(names, values, strict=True))
    return found


def _format_errors(metrics: pd.DataFrame) -> float | None:
    """The share of answers whose form could not be read, over all conditions; None where a task has no such measure."""
    rows = metrics[(metrics["measure"] == "format_error") & metrics["value"].notna()]
    rows = rows[rows["grouping"] == rows["grouping"].iloc[0]] if len(rows) else rows
    return float((rows["value"] * rows["n"]).sum() / rows["n"].sum()) if len(rows) and rows["n"].sum() else None


def _mean(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Value, interval and n of the first row, or nothing known."""
    first = rows.iloc[0] if len(rows) else {}
    return {
        f"{name}_score{suffix}": first.get(part)
        for suffix, part in (("", "value"), ("_low", "low"), ("_high", "high"), ("_n", "n"))
    }


def _unbroken(value: Any) -> Any:
    """A text whose intervals and counts stay in one line of a narrow column."""
    return (
        re.sub(r"(?<=,) (?=[^\[]*\])|(?<=\d) (?=\[)|(?<=\bn) (?==)|(?<=n =) ", "\u00a0", value)
        if isinstance(value, str)
        else value
    )


def _markdown(table: pd.DataFrame) -> str:
    """The table as GitHub and pandoc read it; a `|` in a title does not end a cell."""
    rows = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
