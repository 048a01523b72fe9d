"""The summary in words: means with their intervals and n, effective lengths, failures, what was verified, notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contextrot.responses.input_cut import what_to_set
from contextrot.scores.clusters import FEW_CLUSTERS

if TYPE_CHECKING:
    import pandas as pd

NO_ANSWER = ("truncated", "refused", "empty", "over_window", "input_cut", "ended_otherwise", "failed")


def readable(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary for people: titles, means with their intervals and n, failures in words."""
    import pandas as pd

    rows = []
    for row in summary.to_dict("records"):
        rows.append(
            {
                "Model": row["model_title"],
                "Experiment": row["experiment_title"]
                + ("" if missing(row["condition"]) else f": {row['condition'].replace('_', ' ')}"),
                "Score": _interval(row, "overall"),
                "At the shortest": _at(row, "shortest"),
                "At the longest": _at(row, "longest"),
                "Effective length (RULER)": _effective(row, "ruler"),
                "Effective length (NoLiMa)": _effective(row, "nolima"),
                "Intervals for": _population(row),
                "Could have seen": _known(row["smallest_difference"], "{:.2f}", ""),
                "Not answered": _failures(row),
                "Lengths": _verified(row),
                "Cost (USD)": _known(row["cost_usd"], "{:.2f}", "unknown" if row["hosted"] else "not billed")
                + _against_estimate(row, "cost_usd", "estimated_usd"),
                "Tokens (estimate)": _known(row["tokens"], "{:,.0f}", "") + _against_estimate(row, "tokens", "estimated_tokens"),
                "Time of requests": _known(row["request_seconds"], "{}", "unknown", duration),
            }
        )
    return pd.DataFrame(rows)


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _against_estimate(row: Mapping[str, Any], actual: str, estimated: str) -> str:
    """How far what was used is from the estimate; nothing where one of them is not known."""
    if missing(row[actual]) or missing(row[estimated]) or not row[estimated]:
        return ""
    return f" ({row[actual] / row[estimated] - 1:+.0%} against the estimate)"


def _verified(row: dict[str, Any]) -> str:
    """Whether the server's counts agree with ours, in words."""
    sent, verified, surplus = (row[name] for name in ("lengths_sent", "lengths_verified", "surplus_tokens"))
    if missing(sent) or not sent:
        return ""
    if not verified:
        return "not verified: the server counts no prompt tokens"
    text = "verified" if verified == sent else f"{verified:.0f} of {sent:.0f} verified"
    text += " (estimates)" if row["estimated_lengths"] else ""
    text += f", {row['input_cut']:.0f} cut" if row["input_cut"] and not missing(row["input_cut"]) else ""
    return text if missing(surplus) else f"{text}, the server adds {surplus:,.0f} tokens"


def cut_note(row: dict[str, Any], base_url: str | None) -> str:
    kept = None if missing(row["kept_tokens"]) else int(row["kept_tokens"])
    counted = "" if kept is None else f" (it counted {kept:,} tokens at most)"
    advice = what_to_set(base_url, kept)
    return (
        f"{row['model_title']}, {row['experiment_title']}: the server cut the prompts of {row['input_cut']:.0f} of "
        f"{row['answers']:.0f} answers{counted}; they count nowhere. {advice}"
    )


def _population(row: dict[str, Any]) -> str:
    """What the intervals of a row speak for."""
    if missing(row["clusters"]):
        return ""
    count = int(row["clusters"])
    if row["population"] == "kind" and count > 1:
        return f"the kind of {count:,} needles or items"
    return "these prompts alone"


def few_note(row: dict[str, Any]) -> str:
    """A warning of too few needles or items to speak for their kind; empty where there are enough, or these alone are meant."""
    if row["population"] != "kind" or missing(row["clusters"]) or row["clusters"] >= FEW_CLUSTERS:
        return ""
    where, count = f"{row['model_title']}, {row['experiment_title']}", int(row["clusters"])
    if count < 2:
        return f"{where}: one needle or item only, so that intervals speak for these prompts alone; ask {FEW_CLUSTERS} or more."
    return (
        f"{where}: {count} needles or items only; intervals for their kind are wide and lean on few degrees of freedom. Ask {FEW_CLUSTERS} or "
        "more, or set `population: these`."
    )


def format_note(row: dict[str, Any]) -> str:
    return (
        f"{row['model_title']}, {row['experiment_title']}: {100 * row['format_errors']:.0f} % of the answers that should name one label name none, or "
        "several; they count as wrong, so part of what the scores show may be the format, not the task."
    )


def _effective(row: dict[str, Any], name: str) -> str:
    """An effective length with its interval; open where it reaches beyond the lengths that were measured."""
    crossing, low, high, status = (row[f"effective_length_{name}{part}"] for part in ("", "_low", "_high", "_status"))
    if missing(status) or status == "unknown":
        return ""
    longest, shortest = f"{row['longest_length']:,.0f}", f"{row['shortest_length']:,.0f}"
    text = {"beyond_longest": f"> {longest}", "below_shortest": f"< {shortest}"}.get(status) or f"{crossing:,.0f}"
    ends = f"< {shortest}" if missing(low) else f"{low:,.0f}", f"> {longest}" if missing(high) else f"{high:,.0f}"
    return f"{text} [{ends[0]}, {ends[1]}]"


def _interval(row: dict[str, Any], name: str) -> str:
    value, low, high, n = (row[f"{name}_score{part}"] for part in ("", "_low", "_high", "_n"))
    if missing(value):
        return ""
    text = f"{value:.2f}"
    if not missing(low) and not missing(high):
        text += f" [{low:.2f}, {high:.2f}]"
    return text if missing(n) else f"{text}, n = {n:.0f}"


def _at(row: dict[str, Any], name: str) -> str:
    length, score = row[f"{name}_length"], _interval(row, name)
    return "" if missing(length) or not score else f"{length:,.0f}: {score}"


def _failures(row: dict[str, Any]) -> str:
    if missing(row["answers"]):
        return ""
    counts = [f"{row[outcome]:.0f} {outcome.replace('_', ' ')}" for outcome in NO_ANSWER if row[outcome]]
    return f"{', '.join(counts) or 'none'} of {row['answers']:.0f}"


def _known(value: Any, form: str, otherwise: str, convert: Any = lambda value: value) -> str:
    return otherwise if missing(value) else form.format(convert(value))


def missing(value: Any) -> bool:
    """Whether a value is not known: None or NaN."""
    return value is None or value != value
