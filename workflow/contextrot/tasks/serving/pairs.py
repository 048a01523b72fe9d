"""Servers compared request by request: the same prompt, under the same load, on one and on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot.randomness import generator_for
from contextrot.scores.clusters import clustered_mean
from contextrot.scores.stats import paired_difference
from contextrot.tasks.serving.summary import load_column

if TYPE_CHECKING:
    import pandas as pd

TIMED = ("ttft_seconds", "tpot_seconds", "end_to_end_seconds")
COLUMNS = ("mode", "against", "length", "measure", "change", "low", "high", "n", "p_value")


def compare_pairs(requests: pd.DataFrame) -> pd.DataFrame:
    """Every server against the first one, for each length and load.

    Of latencies the change is in percent: the geometric mean of the ratios of pairs less 1, with Student's interval over repeats (empty for a
    single repeat, which says nothing of others). Of scores it is the difference, with a paired bootstrap over what was asked and its p
    value. Pairs with an answer on one side only, or one read from a cache, are left out of latencies.

    Args:
        requests: rows of all servers.

    Returns:
        The load's column, and COLUMNS.
    """
    import pandas as pd

    load = load_column(requests)
    rows: list[dict[str, Any]] = []
    modes = list(dict.fromkeys(requests["mode"]))
    answered = requests[requests["outcome"] == "answered"]
    keys = ["sample_id", "turn"]
    for other in modes[1:]:
        for (length, value), one in answered[answered["mode"] == modes[0]].groupby(["length", load], sort=True):
            two = answered[(answered["mode"] == other) & (answered["length"] == length) & (answered[load] == value)]
            pairs = one.merge(two, on=keys, suffixes=("", "_other"), validate="one_to_one")
            shared = {"mode": other, "against": modes[0], "length": length, load: value}
            rows += [{**shared, **row} for row in (*_latencies(pairs), *_scores(pairs))]
    return pd.DataFrame(rows, columns=[load, *COLUMNS])


def _latencies(pairs: pd.DataFrame) -> list[dict[str, Any]]:
    cold = pairs[~pairs["warm"].eq(True) & ~pairs["warm_other"].eq(True)]
    found = []
    for name in TIMED:
        known = cold.dropna(subset=[name, f"{name}_other"])
        known = known[(known[name] > 0) & (known[f"{name}_other"] > 0)]
        if known.empty:
            continue
        ratios = np.log(known[f"{name}_other"].to_numpy(float) / known[name].to_numpy(float))
        mean = clustered_mean(ratios, known["repeat"].tolist())
        change, low, high = (None if v is None else 100 * float(np.expm1(v)) for v in (mean.mean, mean.low, mean.high))
        found.append({"measure": name, "change": change, "low": low, "high": high, "n": len(known), "p_value": None})
    return found


def _scores(pairs: pd.DataFrame) -> list[dict[str, Any]]:
    known = pairs.dropna(subset=["score", "score_other"]) if "score" in pairs else pairs[:0]
    if known.empty:
        return []
    second, first = known["score_other"].to_numpy(float), known["score"].to_numpy(float)
    found = paired_difference(second, first, known["asked"].tolist(), generator_for(0, "pairs"))
    return [
        {
            "measure": "score",
            "change": found.difference,
            "low": found.low,
            "high": found.high,
            "n": found.n,
            "p_value": found.p_value,
        }
    ]
