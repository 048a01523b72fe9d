"""Intervals of means and quantiles of latencies, with the repeats as clusters of requests.

Requests of one repeat share its queue and its machine's mood, so they are no independent draws. A quantile's interval is that of order
statistics (exact for independent values: David and Nagaraja, Order Statistics, 2003, 7.1), with the effective number of values in
place of their number (Woodruff 1952 for quantiles; Korn and Graubard 1998 for the effective number and its degrees of freedom).
Where so few values cannot bound a quantile, there is no bound: p99 needs 368 independent values for the upper one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from contextrot.scores.stats import mean_interval

Estimate = tuple[float | None, float | None, float | None]
"""Value, low, high; None where the data say nothing."""


def quantile_interval(values: np.ndarray, clusters: np.ndarray, q: float, confidence: float = 0.95) -> Estimate:
    """The q-quantile with its interval; a bound is None where there are too few values for it.

    Args:
        values, clusters: the values and the cluster of each, shape (n,).
        q: between 0 and 1.
    """
    from scipy.stats import binom

    if not len(values):
        return None, None, None
    ordered = np.sort(values)
    value = float(np.quantile(ordered, q))
    n = math.floor(effective_number(values <= value, clusters))
    if n < 2:
        return value, None, None
    tail = (1 - confidence) / 2
    # ranks of the order statistics between which the quantile lies, as shares of n + 1: low, high
    low, high = int(binom.ppf(tail, n, q)), int(binom.ppf(1 - tail, n, q)) + 1
    scale = (len(ordered) + 1) / (n + 1)

    def at(rank: float) -> float:
        return float(ordered[int(min(max(rank, 1), len(ordered))) - 1])

    return value, at(math.floor(low * scale)) if low >= 1 else None, at(math.ceil(high * scale)) if high <= n else None


def clustered(values: np.ndarray, clusters: np.ndarray, statistic: Callable[[np.ndarray], float]) -> Estimate:
    """A mean or median of all values, none below 0, with Student's interval over those of the clusters, cut at 0.

    One cluster says nothing of others: the mean's interval is then over its values, the median's that of order statistics.
    """
    if not len(values):
        return None, None, None
    value = float(statistic(values))
    each = np.array([statistic(values[clusters == one]) for one in np.unique(clusters)])
    if len(each) == 1 and statistic is np.median:
        return quantile_interval(values, clusters, 0.5)
    centre, low, high = mean_interval(each if len(each) > 1 else values)
    if centre is None or low is None or high is None:
        return value, None, None
    return value, max(low + value - centre, 0.0), high + value - centre


def effective_number(hits: np.ndarray, clusters: np.ndarray) -> float:
    """How many independent values tell as much about a share as these do.

    With several clusters: n over the design effect, and fewer degrees of freedom (Korn and Graubard); never more than n.

    Args:
        hits: whether each value is below the quantile, shape (n,).
    """
    from scipy.stats import t

    n, names = len(hits), np.unique(clusters)
    share = hits.mean()
    if len(names) < 2 or share in (0.0, 1.0):
        return n
    totals: Sequence[float] = [float((hits[clusters == one] - share).sum()) for one in names]
    k = len(names)
    variance = k / (k - 1) * float(np.sum(np.square(totals))) / n**2
    design = max(variance / (share * (1 - share) / n), 1.0)
    freedom = (t.ppf(0.975, n - 1) / t.ppf(0.975, k - 1)) ** 2
    return min(n / design * freedom, n) if design > 1.0 else n
