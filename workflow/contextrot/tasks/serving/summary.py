"""Requests to metrics: latencies, rates (per second) over repeats, and what one mode costs or saves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot.records import OUTCOMES
from contextrot.scores.clusters import clustered_mean
from contextrot.scores.tails import clustered, quantile_interval

if TYPE_CHECKING:
    import pandas as pd

LATENCIES = ("ttft_seconds", "tpot_seconds", "itl_seconds", "end_to_end_seconds")
STATISTICS = {
    "mean": lambda values, repeats: clustered(values, repeats, np.mean),
    "median": lambda values, repeats: clustered(values, repeats, np.median),
    "p95": lambda values, repeats: quantile_interval(values, repeats, 0.95),
    "p99": lambda values, repeats: quantile_interval(values, repeats, 0.99),
}
KEPT_UP, LEAST_QUEUE = 0.9, 5
"""A server keeps up if this share of the requests is answered when the last is due; fewer requests under way are no queue."""
SIMULATED = "SIMULATED: not a measurement"
SHOWN = (
    ("ttft_seconds_median", "TTFT median (s)"),
    ("ttft_seconds_p99", "TTFT p99 (s)"),
    ("tpot_seconds_median", "TPOT median (s)"),
    ("itl_seconds_p99", "ITL p99 (s)"),
    ("end_to_end_seconds_median", "end to end median (s)"),
    ("output_token_throughput", "output tokens/s"),
    ("goodput", "good requests/s"),
)


def summarize_requests(requests: pd.DataFrame, limits: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Metrics of each mode, length and load (`concurrency`, or `rate` of an open loop); the columns are those of scoring.aggregate.

    Latencies: mean, median, p95, p99 over requests (ITL: over all gaps between chunks), with the repeats as clusters (see `tails`); a
    bound is empty where too few requests tell it. Rates: requests, tokens and good requests per second of each repeat's wall time,
    averaged over repeats, with Student's interval, cut at 0. Requests whose prompts a cache held (`warm`) count nowhere. A group without a
    request has no value.

    Args:
        requests: one row a request, as serving.measure writes them.
        limits: latency -> seconds that a request must keep to count for the goodput.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    names = ("mode", "length", load_column(requests))
    places = {
        mode: place for place, mode in enumerate(dict.fromkeys(requests["mode"]))
    }  # the first is what others are compared with
    groups = sorted(requests.groupby(list(names)), key=lambda group: (places[group[0][0]], *group[0][1:]))
    for key, group in groups:
        outcomes = group["outcome"].value_counts()
        shared = {
            "grouping": ",".join(names),
            **dict(zip(names, key, strict=True)),
            **{outcome: int(outcomes.get(outcome, 0)) for outcome in OUTCOMES},
            "unjudged": 0,
        }
        cold = group[~group["warm"].eq(True)] if "warm" in group else group
        measured = cold[cold["outcome"] == "answered"]
        for name in LATENCIES:
            values, repeats, n = latencies(measured, name)
            for statistic, estimate in STATISTICS.items():
                value, low, high = estimate(values, repeats)
                rows.append({**shared, "measure": f"{name}_{statistic}", "value": value, "low": low, "high": high, "n": n})
        for name, values in rates(measured, limits or {}).items():
            value, low, high = clustered(np.array(values), np.arange(len(values)), np.mean)
            rows.append({**shared, "measure": name, "value": value, "low": low, "high": high, "n": len(values)})
        rows += [{**shared, **row} for row in quality(group, measured)]
    order = ["grouping", "measure", *names, "value", "low", "high", "n", *OUTCOMES, "unjudged"]
    return pd.DataFrame(rows, columns=order)


def quality(group: pd.DataFrame, measured: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean score of a task's answers, and USD of a request, where they are known.

    A score's interval is over what was asked (`asked`), whose repeats are no independent draws. An answer read from a cache is as good as
    another, so that scores are of all answers, times of cold ones.

    Args:
        group, measured: all requests, and those that are timed.
    """
    found = []
    scored = group.dropna(subset=["score"]) if "score" in group else group[:0]
    if len(scored):
        mean = clustered_mean(scored["score"].to_numpy(float), scored["asked"].tolist(), (0, 1))
        found.append({"measure": "score", "value": mean.mean, "low": mean.low, "high": mean.high, "n": len(scored)})
    billed = measured.dropna(subset=["cost_usd"]) if "cost_usd" in measured else measured[:0]
    if len(billed):
        value, low, high = clustered(billed["cost_usd"].to_numpy(float), billed["repeat"].to_numpy(), np.mean)
        found.append({"measure": "cost_usd_mean", "value": value, "low": low, "high": high, "n": len(billed)})
    return found


def load_column(table: pd.DataFrame) -> str:
    """The column that says how the engine was loaded: requests at once, a second, or the speed at which a trace is replayed."""
    return next((name for name in ("speed", "rate") if name in table), "concurrency")


def latencies(requests: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """All values of one latency, the repeat of each, and of how many requests they are: ITL has one for each gap."""
    known = requests[requests[name].map(len).astype(int) > 0] if name == "itl_seconds" else requests.dropna(subset=[name])
    if name != "itl_seconds" or known.empty:
        return known[name].to_numpy(float), known["repeat"].to_numpy(), len(known)
    gaps = [np.asarray(gaps, float) for gaps in known[name]]
    return np.concatenate(gaps), np.repeat(known["repeat"].to_numpy(), [len(one) for one in gaps]), len(known)


def rates(requests: pd.DataFrame, limits: Mapping[str, float]) -> dict[str, list[float]]:
    """Per repeat: requests, output tokens, all tokens and good requests for each second of the repeat's wall time."""
    found: dict[str, list[float]] = {
        "request_throughput": [],
        "output_token_throughput": [],
        "total_token_throughput": [],
        "goodput": [],
    }
    for _, repeat in requests.groupby("repeat", sort=True):
        seconds = float(repeat["group_seconds"].iloc[0])
        output, prompt = (float(repeat[name].sum(skipna=False)) for name in ("completion_tokens", "server_prompt_tokens"))
        good = np.ones(len(repeat), bool)
        for name, limit in limits.items():
            good &= (repeat[name].fillna(0.0) <= limit).to_numpy()  # an answer of one token has no TPOT to break
        found["request_throughput"].append(len(repeat) / seconds)
        for name, tokens in (("output_token_throughput", output), ("total_token_throughput", output + prompt)):
            if np.isfinite(tokens):  # a server that does not count has no throughput of tokens
                found[name].append(tokens / seconds)
        found["goodput"].append(float(good.sum()) / seconds)
    return found


def kept_up(requests: pd.DataFrame) -> list[dict[str, Any]]:
    """For each mode, length, rate and repeat of an open loop: whether the server kept up with it, and how late our own sender was.

    Each entry has `answered_share`, the share of the requests that were answered when the last one was due; `under_way_half` and
    `under_way_end`, how many were under way in the middle of the arrivals and at their end; `saturated`, whether the queue grew all the
    while; and `late_seconds_max`. Where the arrivals last less than the quickest answer three times over, nothing tells (None).
    """
    if load_column(requests) == "concurrency" or "start_seconds" not in requests:
        return []
    names = ["mode", "length", load_column(requests), "repeat"]
    found = []
    for key, group in requests[requests["outcome"].isin(["answered", "failed"])].groupby(names, sort=True):
        due = group["start_seconds"].to_numpy(float)
        ends = due + group["end_to_end_seconds"].fillna(0.0).to_numpy(float)
        last, half = float(due.max()), float(due.max()) / 2
        under_way = [int(((due <= at) & (ends > at)).sum()) for at in (half, last)]
        share = float((ends <= last).mean())
        answered = (ends - due)[(group["outcome"] == "answered").to_numpy()]
        quickest = float(answered.min()) if len(answered) else 0.0
        grows = share < KEPT_UP and under_way[1] >= 1.5 * max(under_way[0], 1) and under_way[1] >= LEAST_QUEUE
        found.append(
            {
                **dict(zip(names, key, strict=True)),
                "answered_share": share,
                "under_way_half": under_way[0],
                "under_way_end": under_way[1],
                "saturated": bool(grows) if last >= 3 * quickest else None,
                "late_seconds_max": float(group["late_seconds"].max()) if group["late_seconds"].notna().any() else None,
            }
        )
    return found


def deltas(metrics: pd.DataFrame) -> pd.DataFrame:
    """Every mode (or varied server) against the first one, for each length, load and measure.

    Columns: mode, against, length, the load, measure, `value`, `value_against`, `change_percent` (of the first), `separate` (whether
    the two 95 % intervals do not overlap). Empty where one was measured.
    """
    import pandas as pd

    names = ["length", load_column(metrics), "measure"]
    sides = {mode: rows.set_index(names) for mode, rows in metrics.groupby("mode", sort=False)}
    first = next(iter(sides), None)
    rows = []
    for mode, side in sides.items():
        for key in sides[first].index.intersection(side.index) if mode != first else ():
            one, two = sides[first].loc[key], side.loc[key]
            if pd.isna(one["value"]) or pd.isna(two["value"]):
                continue
            rows.append(
                {
                    "mode": mode,
                    "against": first,
                    **dict(zip(names, key, strict=True)),
                    "value": two["value"],
                    "value_against": one["value"],
                    "change_percent": 100 * (two["value"] - one["value"]) / one["value"] if one["value"] else None,
                    "separate": bool(one["high"] < two["low"] or two["high"] < one["low"]),
                    "n": int(min(one["n"], two["n"])),
                }
            )
    columns = ["mode", "against", *names, "value", "value_against", "change_percent", "separate", "n"]
    return pd.DataFrame(rows, columns=columns)


def change(by_measure: pd.DataFrame, measure: str) -> str:
    """One cell of the delta table."""
    if measure not in by_measure.index:
        return ""
    row = by_measure.loc[measure]
    if row["change_percent"] != row["change_percent"]:  # of nothing
        return ""
    text = f"{row['change_percent']:+.0f} %"
    return f"**{text}**" if row["separate"] else text


def as_json(value: Any) -> str:
    """JSON text; numbers that are not finite, and missing values of tables, become null."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, default=str, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
